//! What builds leave behind: found by name, told, removed. A failed build cleans up after itself with the same means
//! by which a later `image gc` cleans up after a killed one, so that there is one way, and it needs no memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Duration,
};

use cloudstack::{
    Client, Expect, Id,
    resource::{
        DeleteFirewallRule, DeleteNetwork, DeletePortForwardingRule, DeleteTemplate, DestroyVirtualMachine,
        ListCapabilities, ListFirewallRules, ListNetworks, ListPortForwardingRules, ListPublicIpAddresses,
        ListTemplates, ListVirtualMachines, TemplateFilter,
    },
};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{
    build::{BuildId, Purpose},
    error::{Error, Result},
};

/// How far the server's clock and ours may be apart before a live build could look like a dead one.
const CLOCKS: SignedDuration = SignedDuration::from_mins(10);
/// What a build of unknown lifetime is granted.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(4 * 3600);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

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
    /// Whether the build that made these things must be dead at `now`. Its machines' own clock ends them at twice its
    /// lifetime, its own deadline ends it at once its lifetime; the clocks of both sides may differ. Where the cloud does
    /// not say how old they are, the build may still live.
    pub fn is_dead(&self, now: Timestamp) -> bool {
        let lifetime = SignedDuration::try_from(self.lifetime).unwrap_or(SignedDuration::MAX);
        self.since.is_some_and(|since| {
            since.duration_until(now) > lifetime.checked_add(CLOCKS).unwrap_or(SignedDuration::MAX)
        })
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

/// What came of removing a build's things.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Removed {
    /// Nothing is left.
    Everything,
    /// These stay until the cloud has cleared away the destroyed machines in them, which it does not let users do.
    /// Removing again takes them then.
    Later(Vec<Thing>),
}

impl Removed {
    /// What stays for a while and why, for people; none when nothing does.
    pub fn remark(&self) -> Option<String> {
        let Self::Later(things) = self else { return None };
        let things: Vec<String> = things.iter().map(ToString::to_string).collect();
        Some(format!(
            "{} stays for now: this cloud lets no user remove a machine for good, and keeps destroyed ones for a while (a \
             day, unless its operator chose otherwise); `mesostack image gc` removes it after that",
            things.join(", ")
        ))
    }
}

/// How gone a destroyed machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Gone {
    /// For good.
    ForGood,
    /// Users may not expunge here: it goes when the server clears up, and its network cannot be deleted before.
    Later,
}

