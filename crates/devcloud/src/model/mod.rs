//! What the zone knows: its entities in tables, and the rules between them. Nothing here waits, talks or decides what
//! an answer looks like; a change is made under the zone's lock and is whole or not at all.

mod account;
mod affinity_group;
mod domain;
mod event;
mod firewall_rule;
mod guest_address;
mod instance_group;
mod ip_forwarding_rule;
mod job;
mod key_pair;
mod limit;
mod load_balancer_rule;
mod network;
mod network_offering;
mod offering;
mod placement;
mod port_forwarding_rule;
mod port_range;
mod project;
mod public_ip_address;
mod resource_details;
mod router;
mod secret;
mod setting;
mod snapshot;
mod table;
mod tag;
mod template;
mod user_data;
mod virtual_machine;
mod volume;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) use self::account::{Account, Standing, User};
pub(crate) use self::affinity_group::{AffinityGroup, AffinityType};
pub(crate) use self::domain::Domain;
pub(crate) use self::event::{Event, Known};
pub(crate) use self::firewall_rule::{Clash, Direction, FirewallRule, Matcher, RuleState, ranges_meet};
pub(crate) use self::guest_address::{first_free, usable};
pub(crate) use self::instance_group::InstanceGroup;
pub(crate) use self::ip_forwarding_rule::IpForwardingRule;
pub(crate) use self::job::{Job, JobStatus};
pub(crate) use self::key_pair::KeyPair;
pub(crate) use self::limit::{RESOURCE_TYPES, Resource};
pub(crate) use self::load_balancer_rule::{LoadBalancerRule, Member, StickinessPolicy};
pub(crate) use self::network::{Network, NetworkState};
pub(crate) use self::network_offering::{NetworkOffering, Service};
pub(crate) use self::offering::{DiskOffering, ServiceOffering, Size};
pub(crate) use self::placement::place;
pub(crate) use self::port_forwarding_rule::{Holder, PortForwardingRule};
pub(crate) use self::port_range::PortRange;
pub(crate) use self::project::Project;
pub(crate) use self::public_ip_address::{AddressState, PublicIpAddress, StaticNat};
pub(crate) use self::resource_details::ResourceDetails;
pub(crate) use self::router::Told;
pub(crate) use self::setting::Setting;
pub(crate) use self::snapshot::Snapshot;
pub(crate) use self::table::{Entity, Key, Table};
pub(crate) use self::tag::{TagSet, TaggedKind};
pub(crate) use self::template::{Format, Template, TemplateKind};
pub(crate) use self::user_data::UserData;
pub(crate) use self::virtual_machine::{MachineState, Nic, VirtualMachine};
pub(crate) use self::volume::{Volume, VolumeKind};
use crate::driver::{LayerId, Password};
use crate::records::{RecordsError, Row, StoredRow};

/// Something that once was: its id still resolves, but nothing is found under it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Removed {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    /// What it was: the kind of the table it was in.
    pub(crate) kind: String,
    /// The layers of a template of the driver's own: it does not come back when the zone is opened again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) layers: Vec<LayerId>,
}

impl Entity for Removed {
    const KIND: &'static str = "removed";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}

macro_rules! tables {
    ($($field:ident: $entity:ty,)*) => {
        /// All entities of the zone.
        pub(crate) struct Model {
            $(pub(crate) $field: Table<$entity>,)*
            /// Jobs under way, by the resource they are about.
            pub(crate) under_way: BTreeMap<Uuid, Uuid>,
            /// How long ends of transactions are kept, to look at the zone as it was.
            remembered: Duration,
            random: StdRng,
            last_number: u64,
        }

        impl Model {
            /// A model of these rows.
            pub(crate) fn load(rows: Vec<StoredRow>, seed: Option<u64>) -> Result<Self, RecordsError> {
                let mut model = Self {
                    $($field: Table::default(),)*
                    under_way: BTreeMap::new(),
                    remembered: Duration::ZERO,
                    random: seed.map_or_else(|| StdRng::from_rng(&mut rand::rng()), StdRng::seed_from_u64),
                    last_number: 0,
                };
                for row in rows {
                    model.last_number = model.last_number.max(row.number);
                    let wrap = |source| RecordsError::Row { kind: row.kind.clone(), number: row.number, source };
                    match row.kind.as_str() {
                        $(<$entity>::KIND => model.$field.load(serde_json::from_str(&row.json).map_err(wrap)?),)*
                        other => tracing::warn!(kind = other, "a kind of record that this mesostack does not know"),
                    }
                }
                Ok(model)
            }

            /// Ends a transaction: what changed since the last one.
            pub(crate) fn commit(&mut self) -> Result<Vec<Row>, serde_json::Error> {
                let mut rows = Vec::new();
                $(self.$field.changes(&mut rows)?;)*
                if self.remembered.is_zero() {
                    $(self.$field.forget_changes();)*
                } else {
                    let now = Instant::now();
                    $(self.$field.remember_changes(now, self.remembered);)*
                }
                Ok(rows)
            }

            /// Has every table be as it was then; [`Model::return_from`] has to follow, with nothing changed.
            pub(crate) fn go_back_to(&mut self, then: Instant) {
                $(self.$field.go_back_to(then);)*
            }

            /// Has every table be as it was before [`Model::go_back_to`] the same instant.
            pub(crate) fn return_from(&mut self, then: Instant) {
                $(self.$field.return_from(then);)*
            }

            /// Ends a transaction as if it had not been.
            pub(crate) fn roll_back(&mut self) {
                $(self.$field.roll_back();)*
            }
        }
    };
}

tables! {
    accounts: Account,
    affinity_groups: AffinityGroup,
    disk_offerings: DiskOffering,
    domains: Domain,
    events: Event,
    firewall_rules: FirewallRule,
    instance_groups: InstanceGroup,
    ip_forwarding_rules: IpForwardingRule,
    jobs: Job,
    key_pairs: KeyPair,
    load_balancer_rules: LoadBalancerRule,
    network_offerings: NetworkOffering,
    networks: Network,
    port_forwarding_rules: PortForwardingRule,
    projects: Project,
    public_ip_addresses: PublicIpAddress,
    removed: Removed,
    resource_details: ResourceDetails,
    service_offerings: ServiceOffering,
    settings: Setting,
    snapshots: Snapshot,
    tags: TagSet,
    templates: Template,
    user_data: UserData,
    virtual_machines: VirtualMachine,
    volumes: Volume,
}

impl std::fmt::Debug for Model {
    // Entities hold keys and user-data: their contents are not for logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("last_number", &self.last_number).finish_non_exhaustive()
    }
}

