//! What a lease's groups are called, and what their descriptions say. A description is words a person can read in the
//! cloud's own interface, and is read back word by word.

use std::{collections::BTreeMap, fmt, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, rngs::StdRng};
use serde::Serialize;

/// How every description begins.
const MARK: &str = "mesostack lease:";
/// The longest a holder's name may be: descriptions end at 255 characters on some servers.
const LONGEST_NAME: usize = 100;

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// `user@host`
    pub name: String,
    /// The process on that host.
    pub process: u32,
}

impl Holder {
    /// A holder; what would not fit into a description is left out of its name.
    pub fn new(name: &str, process: u32) -> Self {
        let fits = |c: &char| !c.is_whitespace() && !c.is_control();
        Self { name: name.chars().filter(fits).take(LONGEST_NAME).collect(), process }
    }
}

/// A run's number: drawn by chance, never used twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RunId(String);

impl RunId {
    pub(super) fn draw(random: &mut StdRng) -> Self {
        Self(format!("{:012x}", random.random::<u64>() & 0xffff_ffff_ffff))
    }

    fn parse(text: &str) -> Option<Self> {
        let ours = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        ours.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The names of a cluster's lease. A host name has no dot, so no group of another purpose or cluster is called so.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) lease: String,
}

/// What a group's name says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The lease itself.
    Lease,
    /// A renewal, or a closing.
    Term { run: RunId, number: u32 },
    /// Somebody's question for the time.
    Ask,
}

impl Names {
    pub(super) fn of(cluster: &str) -> Self {
        Self { lease: format!("{cluster}.lease") }
    }

    pub(super) fn term(&self, run: &RunId, number: u32) -> String {
        format!("{}.{run}.{number}", self.lease)
    }

    pub(super) fn ask(&self, run: &RunId) -> String {
        format!("{}.{run}.ask", self.lease)
    }

    /// Nothing, where a group is none of the lease's.
    pub(super) fn kind(&self, name: &str) -> Option<Kind> {
        let rest = name.strip_prefix(&self.lease)?;
        if rest.is_empty() {
            return Some(Kind::Lease);
        }
        let (run, number) = rest.strip_prefix('.')?.split_once('.')?;
        let run = RunId::parse(run)?;
        match number {
            "ask" => Some(Kind::Ask),
            number => number.parse().ok().map(|number| Kind::Term { run, number }),
        }
    }
}

/// What the lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeaseRecord {
    pub(super) run: RunId,
    pub(super) holder: Holder,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    pub(super) length: Duration,
}

/// What a renewal or a closing says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TermRecord {
    Until(Timestamp),
    Closed,
}

impl fmt::Display for LeaseRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, holder, since, until, length } = self;
        let Holder { name, process } = holder;
        let (since, until, length) = (second(*since), second(*until), length.as_secs());
        write!(f, "{MARK} run={run} by={name} process={process} since={since} until={until} length={length}")
    }
}

impl fmt::Display for TermRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Until(until) => write!(f, "{MARK} until={}", second(*until)),
            Self::Closed => write!(f, "{MARK} closed"),
        }
    }
}

impl LeaseRecord {
    pub(super) fn parse(description: &str) -> Option<Self> {
        let words = words(description)?;
        let word = |name: &str| words.get(name).copied();
        Some(Self {
            run: RunId::parse(word("run")?)?,
            holder: Holder { name: word("by")?.to_owned(), process: word("process")?.parse().ok()? },
            since: word("since")?.parse().ok()?,
            until: word("until")?.parse().ok()?,
            length: Duration::from_secs(word("length")?.parse().ok()?),
        })
    }
}

impl TermRecord {
    /// What cannot be read was made by nobody who renews: it closes.
    pub(super) fn parse(description: &str) -> Self {
        let until = words(description).and_then(|words| words.get("until")?.parse().ok());
        until.map_or(Self::Closed, Self::Until)
    }
}

fn words(description: &str) -> Option<BTreeMap<&str, &str>> {
    let words = description.strip_prefix(MARK)?.split_whitespace();
    Some(words.filter_map(|word| word.split_once('=')).collect())
}

/// A moment's whole second: servers know no finer one.
pub(super) fn second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// A moment later by so much.
pub(super) fn later(time: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;

    fn time(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            seed: u64, name in "\\PC{0,200}", process: u32, since in 0_i64..1_000_000, length in 15_u64..100_000, number: u32,
        ) {
            let run = RunId::draw(&mut StdRng::seed_from_u64(seed));
            let length = Duration::from_secs(length);
            let holder = Holder::new(&name, process);
            let record = LeaseRecord { run: run.clone(), holder, since: time(since), until: later(time(since), length), length };
            prop_assert!(record.to_string().chars().count() <= 255, "{record}");
            prop_assert_eq!(LeaseRecord::parse(&record.to_string()), Some(record));
            let term = TermRecord::Until(time(since));
            prop_assert_eq!(TermRecord::parse(&term.to_string()), term);
            let names = Names::of("mesos");
            prop_assert_eq!(names.kind(&names.term(&run, number)), Some(Kind::Term { run: run.clone(), number }));
            prop_assert_eq!(names.kind(&names.ask(&run)), Some(Kind::Ask));
            prop_assert_eq!(Names::of("meso").kind(&names.term(&run, number)), None);
        }
    }

    #[test]
    fn only_a_lease_s_groups_are_its_own() {
        let names = Names::of("mesos");
        assert_eq!(names.kind("mesos.lease"), Some(Kind::Lease));
        for name in
            ["mesos-masters", "mesos.leases", "mesos.lease.x.1", "mesos.lease.0123456789ab", "a-mesos.lease"]
        {
            assert_eq!(names.kind(name), None, "{name}");
        }
    }

    #[test]
    fn what_says_nothing_of_a_run_is_no_lease() {
        for text in ["", "keep apart", "mesostack lease: run=1 by=a", "mesostack lease: closed"] {
            assert_eq!(LeaseRecord::parse(text), None, "{text}");
        }
        assert_eq!(TermRecord::parse("keep apart"), TermRecord::Closed);
    }
}
