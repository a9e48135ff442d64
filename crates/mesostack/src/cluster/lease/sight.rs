//! What a lease's groups say, put together; and what to do about it. Pure.

use std::{collections::BTreeMap, time::Duration};

use cloudstack::{Id, resource::AffinityGroup};
use jiff::Timestamp;

use super::{
    Held,
    record::{Kind, LeaseRecord, Names, RunId, TermRecord},
    term::is_over,
};

/// A lease's groups as a list shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sight {
    /// `CLUSTER.lease`; its record, where it says what a lease says.
    pub(super) lease: Option<(Id, Option<LeaseRecord>)>,
    /// Renewals and closings, by run and number.
    pub(super) terms: BTreeMap<(RunId, u32), (Id, TermRecord)>,
    /// Questions for the time.
    pub(super) asks: Vec<Id>,
}

/// What to do about a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nobody has it.
    Free,
    /// What has its name is none.
    Foreign,
    /// Somebody has it.
    Wait(Held),
    /// It is over, and its holder may not know: make the group with this number.
    Close { run: RunId, number: u32, held: Held },
    /// It is over and closed: remove the lease, then the run's other groups.
    Clear { run: RunId, lease: Id },
}

impl Sight {
    pub(super) fn of(names: &Names, groups: Vec<AffinityGroup>) -> Self {
        let mut sight = Self::default();
        for group in groups {
            let description = group.description.unwrap_or_default();
            match names.kind(&group.name) {
                Some(Kind::Lease) => sight.lease = Some((group.id, LeaseRecord::parse(&description))),
                Some(Kind::Term { run, number }) => {
                    sight.terms.insert((run, number), (group.id, TermRecord::parse(&description)));
                }
                Some(Kind::Ask) => sight.asks.push(group.id),
                None => {}
            }
        }
        sight
    }

    /// Whether the lease is this run's.
    pub(super) fn is_of(&self, run: &RunId) -> bool {
        let record = self.lease.as_ref().and_then(|(_, record)| record.as_ref());
        record.is_some_and(|record| record.run == *run)
    }

    /// A run's renewals and closings, in order.
    pub(super) fn terms_of<'a>(&'a self, run: &'a RunId) -> impl Iterator<Item = (u32, &'a Id, TermRecord)> {
        let whole = (run.clone(), 0)..=(run.clone(), u32::MAX);
        self.terms.range(whole).map(|((_, number), (id, record))| (*number, id, *record))
    }

    /// Which lease this is, and in which of its terms: what does not change while nobody does anything.
    pub(super) fn identity(&self) -> Option<(RunId, u32)> {
        let (_, record) = self.lease.as_ref()?;
        let run = record.as_ref()?.run.clone();
        let number = self.terms_of(&run).last().map_or(0, |(number, ..)| number);
        Some((run, number))
    }

    /// What to do, when the server's time is at least `now`, and the lease was seen as it is for as long as `watched`.
    pub(super) fn judge(&self, now: Timestamp, watched: Duration) -> Verdict {
        let Some((id, record)) = &self.lease else { return Verdict::Free };
        let Some(LeaseRecord { run, holder, since, until, length }) = record else { return Verdict::Foreign };
        let (number, last) = match self.terms_of(run).last() {
            Some((number, _, record)) => (number, record),
            None => (0, TermRecord::Until(*until)),
        };
        let TermRecord::Until(until) = last else {
            return Verdict::Clear { run: run.clone(), lease: id.clone() };
        };
        let held = Held { holder: holder.clone(), since: *since, until };
        match is_over(until, *length, now, watched) {
            true => Verdict::Close { run: run.clone(), number: number + 1, held },
            false => Verdict::Wait(held),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::cluster::lease::record::{Holder, later};

    fn time(seconds: u64) -> Timestamp {
        later(Timestamp::from_second(1_790_000_000).unwrap(), Duration::from_secs(seconds))
    }

    fn run(seed: u64) -> RunId {
        RunId::draw(&mut StdRng::seed_from_u64(seed))
    }

    fn record(run: RunId, since: u64, length: u64) -> LeaseRecord {
        LeaseRecord {
            run,
            holder: Holder::new("anna@laptop", 7),
            since: time(since),
            until: time(since + length),
            length: Duration::from_secs(length),
        }
    }

    fn group(name: String, description: impl ToString) -> AffinityGroup {
        AffinityGroup {
            id: Id::from(name.as_str()),
            name,
            description: Some(description.to_string()),
            ..AffinityGroup::default()
        }
    }

    fn names() -> Names {
        Names::of("mesos")
    }

    #[test]
    fn a_lease_is_read_with_its_last_renewal_and_no_one_else_s() {
        let groups = vec![
            group("mesos-masters".into(), "theirs"),
            group("mesos.lease".into(), record(run(1), 0, 60)),
            group(names().term(&run(1), 2), TermRecord::Until(time(120))),
            group(names().term(&run(1), 10), TermRecord::Until(time(600))),
            group(names().term(&run(2), 90), TermRecord::Closed),
            group(names().ask(&run(3)), ""),
        ];
        let sight = Sight::of(&names(), groups);
        assert_eq!(sight.identity(), Some((run(1), 10)));
        let verdict = sight.judge(time(500), Duration::ZERO);
        assert!(matches!(verdict, Verdict::Wait(held) if held.until == time(600)));
        let verdict = sight.judge(time(603), Duration::ZERO);
        assert!(matches!(verdict, Verdict::Close { number: 11, .. }), "{verdict:?}");
        assert_eq!(sight.asks.len(), 1);
    }

    #[test]
    fn what_is_closed_is_cleared_and_what_is_no_lease_is_left_alone() {
        let lease = group("mesos.lease".into(), record(run(1), 0, 60));
        let id = lease.id.clone();
        let closed = group(names().term(&run(1), 1), TermRecord::Closed);
        let sight = Sight::of(&names(), vec![lease, closed]);
        assert_eq!(sight.judge(time(0), Duration::ZERO), Verdict::Clear { run: run(1), lease: id });
        let foreign = Sight::of(&names(), vec![group("mesos.lease".into(), "keep apart")]);
        assert_eq!(foreign.judge(time(9_999_999), Duration::MAX), Verdict::Foreign);
        assert_eq!(Sight::default().judge(time(0), Duration::ZERO), Verdict::Free);
    }

    proptest! {
        #[test]
        fn a_lease_is_closed_only_after_its_end_or_after_its_whole_length(
            since in 0_u64..10_000, length in 15_u64..600, renewals in prop::collection::vec(1_u64..600, 0..4),
            now in 0_u64..20_000, watched in 0_u64..1_000,
        ) {
            let mut groups = vec![group("mesos.lease".into(), record(run(1), since, length))];
            let mut end = since + length;
            for (at, more) in renewals.iter().enumerate() {
                end += more;
                let number = u32::try_from(at).unwrap() + 1;
                groups.push(group(names().term(&run(1), number), TermRecord::Until(time(end))));
            }
            groups.reverse();
            let sight = Sight::of(&names(), groups);
            let over = now > end + 2 || watched > length + 2;
            match sight.judge(time(now), Duration::from_secs(watched)) {
                Verdict::Wait(held) => prop_assert!(!over && held.until == time(end)),
                Verdict::Close { number, .. } => prop_assert!(over && usize::try_from(number).unwrap() == renewals.len() + 1),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