impl Model {
    /// Keeps the ends of transactions so long, or longer if that was asked for before.
    pub(crate) fn remember(&mut self, time: Duration) {
        self.remembered = self.remembered.max(time);
    }

    /// A new number, higher than all before it.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// A new random id.
    pub(crate) fn next_id(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        self.random.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// Random text that can't be guessed: keys, passwords, sessions.
    pub(crate) fn next_secret(&mut self, bytes: usize) -> String {
        use base64::Engine;
        let mut buffer = vec![0; bytes];
        self.random.fill_bytes(&mut buffer);
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(buffer)
    }

    /// A new password for a machine, of letters and digits that are not taken for one another.
    pub(crate) fn next_password(&mut self) -> Password {
        const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        let letters = (0..12).map(|_| LETTERS[self.random.random_range(0..LETTERS.len())]);
        Password::new(letters.map(char::from).collect::<String>())
    }

    /// Leaves a mark where something was, so that its id still resolves.
    pub(crate) fn bury(&mut self, id: Uuid, kind: &str) {
        let number = self.next_number();
        self.removed.insert(Removed { number, id, kind: kind.to_owned(), layers: Vec::new() });
        self.tags.remove(id);
        self.resource_details.remove(id);
    }

    /// Leaves a mark where a template was; one of the driver's own stays away.
    pub(crate) fn bury_template(&mut self, template: &Template) {
        self.bury(template.id, Template::KIND);
        if template.account.is_none()
            && let Some(mark) = self.removed.edit(template.id)
        {
            mark.layers.clone_from(&template.layers);
        }
    }

    /// Whether the template of the driver's own with these layers was deleted.
    pub(crate) fn is_buried(&self, layers: &[LayerId]) -> bool {
        !layers.is_empty() && self.removed.iter().any(|mark| mark.layers == layers)
    }

    /// Whether anything still needs a layer.
    pub(crate) fn layer_in_use(&self, layer: &LayerId) -> bool {
        self.templates.iter().any(|template| template.rests_on(layer))
            || self.volumes.iter().any(|volume| volume.layers.contains(layer))
            || self.snapshots.iter().any(|snapshot| snapshot.layers.contains(layer))
    }

    /// Machines with an interface in `network`, in the order they were made.
    pub(crate) fn machines_in(&self, network: Uuid) -> impl Iterator<Item = &VirtualMachine> {
        let found = self.virtual_machines.under(Key::of(network));
        found.filter(move |machine| machine.nic_in(network).is_some())
    }

    /// The network's firewall rules of both directions, in the order they were made.
    pub(crate) fn firewall_rules_of(&self, network: Uuid) -> impl Iterator<Item = &FirewallRule> {
        self.firewall_rules.under(Key::of(network)).filter(move |rule| rule.network == network)
    }

    /// What the hypervisor calls a machine.
    pub(crate) fn instance_name(&self, machine: &VirtualMachine) -> String {
        let owner = self.accounts.get(machine.account).map_or(0, |owner| owner.number);
        format!("i-{owner}-{}-VM", machine.number)
    }

    /// How the server's own texts show a machine.
    pub(crate) fn described(&self, machine: Uuid) -> String {
        let Some(machine) = self.virtual_machines.get(machine) else { return machine.to_string() };
        format!(
            "VM instance {{\"id\":{},\"instanceName\":\"{}\",\"state\":\"{}\",\"type\":\"User\",\"uuid\":\"{}\"}}",
            machine.number,
            self.instance_name(machine),
            machine.state.name(),
            machine.id,
        )
    }

    /// Whose a machine is told to be: its account's user who deployed it, else the first one.
    pub(crate) fn user_of(&self, machine: &VirtualMachine) -> Option<&User> {
        let owner = self.accounts.get(machine.account)?;
        let deployer = owner.users.iter().find(|user| Some(user.id) == machine.user);
        deployer.or_else(|| owner.first_user())
    }

    /// How many public addresses are somebody's.
    pub(crate) fn addresses_taken(&self) -> usize {
        self.public_ip_addresses.iter().filter(|address| address.state != AddressState::Free).count()
    }

    /// What the router of `network` does has changed.
    pub(crate) fn touch(&mut self, network: Uuid) {
        if let Some(network) = self.networks.edit(network) {
            network.revision += 1;
        }
    }

    /// Removes the rules of a machine that is expunged: its forwards with what the firewall was opened for, its places in
    /// load balancers, its static NAT.
    pub(crate) fn forget_rules_of(&mut self, machine: Uuid) {
        let forwards = self.port_forwarding_rules.remove_all(|rule| rule.virtual_machine == machine);
        let opened = |rule: &FirewallRule| rule.opened_for.is_some_and(|rule| forwards.contains(&rule));
        let opened = self.firewall_rules.remove_all(opened);
        self.untag(forwards.into_iter().chain(opened));
        let balanced: Vec<Uuid> = self
            .load_balancer_rules
            .iter()
            .filter(|rule| rule.members.iter().any(|member| member.virtual_machine == machine))
            .map(|rule| rule.id)
            .collect();
        for rule in balanced {
            if let Some(rule) = self.load_balancer_rules.edit(rule) {
                rule.members.retain(|member| member.virtual_machine != machine);
            }
        }
        let translated: Vec<Uuid> = self.translated_to(machine).map(|address| address.id).collect();
        for address in translated {
            self.end_static_nat(address);
        }
    }

    /// Takes a public address from its machine, and with it every rule that let traffic in to the machine there.
    pub(crate) fn end_static_nat(&mut self, address: Uuid) {
        let forwards = self.ip_forwarding_rules.remove_all(|rule| rule.address == address);
        let allowed = self.firewall_rules.remove_all(|rule| rule.address == Some(address));
        self.untag(forwards.into_iter().chain(allowed));
        if let Some(address) = self.public_ip_addresses.edit(address) {
            address.static_nat = None;
        }
    }

    /// Removes every rule of a public address and makes it free.
    pub(crate) fn release(&mut self, address: Uuid) {
        self.end_static_nat(address);
        let forwards = self.port_forwarding_rules.remove_all(|rule| rule.address == address);
        let balancers = self.load_balancer_rules.remove_all(|rule| rule.address == address);
        self.untag(forwards.into_iter().chain(balancers).chain([address]));
        if let Some(address) = self.public_ip_addresses.edit(address) {
            address.make_free();
        }
    }

    fn untag(&mut self, resources: impl IntoIterator<Item = Uuid>) {
        for resource in resources {
            self.tags.remove(resource);
        }
    }

    /// Takes a free public address for a network.
    pub(crate) fn take_address(
        &mut self,
        account: Uuid,
        network: Option<Uuid>,
        wanted: Option<std::net::Ipv4Addr>,
        now: Timestamp,
    ) -> Option<Uuid> {
        let id = self
            .public_ip_addresses
            .iter()
            .find(|address| {
                address.state == AddressState::Free && wanted.is_none_or(|wanted| address.address == wanted)
            })?
            .id;
        let source_nat = network.is_some_and(|network| self.source_nat_of(network).is_none());
        let address = self.public_ip_addresses.edit(id)?;
        address.state = AddressState::Allocating;
        address.account = Some(account);
        address.network = network;
        address.allocated = Some(now);
        address.source_nat = source_nat;
        Some(id)
    }

    /// The address under which a network's guests appear outside.
    pub(crate) fn source_nat_of(&self, network: Uuid) -> Option<&PublicIpAddress> {
        self.addresses_of(network).find(|address| address.source_nat)
    }

    /// The public addresses of a network.
    pub(crate) fn addresses_of(&self, network: Uuid) -> impl Iterator<Item = &PublicIpAddress> {
        let found = self.public_ip_addresses.under(Key::of(network));
        found.filter(move |address| address.network == Some(network))
    }

    /// The public addresses that are this machine's alone.
    pub(crate) fn translated_to(&self, machine: Uuid) -> impl Iterator<Item = &PublicIpAddress> {
        let found = self.public_ip_addresses.under(Key::of(machine));
        found.filter(move |address| {
            address.static_nat.as_ref().is_some_and(|nat| nat.virtual_machine == machine)
        })
    }
}
