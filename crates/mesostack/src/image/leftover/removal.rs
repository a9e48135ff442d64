//! Removing what a build left: round after round, until nothing is left but what has to wait for the cloud.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use cloudstack::{
    Client, Expect, Id,
    resource::{
        DeleteFirewallRule, DeleteNetwork, DeletePortForwardingRule, DeleteTemplate, DestroyVirtualMachine,
        ListCapabilities, ListFirewallRules, ListPortForwardingRules, ListPublicIpAddresses,
    },
};
use futures::future::{join, join_all};
use tokio::time::{Instant, sleep};

use super::{Kind, Leftovers, Thing, find};
use crate::image::{
    build::BuildId,
    error::{Error, Result},
};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

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
pub(in crate::image) enum Gone {
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
    let (templates, networks) = join(join_all(templates), join_all(networks)).await;
    templates.into_iter().collect::<Result<(), _>>()?;
    let later = networks.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(later.into_iter().flatten().collect())
}

/// Destroys a machine for good, where users may do that.
pub(in crate::image) async fn destroy(
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
pub(in crate::image) async fn close(
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
