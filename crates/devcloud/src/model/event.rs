//! Events: what was done, by whom, to what.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Entity;

/// How many events are kept; the oldest go first.
pub(super) const KEPT: usize = 5_000;

/// A line of the zone's history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    /// Who did it.
    #[serde(default)]
    pub(crate) user: Option<Uuid>,
    #[serde(default)]
    pub(crate) archived: bool,
    /// `VM.START` …
    pub(crate) kind: String,
    pub(crate) error: bool,
    pub(crate) description: String,
    /// Scheduled, Started, Completed or Created.
    pub(crate) state: String,
    pub(crate) created: Timestamp,
    pub(crate) resource_kind: Option<String>,
    pub(crate) resource: Option<Uuid>,
    /// What it was called when this was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resource_name: Option<String>,
    /// The event that began what this one ends.
    pub(crate) parent: Option<Uuid>,
}

impl Entity for Event {
    const KIND: &'static str = "event";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}

impl super::Model {
    /// Adds an event and lets the oldest ones go.
    pub(crate) fn record(&mut self, event: Event) {
        self.events.insert(event);
        while self.events.len() > KEPT {
            let Some(oldest) = self.events.iter().next().map(|event| event.id) else { break };
            self.events.remove(oldest);
        }
    }
}

/// What is known of a thing that an event is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) name: Option<String>,
    /// The account whose it is, where it is someone's.
    pub(crate) owner: Option<Uuid>,
}

impl super::Model {
    /// A thing by the kind that events and jobs name it by; none if it is not there.
    pub(crate) fn known_as(&self, kind: &str, id: Uuid) -> Option<Known> {
        let of = |name: &str, owner: Uuid| Known { name: Some(name.to_owned()), owner: Some(owner) };
        let nameless = |owner: Uuid| Known { name: None, owner: Some(owner) };
        match kind {
            "Account" => self.accounts.get(id).map(|account| of(&account.name, account.id)),
            "AffinityGroup" => self.affinity_groups.get(id).map(|group| of(&group.name, group.account)),
            "DiskOffering" => {
                let offering = self.disk_offerings.get(id);
                offering.map(|offering| Known { name: Some(offering.name.clone()), owner: None })
            }
            "Domain" => {
                let domain = self.domains.get(id);
                domain.map(|domain| Known { name: Some(domain.name.clone()), owner: None })
            }
            "FirewallRule" | "LoadBalancerRule" => {
                let firewall = self.firewall_rules.get(id).map(|rule| rule.account);
                let forward = || self.port_forwarding_rules.get(id).map(|rule| rule.account);
                let balancer = || self.load_balancer_rules.get(id).map(|rule| rule.account);
                let translated = || self.ip_forwarding_rules.get(id).map(|rule| rule.account);
                firewall.or_else(forward).or_else(balancer).or_else(translated).map(nameless)
            }
            "IpAddress" => {
                let address = self.public_ip_addresses.get(id)?;
                Some(Known { name: None, owner: address.account })
            }
            "Network" => self.networks.get(id).map(|network| of(&network.name, network.account)),
            "NetworkOffering" => {
                let offering = self.network_offerings.get(id);
                offering.map(|offering| Known { name: Some(offering.name.clone()), owner: None })
            }
            "Project" => self.projects.get(id).map(|project| of(&project.name, project.account)),
            "SSHKeyPair" => self.key_pairs.get(id).map(|pair| of(&pair.name, pair.account)),
            "ServiceOffering" => {
                let offering = self.service_offerings.get(id);
                offering.map(|offering| Known { name: Some(offering.name.clone()), owner: None })
            }
            "Snapshot" => self.snapshots.get(id).map(|snapshot| of(&snapshot.name, snapshot.account)),
            "Template" | "Iso" => {
                let template = self.templates.get(id)?;
                Some(Known { name: Some(template.name.clone()), owner: template.account })
            }
            "User" => self.user(id).map(|(account, user)| of(&user.name, account.id)),
            "UserData" => self.user_data.get(id).map(|data| of(&data.name, data.account)),
            "VirtualMachine" => {
                self.virtual_machines.get(id).map(|machine| of(&machine.name, machine.account))
            }
            "Volume" => self.volumes.get(id).map(|volume| of(&volume.name, volume.account)),
            _ => None,
        }
    }

    /// Whether the id of a thing that an event is about still leads to it, or to the mark that it left.
    pub(crate) fn still_known(&self, kind: &str, id: Uuid) -> bool {
        self.known_as(kind, id).is_some() || self.removed.contains(id)
    }
}
