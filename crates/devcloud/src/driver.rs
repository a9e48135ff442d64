//! What a zone asks of whatever makes its records real.
//!
//! The zone's rules live in the model; a driver decides nothing. It is told whole states (a network with all its guests
//! and rules, a machine with its disk and interfaces) and makes the host match, so that telling it twice does no harm
//! and a restart is the same as a first start. Two drivers exist: `machines` (systemd-nspawn, nftables, dnsmasq,
//! HAProxy) and `simulator` (records only).

mod word;

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::sync::Arc;

use async_trait::async_trait;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::word::{CookieName, HostName, MacAddress, NetworkDomain, NotAWord};
use crate::simulator::{Capacity, Latencies};

/// One immutable layer of a root disk; templates and machines are stacks of these.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LayerId(pub String);

/// A machine as the driver has to run it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The virtual machine's id.
    pub id: Uuid,
    /// Its host name, unique within its network.
    pub host_name: HostName,
    /// The root disk's volume id; the writable layer belongs to it.
    pub volume: Uuid,
    /// The read-only layers below the writable one, lowest first.
    pub layers: Vec<LayerId>,
    /// Its data disks.
    pub disks: Vec<DataDisk>,
    /// Its interfaces, the default one first.
    pub interfaces: Vec<Interface>,
    /// Number of virtual processors, as the service offering says.
    pub processors: u32,
    /// Memory in MiB, as the service offering says.
    pub memory_mib: u64,
}

/// A data disk: what is written to it stays until its volume is removed, whichever machine has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataDisk {
    /// The volume's id.
    pub volume: Uuid,
    /// Its place among its machine's disks; the root disk's is 0.
    pub place: u32,
    /// What it holds before anything was written to it: nothing, or what the last of these layers is. That is a whole data
    /// disk, or a root disk's layer, which rests on those before it.
    pub layers: Vec<LayerId>,
    /// Its size in bytes.
    pub bytes: u64,
}

/// One interface of a machine in a guest network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// The network it is in.
    pub network: Uuid,
    /// Its hardware address.
    pub mac: MacAddress,
    /// Its address within the guest range.
    pub address: Ipv4Addr,
}

/// A guest network with everything its virtual router has to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The network's id.
    pub id: Uuid,
    /// The guest range.
    pub range: Ipv4Net,
    /// The router's address in the guest range.
    pub gateway: Ipv4Addr,
    /// The domain its guests' names are in.
    pub domain: NetworkDomain,
    /// Public addresses the router holds.
    pub addresses: Vec<PublicAddress>,
    /// Machines that may ask for an address, a name or metadata, running or not.
    pub guests: Vec<Arc<Guest>>,
    /// What may come in to a public address. Everything else is dropped.
    pub ingress: Vec<IngressRule>,
    /// What happens to traffic to the outside that no egress rule names.
    pub egress_default: EgressDefault,
    /// Exceptions from `egress_default`.
    pub egress: Vec<EgressRule>,
    /// Port forwarding rules.
    pub forwards: Vec<Forward>,
    /// Static NAT: public address, guest address.
    pub static_nats: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Load balancer rules.
    pub balancers: Vec<Balancer>,
}

/// A public address of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// Whether guests appear to the outside under it.
    pub source_nat: bool,
}

/// What the router knows of a machine: lease, name and metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// The virtual machine's id.
    pub machine: Uuid,
    /// Its host name.
    pub host_name: HostName,
    /// Its hardware address in this network.
    pub mac: MacAddress,
    /// Its address in this network.
    pub address: Ipv4Addr,
    /// What the metadata service answers under `/latest/meta-data/<name>`; empty data is left out by the zone.
    pub metadata: Vec<(Cow<'static, str>, String)>,
    /// What the metadata service answers under `/latest/user-data`, decoded.
    pub user_data: Option<Vec<u8>>,
    /// What the password service tells it, until it says that it has taken it.
    #[serde(default)]
    pub password: Option<Password>,
}

/// A machine's password: kept and told as it is, never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// This text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whom it is for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A transport protocol a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP.
    Icmp,
    /// Every protocol.
    All,
}

/// An inclusive range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
}