/// Removes everything that `build` has left, and looks again until nothing is left but what has to wait for the cloud.
/// What is removed is told to `tell`.
///
/// # Errors
/// [`Error::LeftBehind`] when something is still there at `deadline`.
pub async fn remove(
    client: &Client,
    build: &BuildId,
    deadline: Instant,
    mut tell: impl FnMut(&Thing),
) -> Result<Removed> {
    let mut pause = FIRST_PAUSE;
    let mut told: Vec<Id> = Vec::new();
    let mut ports: BTreeSet<(Ipv4Addr, u16)> = BTreeSet::new();
    // A create whose reply was lost may still be on its way into the lists: an end has to be seen twice.
    let (mut seen_empty, mut seen_later) = (false, false);
    let (mut reason, mut still_there) = (String::new(), Vec::new());
    loop {
        match find(client).await {
            Err(error) => reason = error.to_string(),
            Ok(all) => match all.into_iter().find(|left| left.build == *build) {
                None => {
                    still_there.clear();
                    match close_all(client, build, &ports, deadline).await {
                        Ok(()) if seen_empty => return Ok(Removed::Everything),
                        Ok(()) => seen_empty = true,
                        Err(error) => reason = error.to_string(),
                    }
                }
                Some(left) => {
                    seen_empty = false;
                    for thing in left.things.iter().filter(|thing| !told.contains(&thing.id)) {
                        tell(thing);
                    }
                    told = left.things.iter().map(|thing| thing.id.clone()).collect();
                    still_there = left.things.iter().map(ToString::to_string).collect();
                    ports.extend(left.things.iter().filter_map(|thing| thing.opened));
                    match remove_once(client, &left, &ports, deadline).await {
                        Ok(later) if !later.is_empty() && seen_later => return Ok(Removed::Later(later)),
                        Ok(later) => {
                            seen_later = !later.is_empty();
                            pause = FIRST_PAUSE;
                        }
                        Err(error) => {
                            seen_later = false;
                            reason = error.to_string();
                        }
                    }
                }
            },
        }
        if Instant::now() + pause >= deadline {
            return Err(Error::LeftBehind { build: build.to_string(), things: still_there, reason });
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One round: ports of others' addresses, which nothing else says any more once the rest is gone; machines side by side;
/// then what they hold on to. Gives what can only go later.
async fn remove_once(
    client: &Client,
    left: &Leftovers,
    ports: &BTreeSet<(Ipv4Addr, u16)>,
    deadline: Instant,
) -> Result<Vec<Thing>, cloudstack::Error> {
    let of = |kind: Kind| left.things.iter().filter(move |thing| thing.kind == kind);
    close_all(client, &left.build, ports, deadline).await?;
    let destroyed = join_all(of(Kind::Machine).map(|machine| destroy(client, &machine.id, deadline))).await;
    // Everything is tried; the first failure is told.
    let destroyed = destroyed.into_iter().collect::<Result<Vec<_>, _>>()?;
    let keeps_machines = destroyed.contains(&Gone::Later);
    let templates = of(Kind::Template).map(|template| delete_template(client, &template.id, deadline));
    let networks = of(Kind::Network).map(|network| async {
        let gone = !keeps_machines && delete_network(client, &network.id, deadline).await? == Gone::ForGood;
        Ok((!gone).then(|| network.clone()))
    });
    let (templates, networks) = futures::future::join(join_all(templates), join_all(networks)).await;
    templates.into_iter().collect::<Result<(), _>>()?;
    let later = networks.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(later.into_iter().flatten().collect())
}

/// Destroys a machine for good, where users may do that.
pub(super) async fn destroy(
    client: &Client,
    machine: &Id,
    deadline: Instant,
) -> Result<Gone, cloudstack::Error> {
    let for_good = DestroyVirtualMachine::new(machine).expunge(true);
    match client.run(&for_good, Expect::Long, deadline).await {
        Err(error) if error.text().is_some_and(|text| text.contains("permission for expunging")) => {
            gone(client.run(&DestroyVirtualMachine::new(machine), Expect::Long, deadline).await)?;
            Ok(Gone::Later)
        }
        outcome => gone(outcome).map(|()| Gone::ForGood),
    }
}

/// Deletes a network of the build's own. Refused without a reason while a machine in it is not gone for good; a user
/// sees none that is only destroyed, so what the cloud allows has to tell.
async fn delete_network(client: &Client, network: &Id, deadline: Instant) -> Result<Gone, cloudstack::Error> {
    match gone(client.run(&DeleteNetwork::new(network), Expect::Long, deadline).await) {
        Err(error) if error.code() == Some(530) => match client.call(&ListCapabilities::new()).await {
            Ok(capabilities) if !capabilities.allow_user_expunge_recover_vm => Ok(Gone::Later),
            _ => Err(error),
        },
        outcome => outcome.map(|()| Gone::ForGood),
    }
}

/// Deletes an unfinished template. Nobody but the machine it was tried on can have been made from it, and that one is
/// destroyed; where it is not gone for good yet, the cloud wants to be told that this is meant.
async fn delete_template(client: &Client, template: &Id, deadline: Instant) -> Result<(), cloudstack::Error> {
    let command = DeleteTemplate::new(template);
    match client.run(&command, Expect::Brief, deadline).await {
        Err(error) if error.is_in_use() => {
            gone(client.run(&command.forced(true), Expect::Brief, deadline).await)
        }
        outcome => gone(outcome),
    }
}

async fn close_all(
    client: &Client,
    build: &BuildId,
    ports: &BTreeSet<(Ipv4Addr, u16)>,
    deadline: Instant,
) -> Result<(), cloudstack::Error> {
    for (address, first_port) in ports {
        close(client, build, *address, *first_port, deadline).await?;
    }
    Ok(())
}

/// Removes the rule that opens exactly these two ports, and what leads from them to machines of `build`. A forward goes
/// with its machine only when that is removed for good, which may be a day later, or never for us to see.
///
/// A build makes its forward before it opens the ports. So where they lead to somebody else's machine, they are not ours.
pub(super) async fn close(
    client: &Client,
    build: &BuildId,
    address: Ipv4Addr,
    first_port: u16,
    deadline: Instant,
) -> Result<(), cloudstack::Error> {
    for address in client.list(&ListPublicIpAddresses::new().ip_address(address)).await? {
        let forwards = client.list(&ListPortForwardingRules::new().ip_address_id(&address.id)).await?;
        let (ours, others): (Vec<_>, Vec<_>) = forwards
            .into_iter()
            .filter(|forward| (first_port..=first_port + 1).contains(&forward.public_port))
            .partition(|forward| BuildId::of_name(&forward.virtual_machine_name).as_ref() == Some(build));
        if ours.is_empty() && !others.is_empty() {
            continue;
        }
        for rule in client.list(&ListFirewallRules::new().ip_address_id(&address.id)).await? {
            if rule.start_port == Some(first_port) && rule.end_port == Some(first_port + 1) {
                gone(client.run(&DeleteFirewallRule::new(&rule.id), Expect::Brief, deadline).await)?;
            }
        }
        for forward in ours {
            let command = DeletePortForwardingRule::new(&forward.id);
            gone(client.run(&command, Expect::Brief, deadline).await)?;
        }
    }
    Ok(())
}

/// Deleting what is not there any more is as good as deleting it.
fn gone<T>(outcome: Result<T, cloudstack::Error>) -> Result<(), cloudstack::Error> {
    match outcome {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
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
