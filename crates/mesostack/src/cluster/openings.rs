//! Which ports of the public address are open, to whom, and what is missing.
//!
//! Firewall rules are ranges of ports for lists of sources. Two rules conflict when they share a port and a source, so
//! a range cannot be widened: growth adds a rule for the new ports only, and what is open stays open meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use ipnet::Ipv4Net;
use serde::Serialize;

/// TCP ports that are, or should be, open to some sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Opening {
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
    /// From where: whole ranges in their order, none within another.
    pub sources: Vec<Ipv4Net>,
}

impl Opening {
    /// Ports `first` to `last`, from `sources`, however those are written.
    pub(crate) fn new(first: u16, last: u16, sources: impl IntoIterator<Item = Ipv4Net>) -> Self {
        let sources = Ipv4Net::aggregate(&sources.into_iter().collect());
        Self { first, last, sources }
    }

    fn opens_to(&self, source: Ipv4Net) -> bool {
        self.sources.iter().any(|open| open.contains(&source))
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tcp {}", self.first)?;
        if self.last != self.first {
            write!(f, "-{}", self.last)?;
        }
        let sources = self.sources.iter().map(ToString::to_string).collect::<Vec<_>>();
        write!(f, " from {}", sources.join(", "))
    }
}

/// What has to be opened so that everything `wanted` is, given what is `present`. None of it conflicts with what is
/// present.
pub(crate) fn missing(wanted: &[Opening], present: &[Opening]) -> Vec<Opening> {
    wanted.iter().flat_map(|opening| missing_of(opening, present)).collect()
}

fn missing_of(wanted: &Opening, present: &[Opening]) -> Vec<Opening> {
    // Sources that lack the same ports get them by one rule.
    let mut lacking: BTreeMap<Vec<(u16, u16)>, Vec<Ipv4Net>> = BTreeMap::new();
    for source in &wanted.sources {
        let open = present.iter().filter(|rule| rule.opens_to(*source)).map(|rule| (rule.first, rule.last));
        lacking.entry(gaps((wanted.first, wanted.last), open)).or_default().push(*source);
    }
    lacking
        .into_iter()
        .flat_map(|(gaps, sources)| {
            gaps.into_iter().map(move |(first, last)| Opening { first, last, sources: sources.clone() })
        })
        .collect()
}

/// The parts of a range of ports that none of the others has.
fn gaps(range: (u16, u16), covered: impl Iterator<Item = (u16, u16)>) -> Vec<(u16, u16)> {
    let mut covered = covered.collect::<Vec<_>>();
    covered.sort_unstable();
    let mut gaps = Vec::new();
    let mut next = u32::from(range.0);
    let end = u32::from(range.1);
    for (first, last) in covered {
        if u32::from(first) > next && next <= end {
            gaps.push((next, end.min(u32::from(first) - 1)));
        }
        next = next.max(u32::from(last) + 1);
    }
    if next <= end {
        gaps.push((next, end));
    }
    // Within a range of ports by construction.
    gaps.into_iter().filter_map(|(a, b)| Some((u16::try_from(a).ok()?, u16::try_from(b).ok()?))).collect()
}

/// Rules that open our ports to somebody who is not allowed (any more), and open nothing that could be someone else's
/// business: they begin among one opening's ports and end before the next opening, as a range does that was opened for
/// more nodes than there are now. By their place in `present`.
pub(crate) fn excessive(wanted: &[Opening], present: &[Opening]) -> BTreeSet<usize> {
    let lies_in_one = |rule: &Opening| {
        let mut touched = wanted.iter().filter(|opening| opening.overlaps(rule));
        match (touched.next(), touched.next()) {
            (Some(opening), None) if opening.first <= rule.first => Some(opening),
            _ => None,
        }
    };
    let lets_others_in =
        |rule: &Opening, opening: &Opening| rule.sources.iter().any(|source| !opening.opens_to(*source));
    let places = present.iter().enumerate();
    places
        .filter(|(_, rule)| lies_in_one(rule).is_some_and(|opening| lets_others_in(rule, opening)))
        .map(|(at, _)| at)
        .collect()
}