/// Traffic that may reach a public address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngressRule {
    /// The public address.
    pub address: Ipv4Addr,
    /// The protocol.
    pub protocol: Protocol,
    /// Ports; none means all of them (or that the protocol has none).
    pub ports: Option<Ports>,
    /// ICMP type and code; `-1` or none is any.
    pub icmp: Option<(i16, i16)>,
    /// Where the traffic may come from.
    pub sources: Vec<Ipv4Net>,
}

/// What happens to traffic no egress rule names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EgressDefault {
    /// It passes, and egress rules deny.
    Allow,
    /// It is dropped, and egress rules allow.
    Deny,
}

/// An exception from the network's egress default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressRule {
    /// The protocol.
    pub protocol: Protocol,
    /// Destination ports; none means all of them.
    pub ports: Option<Ports>,
    /// ICMP type and code; `-1` or none is any.
    pub icmp: Option<(i16, i16)>,
    /// Guests it is about; empty means the whole guest range.
    pub sources: Vec<Ipv4Net>,
    /// Destinations it is about; empty means all.
    pub destinations: Vec<Ipv4Net>,
}

/// A port forwarding rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// The public address.
    pub address: Ipv4Addr,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Ports on the public address.
    pub public: Ports,
    /// The guest's address.
    pub guest: Ipv4Addr,
    /// Ports on the guest; as many as public ones.
    pub private: Ports,
    /// Whose traffic is sent on; none is everybody's.
    #[serde(default)]
    pub sources: Vec<Ipv4Net>,
}

/// A load balancer rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balancer {
    /// The rule's id.
    pub id: Uuid,
    /// The public address.
    pub address: Ipv4Addr,
    /// The port on the public address.
    pub public_port: u16,
    /// The port on the members.
    pub private_port: u16,
    /// How a member is chosen.
    pub algorithm: Algorithm,
    /// The members' guest addresses.
    pub members: Vec<Ipv4Addr>,
    /// How a client is kept to a member; none is not at all.
    pub stickiness: Option<Stickiness>,
    /// Whose connections are taken; none is everybody's.
    #[serde(default)]
    pub sources: Vec<Ipv4Net>,
    /// Whether members are told in the PROXY protocol whose connection it is.
    #[serde(default)]
    pub proxy_protocol: bool,
}

/// How a client is kept to the member it got first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stickiness {
    /// By a cookie that the load balancer sets.
    BalancerCookie(CookieName),
    /// By a cookie that the members set.
    MemberCookie(CookieName),
    /// By its address.
    Source,
}

/// How a load balancer chooses, in CloudStack's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// One after another.
    RoundRobin,
    /// The one with the fewest connections.
    LeastConn,
    /// By the client's address.
    Source,
}

/// A root disk's writable layer, frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// The new layer: what the volume had written above its old layers. It now lies below the volume's new, empty
    /// writable layer, so the volume's stack is the old layers and this one.
    pub layer: LayerId,
    /// Bytes it holds.
    pub bytes: u64,
}

/// A template that comes with a driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseTemplate {
    /// Its name, as `listTemplates` shows it.
    pub name: String,
    /// The description of its operating system, as `listOsTypes` shows it.
    pub os_type: String,
    /// Its layers, lowest first.
    pub layers: Vec<LayerId>,
    /// The size of a root disk made from it, in bytes.
    pub bytes: u64,
}

/// What a driver found running when the zone was opened again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Machines that run.
    pub running: Vec<Uuid>,
    /// Networks whose router stands.
    pub raised: Vec<Uuid>,
}

/// What a driver keeps, templates of its own left out: whatever of it no record names any more is to be removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Layers that are whole.
    pub layers: Vec<LayerId>,
    /// Volumes that something was written to.
    pub volumes: Vec<Uuid>,
    /// Machines of which there is more than the volume: a console, or that they have taken their password.
    pub machines: Vec<Uuid>,
}

/// Why a driver could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The host or the simulated zone has no room for it (CloudStack's 533).
    #[error("no capacity: {0}")]
    Capacity(String),
    /// What was tried and what happened.
    #[error("{0}")]
    Failed(String),
}

/// How a machine is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// As if its power button had been pressed, then by force after a grace period.
    Orderly,
    /// At once.
    Forced,
}

/// Makes a zone's records real. Every method is idempotent, and none changes what it was not named.
#[async_trait]
pub trait Driver: Send + Sync + std::fmt::Debug {
    /// The hypervisor's name, as `listHypervisors` shows it.
    fn hypervisor(&self) -> &'static str;

