//! What builds leave behind: found by name, told, removed. A failed build cleans up after itself with the same means
//! by which a later `image gc` cleans up after a killed one, so that there is one way, and it needs no memory.

mod removal;

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use cloudstack::{
    Client, Id,
    resource::{ListNetworks, ListTemplates, ListVirtualMachines, TemplateFilter},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub(super) use self::removal::{Gone, close, destroy};
pub use self::removal::{Removed, remove};
use super::{
    build::{BuildId, Purpose},
    error::{Error, Result},
};

/// How far the server's clock and ours may be apart before a live build could look like a dead one.
const CLOCKS: SignedDuration = SignedDuration::from_mins(10);
/// What a build of unknown lifetime is granted.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(4 * 3600);

/// What one build has left in the cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leftovers {
    /// The build.
    pub build: BuildId,
    /// Whose it was, `user@host`, when anything still says so.
    pub holder: Option<String>,
    /// When the first of these things was made, by the server's clock.
    pub since: Option<Timestamp>,
    /// How long the build lasts at most, from then.
    pub lifetime: Duration,
    /// The things.
    pub things: Vec<Thing>,
}

/// One thing that a build left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Thing {
    /// What it is.
    pub kind: Kind,
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Two ports of somebody else's address that were opened for it.
    #[serde(skip)]
    opened: Option<(Ipv4Addr, u16)>,
}

/// A kind of temporary thing, in the order of removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A build machine, or one that a template was tried on.
    Machine,
    /// A template that was not finished.
    Template,
    /// A throw-away network, with its address and rules.
    Network,
}

impl Leftovers {
    /// When the build that made these things is dead for certain, by the server's clock: its own deadline ends it at once its
    /// lifetime, and the clocks of both sides may differ. None where the cloud does not say how old they are.
    pub fn dead_by(&self) -> Option<Timestamp> {
        let lifetime = SignedDuration::try_from(self.lifetime).unwrap_or(SignedDuration::MAX);
        let longest = lifetime.checked_add(CLOCKS).unwrap_or(SignedDuration::MAX);
        self.since.map(|since| since.checked_add(longest).unwrap_or(Timestamp::MAX))
    }

    /// Whether the build that made these things must be dead at `now`. Where the cloud does not say how old they are, it may
    /// still live.
    pub fn is_dead(&self, now: Timestamp) -> bool {
        self.dead_by().is_some_and(|dead_by| now > dead_by)
    }
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            Kind::Machine => "machine",
            Kind::Template => "template",
            Kind::Network => "network",
        };
        write!(f, "{kind} {} ({})", self.name, self.id)
    }
}

/// Finds everything that any build has made and not removed: three calls.
///
/// # Errors
/// When the cloud cannot be asked.
pub async fn find(client: &Client) -> Result<Vec<Leftovers>> {
    let (machines, templates, networks) =
        (ListVirtualMachines::new(), ListTemplates::new(TemplateFilter::OwnOnly), ListNetworks::new());
    let found = tokio::try_join!(client.list(&machines), client.list(&templates), client.list(&networks));
    let (machines, templates, networks) = found.map_err(|source| Error::Cloud {
        doing: "look for what builds left behind".to_owned(),
        source: Box::new(source),
    })?;
    let machines =
        machines.into_iter().map(|it| (Kind::Machine, it.id, it.name, it.display_name, it.created));
    let templates =
        templates.into_iter().map(|it| (Kind::Template, it.id, it.name, it.display_text, it.created));
    let networks =
        networks.into_iter().map(|it| (Kind::Network, it.id, it.name, it.display_text, it.created));
    Ok(group(machines.chain(templates).chain(networks)))
}

fn group(things: impl Iterator<Item = (Kind, Id, String, String, Option<Timestamp>)>) -> Vec<Leftovers> {
    let mut builds: BTreeMap<BuildId, Leftovers> = BTreeMap::new();
    for (kind, id, name, description, created) in things {
        let Some(build) = BuildId::of_name(&name) else { continue };
        let purpose = Purpose::parse(&description);
        let left = builds.entry(build.clone()).or_insert_with(|| Leftovers {
            build,
            holder: None,
            since: None,
            lifetime: UNKNOWN_LIFETIME,
            things: Vec::new(),
        });
        left.since = [left.since, created].into_iter().flatten().min();
        if let Some(purpose) = &purpose {
            left.holder = Some(purpose.holder.clone());
            left.lifetime = purpose.lifetime;
        }
        // One template in several zones has a line for each.
        if !left.things.iter().any(|thing| thing.id == id) {
            left.things.push(Thing { kind, id, name, opened: purpose.and_then(|purpose| purpose.opened) });
        }
    }
    let mut builds: Vec<Leftovers> = builds.into_values().collect();
    builds.iter_mut().for_each(|left| left.things.sort_by_key(|thing| thing.kind));
    builds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(since: &str, lifetime: u64) -> Leftovers {
        let purpose =
            Purpose { holder: "me@here".into(), lifetime: Duration::from_secs(lifetime), opened: None };
        let id = BuildId::random();
        let machine =
            (Kind::Machine, Id::from("m"), id.name(), purpose.to_string(), Some(since.parse().unwrap()));
        let network = (Kind::Network, Id::from("n"), id.name(), "?".to_owned(), None);
        group([network, machine].into_iter()).remove(0)
    }

    #[test]
    fn things_of_a_build_are_found_together_machines_first() {
        let left = left("2026-11-23T08:00:00Z", 3600);
        assert_eq!(
            left.things.iter().map(|thing| thing.kind).collect::<Vec<_>>(),
            [Kind::Machine, Kind::Network]
        );
        assert_eq!(left.holder.as_deref(), Some("me@here"));
    }

    #[test]
    fn a_build_is_dead_only_after_its_lifetime_and_the_clocks_difference() {
        let left = left("2026-11-23T08:00:00Z", 3600);
        assert!(!left.is_dead("2026-11-23T09:09:00Z".parse().unwrap()));
        assert!(left.is_dead("2026-11-23T09:11:00Z".parse().unwrap()));
        assert!(!left.is_dead("2026-11-23T07:00:00Z".parse().unwrap()), "the server's clock is ahead");
    }

    #[test]
    fn a_build_of_unknown_age_may_still_live() {
        let id = BuildId::random();
        let network = (Kind::Network, Id::from("n"), id.name(), String::new(), None);
        let left = group([network].into_iter()).remove(0);
        assert!(!left.is_dead("2126-11-23T09:11:00Z".parse().unwrap()));
    }

    #[test]
    fn what_is_called_otherwise_is_never_touched() {
        let others = ["mesos", "mesostack-build", "mesostack-build-me"]
            .map(|name| (Kind::Network, Id::from("x"), name.to_owned(), String::new(), None));
        assert_eq!(group(others.into_iter()), []);
    }
}
