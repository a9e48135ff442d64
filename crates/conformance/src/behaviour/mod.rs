//! The behaviours, a room a subject. Each is a sentence about a CloudStack, with where it is known from, and a function
//! that finds out whether it is true of a server.

mod accounts;
mod addresses;
mod balancers;
mod deployments;
mod jobs;
mod lists;
mod machines;
mod networks;
mod requests;
mod rules;
mod sessions;
mod small_things;
mod storage;

use std::fmt;
use std::pin::Pin;

use crate::finding::Verdict;
use crate::stage::Stage;

/// One behaviour.
#[derive(Clone, Copy)]
pub struct Behaviour {
    /// Its name: subject and what it is about.
    pub name: &'static str,
    /// What a CloudStack does.
    pub says: &'static str,
    /// Where that is known from.
    pub source: Source,
    /// Commands without which it cannot be asked.
    pub needs: &'static [&'static str],
    pub(crate) check: for<'s> fn(&'s Stage) -> Pin<Box<dyn Future<Output = Verdict> + Send + 's>>,
}

/// Where a behaviour is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Recorded from a CloudStack 4.23 with the simulator hypervisor: which call.
    Recorded(&'static str),
    /// Read in CloudStack's source: where.
    Read(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded(what) => write!(f, "4.23: {what}"),
            Self::Read(place) => write!(f, "source: {place}"),
        }
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Behaviour {
    /// What the name begins with: the room it is from.
    pub fn subject(&self) -> &'static str {
        self.name.split_once('/').map_or(self.name, |(subject, _)| subject)
    }
}

/// A room's table: a line a behaviour, whose check is the function of that name.
macro_rules! behaviours {
    ($subject:literal: $($check:ident $says:literal, $source:expr, [$($need:literal),*];)*) => {
        pub(super) const BEHAVIOURS: &[crate::behaviour::Behaviour] = &[$(crate::behaviour::Behaviour {
            name: concat!($subject, "/", stringify!($check)),
            says: $says,
            source: $source,
            needs: &[$($need),*],
            check: |stage| Box::pin($check(stage)),
        }),*];
    };
}
use behaviours;

/// All behaviours, in the order in which they are checked.
pub fn all() -> impl Iterator<Item = &'static Behaviour> {
    [
        requests::BEHAVIOURS,
        sessions::BEHAVIOURS,
        lists::BEHAVIOURS,
        jobs::BEHAVIOURS,
        networks::BEHAVIOURS,
        addresses::BEHAVIOURS,
        rules::BEHAVIOURS,
        balancers::BEHAVIOURS,
        deployments::BEHAVIOURS,
        machines::BEHAVIOURS,
        small_things::BEHAVIOURS,
        storage::BEHAVIOURS,
        accounts::BEHAVIOURS,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_behaviour_has_a_name_and_a_sentence_of_its_own() {
        let mut names = BTreeSet::new();
        let mut sentences = BTreeSet::new();
        for behaviour in all() {
            assert!(names.insert(behaviour.name), "{} is there twice", behaviour.name);
            assert!(sentences.insert(behaviour.says), "{} is said twice", behaviour.says);
            assert!(!behaviour.says.ends_with('.'), "{}", behaviour.says);
        }
    }
}
