//! The network a build works in, and the way in from outside.
//!
//! In a network of the build's own everything is written down while the network still sleeps (CloudStack calls it
//! `Allocated`): such calls are records only. The first machine's start wakes it with all in place. Removing the network
//! takes its address and rules along. In somebody else's network nothing is made that its owner would have to
//! look for: rules for two ports of its address, noted in the machine's description before they are made. Whose the ports
//! are is told by where they lead: so the machine comes first, then the forward to it, then the firewall rule. Its router
//! is not ours: while it is being started or stopped it refuses rules, and is waited for.

use std::{net::Ipv4Addr, time::Duration};

use cloudstack::{
    AsyncCommand, Expect, Id,
    resource::{
        AssociateIpAddress, CreateEgressFirewallRule, CreateFirewallRule, CreateNetwork, ListFirewallRules,
        ListNetworks, ListPortForwardingRules, ListPublicIpAddresses, ListVirtualMachines, Protocol,
        PublicIpAddress,
    },
};
use ipnet::Ipv4Net;
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::{
    run::Run,
    temporary::{BuildId, Purpose},
};
use crate::{
    cluster::{MachineState, NetworkState},
    image::{
        error::{Error, Result},
        lookup::{Place, Surroundings},
    },
    spec::{BuildAccess, Spec},
};

/// How many pairs of ports are tried on an address that others use too.
const PORT_PAIRS: u16 = 5_000;

/// How often a router is looked at that is being started or stopped.
const LOOK: Duration = Duration::from_secs(2);

/// How often a rule is sent in somebody else's network, whose router may begin to start between a look and the rule.
const ATTEMPTS: usize = 4;

/// Where the build's machines live.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) network: Id,
    /// Whether the network was made for this build.
    pub(super) own: bool,
    pub(super) entrance: Option<Entrance>,
}

/// A public address with two free ports: one for the build machine, one for the machine that the template is tried on.
#[derive(Clone, Debug)]
pub(super) struct Entrance {
    pub(super) id: Id,
    pub(super) address: Ipv4Addr,
    pub(super) first_port: u16,
}

impl Site {
    /// Makes the network, or finds a way into the existing one. Opens nothing yet.
    pub(super) async fn prepare(
        run: &Run<'_>,
        spec: &Spec,
        place: &Place,
        build: &BuildId,
        purpose: &Purpose,
        work: &str,
    ) -> Result<Self> {
        match &place.network {
            Surroundings::ThrowAway { offering } => {
                let (gateway, netmask) = (first_host(spec.network.range), spec.network.range.netmask());
                let command = CreateNetwork::new(build.name(), offering, &place.zone.id)
                    .display_text(purpose.to_string())
                    .gateway(gateway)
                    .netmask(netmask);
                let network = run.change("make the temporary network", &command).await?;
                let entrance = match spec.image.access {
                    BuildAccess::Forward => Some(take_address(run, &network.id).await?),
                    BuildAccess::Guest | BuildAccess::None => None,
                };
                // The offering's egress policy decides what a rule means: where traffic passes anyway, a rule denies.
                if network.egress_default_policy != Some(true) {
                    let rule = CreateEgressFirewallRule::new(&network.id, Protocol::All);
                    run.carry_out("let the build machine out", &rule, Expect::Brief).await?;
                }
                Ok(Self { network: network.id, own: true, entrance })
            }
            Surroundings::Existing { id: network } => {
                let entrance = match spec.image.access {
                    BuildAccess::Forward => {
                        await_router(run, network, work).await?;
                        Some(find_entrance(run, network, build).await?)
                    }
                    BuildAccess::Guest | BuildAccess::None => None,
                };
                Ok(Self { network: network.clone(), own: false, entrance })
            }
        }
    }

    /// What machines and templates of this site say of themselves.
    pub(super) fn purpose(&self, purpose: &Purpose) -> Purpose {
        let opened = self
            .entrance
            .as_ref()
            .filter(|_| !self.own)
            .map(|entrance| (entrance.address, entrance.first_port));
        Purpose { opened, ..purpose.clone() }
    }

    /// Lets the operator's networks, and nobody else, to the two ports.
    pub(super) async fn open(&self, run: &Run<'_>, allow: &[Ipv4Net], work: &str) -> Result<()> {
        let Some(entrance) = &self.entrance else { return Ok(()) };
        let rule = CreateFirewallRule::new(&entrance.id, Protocol::Tcp)
            .start_port(entrance.first_port)
            .end_port(entrance.first_port + 1)
            .cidr_list(allow.iter().map(ToString::to_string));
        self.write(run, "open the SSH ports to the operator's networks", &rule, work).await
    }