    /// Templates that are there without anyone registering them.
    fn base_templates(&self) -> Vec<BaseTemplate> {
        Vec::new()
    }

    /// From now on its operations take so long, and so much can run.
    ///
    /// # Errors
    /// Real machines take what they take: anything but the defaults is refused, unless a driver can do it.
    fn tune(&self, latencies: Latencies, capacity: Capacity) -> Result<(), DriverError> {
        if latencies == Latencies::default() && capacity == Capacity::default() {
            return Ok(());
        }
        Err(DriverError::Failed(
            "this zone has machines: the times of routers and machines in [latency], and [capacity], are a simulated \
             zone's; leave them out of the file"
                .to_owned(),
        ))
    }

    /// Finds what stands from an earlier process, raises missing routers of `raised` networks, and removes what runs under
    /// this zone's name but is in neither list, and what was left half made.
    async fn recover(&self, machines: &[Machine], raised: &[Network]) -> Result<Recovered, DriverError>;

    /// Makes the network's router, and programs everything in it.
    async fn raise_network(&self, network: &Network) -> Result<(), DriverError>;

    /// Makes a standing router match `network`: addresses, leases, names, metadata, rules.
    async fn program_network(&self, network: &Network) -> Result<(), DriverError>;

    /// Removes the router.
    async fn lower_network(&self, network: Uuid) -> Result<(), DriverError>;

    /// Starts the machine; its writable layer is made when it has none. Ends when it has been started, not when it has
    /// booted.
    async fn start_machine(&self, machine: &Machine) -> Result<(), DriverError>;

    /// Stops the machine and keeps its disk.
    async fn stop_machine(&self, machine: Uuid, how: Stop) -> Result<(), DriverError>;

    /// Stops the machine at once and removes everything of it but its volume.
    async fn remove_machine(&self, machine: Uuid) -> Result<(), DriverError>;

    /// Has a running machine have exactly the data disks of `machine`, each of its size, and lets go of those it had besides.
    /// For a machine that does not run, all are let go of: it gets them when it is started.
    ///
    /// # Errors
    /// When a disk that is to go is in use in the machine: then it keeps all it had.
    async fn equip_machine(&self, machine: &Machine) -> Result<(), DriverError>;

    /// Removes what was written to a volume no running machine has: a root disk's writable layer, or a data disk.
    async fn remove_volume(&self, volume: Uuid) -> Result<(), DriverError>;

    /// Freezes what a stopped machine's volume has written as the layer `layer`. The zone chooses and records the
    /// layer's name beforehand, so that after a crash it can ask again: when the layer exists already, nothing is
    /// frozen a second time and the layer's size is answered.
    async fn capture_volume(&self, volume: Uuid, layer: &LayerId) -> Result<Captured, DriverError>;

    /// Fetches a template from a URL and keeps it as the layer `layer`; `disc` is an ISO, which nothing rests on. A layer
    /// that exists is not fetched again.
    async fn fetch_layer(&self, url: &str, disc: bool, layer: &LayerId) -> Result<Captured, DriverError>;

    /// Copies what a volume has written as the layer `layer`, whether its machine runs or not; the volume stays as it is.
    /// Like capturing, it can be asked for again after a crash: a layer that exists is not made a second time.
    async fn copy_volume(&self, volume: Uuid, layer: &LayerId) -> Result<Captured, DriverError>;

    /// Copies all that a data disk holds as the layer `layer`, whether it is attached or not. Of a disk that is written to
    /// meanwhile, the copy may hold some of that and not the rest. A layer that exists is not made a second time.
    async fn copy_disk(&self, disk: &DataDisk, layer: &LayerId) -> Result<Captured, DriverError>;

    /// Removes a layer that no template or machine uses any more.
    async fn remove_layer(&self, layer: &LayerId) -> Result<(), DriverError>;

    /// What is kept at this moment.
    async fn stored(&self) -> Result<Stored, DriverError>;

    /// Machines that run at this moment.
    async fn running(&self) -> Result<Vec<Uuid>, DriverError>;

    /// The last lines of a machine's console, if there are any.
    async fn console(&self, machine: Uuid) -> Result<Option<String>, DriverError>;
}