/// Rules that open more than was asked for, whether other ports or ours for others; those that are [`excessive`] among
/// them. By their place in `present`.
pub(crate) fn unasked(wanted: &[Opening], present: &[Opening]) -> BTreeSet<usize> {
    let asked_for = |rule: &Opening| {
        rule.sources.iter().all(|source| {
            let open = wanted.iter().filter(|opening| opening.opens_to(*source));
            gaps((rule.first, rule.last), open.map(|opening| (opening.first, opening.last))).is_empty()
        })
    };
    let places = present.iter().enumerate();
    places.filter(|(_, rule)| !asked_for(rule)).map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().expect("a range")
    }

    fn opening(first: u16, last: u16, sources: &[&str]) -> Opening {
        Opening::new(first, last, sources.iter().map(|source| net(source)))
    }

    #[test]
    fn nothing_present_means_one_rule_an_opening_whatever_the_number_of_sources() {
        let wanted =
            [opening(1222, 1224, &["10.0.0.0/8", "192.168.0.0/16"]), opening(5050, 5050, &["10.0.0.0/8"])];
        assert_eq!(missing(&wanted, &[]), wanted);
    }

    #[test]
    fn growth_opens_the_new_ports_only() {
        let present = [opening(2222, 2224, &["10.0.0.0/8"])];
        let wanted = [opening(2222, 2226, &["10.0.0.0/8"])];
        assert_eq!(missing(&wanted, &present), [opening(2225, 2226, &["10.0.0.0/8"])]);
        assert!(excessive(&wanted, &present).is_empty());
    }

    #[test]
    fn a_new_source_gets_a_rule_of_its_own() {
        let present = [opening(2222, 2224, &["10.0.0.0/8"])];
        let wanted = [opening(2222, 2224, &["10.0.0.0/8", "172.16.0.0/12"])];
        assert_eq!(missing(&wanted, &present), [opening(2222, 2224, &["172.16.0.0/12"])]);
    }

    #[test]
    fn a_source_that_is_not_allowed_any_more_is_excessive() {
        let present =
            [opening(5050, 5050, &["10.0.0.0/8", "0.0.0.0/0"]), opening(9999, 9999, &["0.0.0.0/0"])];
        let wanted = [opening(5050, 5050, &["10.0.0.0/8"])];
        assert_eq!(excessive(&wanted, &present), BTreeSet::from([0]));
        assert_eq!(unasked(&wanted, &present), BTreeSet::from([0, 1]));
    }

    #[test]
    fn a_range_that_was_opened_for_more_nodes_is_closed_with_its_source_and_else_only_shown() {
        let present = [opening(2222, 2226, &["10.0.0.0/8"])];
        let other = [opening(2222, 2224, &["172.16.0.0/12"]), opening(5050, 5050, &["172.16.0.0/12"])];
        assert_eq!(excessive(&other, &present), BTreeSet::from([0]));
        let fewer = [opening(2222, 2224, &["10.0.0.0/8"])];
        assert!(excessive(&fewer, &present).is_empty());
        assert_eq!(unasked(&fewer, &present), BTreeSet::from([0]));
    }

    #[test]
    fn a_rule_that_opens_everything_is_shown_and_left_to_whoever_made_it() {
        let present = [opening(1, 65_535, &["0.0.0.0/0"])];
        let wanted = [opening(2222, 2224, &["10.0.0.0/8"]), opening(5050, 5050, &["10.0.0.0/8"])];
        assert!(excessive(&wanted, &present).is_empty());
        assert_eq!(unasked(&wanted, &present), BTreeSet::from([0]));
    }

    fn any_opening() -> impl Strategy<Value = Opening> {
        let sources =
            prop::sample::subsequence(vec!["10.0.0.0/8", "10.1.0.0/16", "192.168.1.0/24", "0.0.0.0/0"], 1..4);
        (1u16..60, 0u16..12, sources)
            .prop_map(|(first, more, sources)| opening(first, first + more, &sources))
    }

    proptest! {
        #[test]
        fn afterwards_everything_wanted_is_open_and_nothing_conflicts(
            wanted in prop::collection::vec(any_opening(), 1..4),
            present in prop::collection::vec(any_opening(), 0..5),
        ) {
            // The wanted openings of a cluster never overlap.
            let wanted = wanted.into_iter().enumerate()
                .map(|(at, opening)| {
                    let shift = 100 * u16::try_from(at).expect("few");
                    Opening { first: opening.first + shift, last: opening.last + shift, ..opening }
                })
                .collect::<Vec<_>>();
            let added = missing(&wanted, &present);
            let shares = |one: &Opening, other: &Opening| {
                one.first <= other.last && other.first <= one.last
                    && one.sources.iter().any(|source| other.sources.contains(source))
            };
            for (at, rule) in added.iter().enumerate() {
                prop_assert!(rule.first <= rule.last && !rule.sources.is_empty());
                prop_assert!(present.iter().all(|other| !shares(rule, other)), "{rule} conflicts");
                prop_assert!(added[at + 1..].iter().all(|other| !shares(rule, other)));
                prop_assert!(unasked(&wanted, std::slice::from_ref(rule)).is_empty(), "{rule} was not asked for");
            }
            let open = present.iter().chain(&added).cloned().collect::<Vec<_>>();
            prop_assert_eq!(missing(&wanted, &open), []);
            // Whoever gets in without being asked for is shown or shut out.
            let unasked = unasked(&wanted, &open);
            prop_assert!(excessive(&wanted, &open).is_subset(&unasked));
            for (at, rule) in open.iter().enumerate().filter(|(at, _)| !unasked.contains(at)) {
                for port in rule.first..=rule.last {
                    let asked = |source: &Ipv4Net| wanted.iter().any(|opening| {
                        (opening.first..=opening.last).contains(&port) && opening.opens_to(*source)
                    });
                    prop_assert!(rule.sources.iter().all(asked), "{at}: {rule} lets others in at {port}");
                }
            }
        }
    }
}