    /// Writes a rule. Our own network's router takes rules whenever we write them; somebody else's may be starting.
    pub(super) async fn write<C: AsyncCommand>(
        &self,
        run: &Run<'_>,
        doing: &str,
        rule: &C,
        work: &str,
    ) -> Result<()>
    where
        C::Outcome: DeserializeOwned,
    {
        let mut attempts = if self.own { 1 } else { ATTEMPTS };
        loop {
            if !self.own {
                await_router(run, &self.network, work).await?;
            }
            attempts -= 1;
            match run.carry_out(doing, rule, Expect::Brief).await {
                Err(Error::Cloud { source, .. }) if source.code() == Some(530) && attempts > 0 => {
                    run.waiting(work, format!("another attempt: {source}"));
                    run.until(doing, sleep(LOOK)).await?;
                }
                outcome => return outcome.map(|_| ()),
            }
        }
    }
}

/// Waits until the network's router stands or is away.
async fn await_router(run: &Run<'_>, network: &Id, work: &str) -> Result<()> {
    let doing = "wait for the network's router";
    loop {
        let found = run.list(doing, &ListNetworks::new().id(network)).await?;
        let state = found.first().map(|network| network.state.as_str()).unwrap_or_default();
        // A machine that is on its way in a sleeping network is what wakes it.
        let machines = match NetworkState::of(state) {
            NetworkState::Asleep => run.list(doing, &ListVirtualMachines::new().network_id(network)).await?,
            NetworkState::Awake | NetworkState::Changing => Vec::new(),
        };
        let on_its_way =
            || machines.iter().any(|it| MachineState::of(it.state.as_str()) == MachineState::Changing);
        if !NetworkState::of(state).is_changing(on_its_way) {
            return Ok(());
        }
        run.waiting(work, format!("the network's router (the network is {state})"));
        run.until(doing, sleep(LOOK)).await?;
    }
}

/// The network's first address; it becomes the source NAT's, so that no other is taken.
async fn take_address(run: &Run<'_>, network: &Id) -> Result<Entrance> {
    let command = AssociateIpAddress::new().network_id(network);
    let address = run.carry_out("take a public address", &command, Expect::Brief).await?;
    entrance(&address, 2201)
}

/// The existing network's own address. A network that never ran has none yet: it gets the one that it would take by
/// itself with its first machine, and keeps it.
async fn find_entrance(run: &Run<'_>, network: &Id, build: &BuildId) -> Result<Entrance> {
    let doing = "find the network's public address";
    let addresses = run.list(doing, &ListPublicIpAddresses::new().associated_network_id(network)).await?;
    let Some(address) = addresses.into_iter().find(|address| address.is_source_nat) else {
        return take_address(run, network).await;
    };
    let doing = "find free ports of the network's address";
    let forwards = ListPortForwardingRules::new().ip_address_id(&address.id);
    let openings = ListFirewallRules::new().ip_address_id(&address.id);
    let (forwards, openings) = tokio::join!(run.list(doing, &forwards), run.list(doing, &openings));
    let taken: Vec<(u16, u16)> = forwards?
        .iter()
        .map(|rule| (rule.public_port, rule.public_end_port.unwrap_or(rule.public_port)))
        .chain(openings?.iter().filter_map(|rule| Some((rule.start_port?, rule.end_port?))))
        .filter(|(first, last)| *first > 1 || *last < u16::MAX)
        .collect();
    let port = free_pair(build.first_port(), &taken).ok_or_else(|| Error::Invalid {
        problems: vec![
            "no two neighbouring ports from 50000 to 59999 of the network's address are free".to_owned(),
        ],
    })?;
    entrance(&address, port)
}

fn entrance(address: &PublicIpAddress, first_port: u16) -> Result<Entrance> {
    let parsed = address.ip_address.ok_or_else(|| Error::Invalid {
        problems: vec!["the cloud gave a public address without a number".to_owned()],
    })?;
    Ok(Entrance { id: address.id.clone(), address: parsed, first_port })
}

/// The first free pair of ports at or after `first`, around the range once.
fn free_pair(first: u16, taken: &[(u16, u16)]) -> Option<u16> {
    (0..PORT_PAIRS)
        .map(|step| 50_000 + (first - 50_000 + 2 * step) % (2 * PORT_PAIRS))
        .find(|port| taken.iter().all(|(from, to)| port + 1 < *from || *to < *port))
}

fn first_host(range: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(range.network()) + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pair_of_ports_that_others_use_is_passed_over() {
        assert_eq!(free_pair(50_000, &[]), Some(50_000));
        assert_eq!(free_pair(50_000, &[(50_001, 50_001), (50_002, 50_010)]), Some(50_012));
        assert_eq!(free_pair(59_998, &[(59_999, 59_999)]), Some(50_000));
        assert_eq!(free_pair(50_000, &[(1, 65_535)]), None);
    }

    proptest! {
        #[test]
        fn a_pair_found_is_free_and_in_range(start in 0u16..5_000, taken in prop::collection::vec((49_990u16..60_010, 0u16..300), 0..20)) {
            let taken: Vec<_> = taken.into_iter().map(|(from, length)| (from, from.saturating_add(length))).collect();
            if let Some(port) = free_pair(50_000 + 2 * start, &taken) {
                prop_assert!((50_000..=59_998).contains(&port));
                prop_assert!(taken.iter().all(|(from, to)| !(*from <= port + 1 && port <= *to)));
            }
        }
    }
}
