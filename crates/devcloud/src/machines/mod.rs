//! The driver that makes a zone real on this host: systemd-nspawn machines, and a virtual router a network made of
//! namespaces, nftables, dnsmasq, HAProxy and a metadata service.
//!
//! The host is the state: what runs is told by control groups, what stands by namespaces and mounts, so that a daemon
//! that was killed at any instant finds everything again, and taking the zone down needs no record. All of it carries the
//! zone's name ([`names`]). Machines are root on this host's kernel with most privileges taken away: they rehearse a
//! cluster, they do not hold a hostile guest.
//!
//! The work is done by the host's own programs and by files of the kernel, in threads that may block; each is bounded
//! by a deadline.

mod cgroup;
mod data_disk;
mod devices;
mod disk;
mod dnsmasq;
mod down;
mod enter;
mod error;
mod files;
mod firewall;
mod haproxy;
mod loops;
mod machine;
mod metadata;
mod mounts;
mod names;
mod namespace;
mod password;
mod process;
mod program;
mod router;
mod uplink;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ipnet::Ipv4Net;
use tokio::sync::{OwnedMutexGuard, Semaphore};
use uuid::Uuid;

use self::cgroup::{Group, Hierarchies};
use self::disk::Disks;
pub(crate) use self::disk::size as tree_size;
pub use self::down::{Standing, remove_everything, standing};
pub(crate) use self::enter::Entrance;
pub use self::error::HostError;
use self::error::Result;
use self::machine::Place;
use self::names::Owner;
use self::password::Taken;
use self::router::Router;
use self::uplink::Uplink;
use crate::driver::{
    BaseTemplate, Captured, DataDisk, Driver, DriverError, LayerId, Machine, Network, Recovered, Stop, Stored,
};
use crate::host::ZoneName;

/// How many operations on the host go on at once; more only wait for each other in the kernel.
const AT_ONCE: usize = 8;

/// How much of a console is shown, in bytes.
const CONSOLE_BYTES: u64 = 64 << 10;

/// What the driver has to know of its zone.
#[derive(Clone, Debug)]
pub struct MachinesConfig {
    /// The zone's name on this host.
    pub zone: ZoneName,
    /// The directory for layers, volumes, consoles and the routers' files. Only root may look into it.
    pub state: PathBuf,
    /// The public range; the host has its first address. At least a /29.
    pub public_range: Ipv4Net,
    /// How long a machine may take to power off before it is killed.
    pub stop_grace: Duration,
    /// Addresses and TCP ports guests may reach although they lie in a range that is closed to them: the host's proxies
    /// and package mirrors on a closed network.
    pub reachable: Vec<(Ipv4Addr, u16)>,
    /// Templates whose layers lie in the driver's directory of layers.
    pub base_templates: Vec<BaseTemplate>,
}

impl MachinesConfig {
    /// The usual settings: machines get 30 s to power off, and every private range is closed.
    pub fn new(zone: ZoneName, state: PathBuf, public_range: Ipv4Net) -> Self {
        Self {
            zone,
            state,
            public_range,
            stop_grace: Duration::from_secs(30),
            reachable: Vec::new(),
            base_templates: Vec::new(),
        }
    }

    /// The directory that layers lie in, one directory each, named by its id.
    pub fn layers(&self) -> PathBuf {
        Disks::new(&self.state).layers()
    }
}

/// The driver. Dropping it stops nothing but the metadata services.
#[derive(Debug)]
pub struct Machines {
    host: Arc<Host>,
    metadata: Mutex<HashMap<Uuid, metadata::Service>>,
    /// One operation at a time on one machine, network or volume.
    turns: Mutex<HashMap<Uuid, Arc<tokio::sync::Mutex<()>>>>,
    at_once: Semaphore,
}

/// What every operation needs of the host; used from threads that may block.
#[derive(Debug)]
struct Host {
    config: MachinesConfig,
    group: Group,
    disks: Disks,
    uplink: Uplink,
    mtu: u32,
    /// Held while links are made: a router that is mended and a machine that starts may want the same one.
    wiring: Mutex<()>,
}

impl Machines {
    /// The driver of a zone on this host. Nothing is made yet.
    ///
    /// # Errors
    /// When the host has no unified control groups, or its routes cannot be read.
    pub fn new(config: MachinesConfig) -> Result<Self, HostError> {
        let group = Hierarchies::find()?.zone(&config.zone);
        let uplink =
            Uplink { zone: config.zone.clone(), range: config.public_range, open: config.reachable.clone() };
        let host = Host {
            group,
            uplink,
            disks: Disks::new(&config.state),
            mtu: uplink::host_mtu()?,
            wiring: Mutex::new(()),
            config,
        };
        Ok(Self {
            host: Arc::new(host),
            metadata: Mutex::default(),
            turns: Mutex::default(),
            at_once: Semaphore::new(AT_ONCE),
        })
    }

    async fn turn(&self, of: Uuid) -> OwnedMutexGuard<()> {
        let turn =
            Arc::clone(self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(of).or_default());
        turn.lock_owned().await
    }

    /// The turns of these disks, in an order that all take them in.
    async fn turns_of(&self, disks: &[DataDisk]) -> Vec<OwnedMutexGuard<()>> {
        let volumes: BTreeSet<Uuid> = disks.iter().map(|disk| disk.volume).collect();
        let mut turns = Vec::with_capacity(volumes.len());
        for volume in volumes {
            turns.push(self.turn(volume).await);
        }
        turns
    }

    /// Forgets the turn of something that is gone, unless somebody waits for it.
    fn forget_turn(&self, of: Uuid) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.get(&of).is_some_and(|turn| Arc::strong_count(turn) <= 2) {
            turns.remove(&of);
        }
    }

    /// Does something that may block.
    async fn on_host<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Host) -> Result<T> + Send + 'static,
    ) -> Result<T, DriverError> {
        let failed =
            |error: &dyn std::fmt::Display| DriverError::Failed(format!("the zone is being closed: {error}"));
        let _permit = self.at_once.acquire().await.map_err(|error| failed(&error))?;
        let host = Arc::clone(&self.host);
        tokio::task::spawn_blocking(move || act(&host))
            .await
            .map_err(|error| failed(&error))?
            .map_err(Into::into)
    }

    /// Makes the network's metadata service know its guests, and run.
    async fn tell_metadata(&self, network: &Network) -> Result<(), DriverError> {
        {
            let services = self.metadata.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(service) = services.get(&network.id) {
                service.know(network);
                return Ok(());
            }
        }
        let wanted = network.clone();
        let service = self
            .on_host(move |host| {
                metadata::Service::start(&wanted, &host.router(wanted.id).namespace(), host.taken())
            })
            .await?;
        self.metadata.lock().unwrap_or_else(PoisonError::into_inner).insert(network.id, service);
        Ok(())
    }
}

/// Makes this process one of the zone's own: taking the zone down then ends it too, with every program it is running. What
/// an earlier one of the zone was running when it was killed is ended first: it would go on making what nobody knows of.
///
/// # Errors
/// When the host has no unified control groups, or keeps them for itself, and when something cannot be ended.
pub fn join_zone(zone: &ZoneName) -> Result<(), HostError> {
    let daemon = Hierarchies::find()?.zone(zone).child("daemon");
    daemon.kill()?;
    daemon.join()
}

/// Fails when something else on this host uses the range.
///
/// # Errors
/// Says what uses it, or why the host's routes cannot be read.
pub fn check_public_range(zone: &ZoneName, range: Ipv4Net) -> Result<(), HostError> {
    Uplink { zone: zone.clone(), range, open: Vec::new() }.check_free()
}

impl Host {
    fn router(&self, network: Uuid) -> Router<'_> {
        Router { zone: &self.config.zone, network, group: &self.group, state: &self.config.state }
    }

    fn place(&self, machine: Uuid) -> Place<'_> {
        Place { zone: &self.config.zone, machine, group: &self.group, state: &self.config.state }
    }

    fn taken(&self) -> Taken {
        Taken::new(self.config.state.join("passwords"))
    }

    /// The zone's ground: its directory, its public range and the way to the host's resolvers.
    fn prepare(&self) -> Result<()> {
        let directories = ["layers", "volumes", "machines", "routers", "uplink", "passwords"];
        for path in directories.map(|name| self.config.state.join(name)) {
            fs::create_dir_all(&path).map_err(|source| HostError::Path { action: "make", path, source })?;
        }
        self.uplink.raise(self.mtu)?;
        let (bridge, address) = (self.config.zone.public_bridge(), self.uplink.host_address());
        dnsmasq::serve_host(
            &bridge,
            address,
            &self.config.state.join("uplink"),
            &self.group.child("resolver"),
        )
    }

    fn raise(&self, network: &Network) -> Result<()> {
        if !uplink::link_exists(&self.config.zone.public_bridge()) {
            self.prepare()?;
        }
        let _wiring = self.wiring.lock().unwrap_or_else(PoisonError::into_inner);
        self.router(network.id).raise(network, &self.uplink, self.mtu)
    }

    fn start(&self, machine: &Machine) -> Result<()> {
        self.place(machine.id).start(machine, &self.disks, |namespace| {
            let _wiring = self.wiring.lock().unwrap_or_else(PoisonError::into_inner);
            for (number, interface) in machine.interfaces.iter().enumerate() {
                let name = format!("eth{number}");
                self.router(interface.network).connect(
                    namespace,
                    &name,
                    interface.address,
                    &interface.mac,
                    self.mtu,
                )?;
            }
            Ok(())
        })
    }

    /// Machines that run now.
    fn running(&self) -> Vec<Uuid> {
        let groups = self.group.children();
        groups
            .iter()
            .filter(|group| group.populated())
            .filter_map(|group| machine::of_group(group.name()))
            .collect()
    }

    /// Has running machines have the data disks that they are said to have, and nothing else of the zone's be a device.
    fn recover_disks<'a>(&self, running: impl Iterator<Item = &'a Machine>) -> Result<()> {
        let mut held = Vec::new();
        for machine in running {
            let place = self.place(machine.id);
            // One broken disk does not keep the zone from opening; what the machine has of it stays.
            if let Err(error) = place.equip(machine, &self.disks) {
                tracing::error!(machine = %machine.id, %error, "a machine has not the data disks it should have");
            }
            held.extend(place.volumes()?.into_iter().map(|volume| self.disks.image(volume)));
        }
        loops::release_below(&self.config.state, &held)
    }

    /// Stops machines and removes routers that are not among these, and what machines that no longer run have left.
    fn remove_leftovers(&self, machines: &BTreeSet<Uuid>, raised: &BTreeSet<Uuid>) -> Result<Vec<Uuid>> {
        let (running, unknown): (Vec<_>, Vec<_>) =
            self.running().into_iter().partition(|id| machines.contains(id));
        let left = namespace::all()?.into_iter().filter_map(|name| self.config.zone.owner(&name));
        let (mut stopped, mut routers) = (BTreeSet::from_iter(unknown), BTreeSet::new());
        for owner in left {
            match owner {
                Owner::Machine(id) if !running.contains(&id) => drop(stopped.insert(id)),
                Owner::Router(id) if !raised.contains(&id) => drop(routers.insert(id)),
                Owner::Machine(_) | Owner::Router(_) => {}
            }
        }
        for id in stopped {
            self.place(id).stop(Stop::Forced, Duration::ZERO)?;
        }
        let directories = files::names(&self.config.state.join("routers"))?;
        let made = directories.iter().filter_map(|name| Uuid::try_parse(name).ok());
        routers.extend(made.filter(|id| !raised.contains(id)));
        for id in routers {
            self.router(id).lower()?;
        }
        Ok(running)
    }
}

#[async_trait]
impl Driver for Machines {
    fn hypervisor(&self) -> &'static str {
        "LXC"
    }

    fn base_templates(&self) -> Vec<BaseTemplate> {
        self.host.config.base_templates.clone()
    }

    async fn recover(&self, machines: &[Machine], raised: &[Network]) -> Result<Recovered, DriverError> {
        let machines = machines.to_vec();
        let wanted: BTreeSet<_> = raised.iter().map(|network| network.id).collect();
        let running = self
            .on_host(move |host| {
                host.prepare()?;
                let known = machines.iter().map(|machine| machine.id).collect();
                let running = host.remove_leftovers(&known, &wanted)?;
                host.recover_disks(machines.iter().filter(|machine| running.contains(&machine.id)))?;
                host.disks.remove_half_made()?;
                files::remove_half_made(&host.config.state.join("machines"))?;
                files::remove_half_made(&host.config.state.join("passwords"))?;
                let routers = host.config.state.join("routers");
                files::remove_half_made(&routers)?;
                for router in files::names(&routers)? {
                    files::remove_half_made(&routers.join(router))?;
                }
                Ok(running)
            })
            .await?;
        let routers =
            futures::future::join_all(raised.iter().map(|network| self.raise_network(network))).await;
        let mut found = Recovered { running, raised: Vec::new() };
        for (network, outcome) in raised.iter().zip(routers) {
            match outcome {
                Ok(()) => found.raised.push(network.id),
                // One broken network does not keep the zone from opening; it can be restarted by itself.
                Err(error) => {
                    tracing::error!(network = %network.id, %error, "a router could not be raised again")
                }
            }
        }
        Ok(found)
    }

    async fn raise_network(&self, network: &Network) -> Result<(), DriverError> {
        let _turn = self.turn(network.id).await;
        let wanted = network.clone();
        let stood = self
            .on_host(move |host| {
                let stood = host.router(wanted.id).stands();
                host.raise(&wanted)?;
                Ok(stood)
            })
            .await?;
        if !stood {
            // A service of before listens in a namespace that is gone.
            self.metadata.lock().unwrap_or_else(PoisonError::into_inner).remove(&network.id);
        }
        self.tell_metadata(network).await
    }

    async fn program_network(&self, network: &Network) -> Result<(), DriverError> {
        let _turn = self.turn(network.id).await;
        // A machine asks for its metadata after its lease: known before the lease is.
        self.tell_metadata(network).await?;
        let wanted = network.clone();
        self.on_host(move |host| host.router(wanted.id).program(&wanted, &host.uplink, host.mtu)).await
    }

    async fn lower_network(&self, network: Uuid) -> Result<(), DriverError> {
        let turn = self.turn(network).await;
        self.metadata.lock().unwrap_or_else(PoisonError::into_inner).remove(&network);
        self.on_host(move |host| host.router(network).lower()).await?;
        drop(turn);
        self.forget_turn(network);
        Ok(())
    }

    async fn start_machine(&self, machine: &Machine) -> Result<(), DriverError> {
        let _turn = self.turn(machine.id).await;
        let _disks = self.turns_of(&machine.disks).await;
        let machine = machine.clone();
        self.on_host(move |host| host.start(&machine)).await
    }

    async fn stop_machine(&self, machine: Uuid, how: Stop) -> Result<(), DriverError> {
        let _turn = self.turn(machine).await;
        self.on_host(move |host| host.place(machine).stop(how, host.config.stop_grace)).await
    }

    async fn remove_machine(&self, machine: Uuid) -> Result<(), DriverError> {
        let turn = self.turn(machine).await;
        self.on_host(move |host| {
            host.place(machine).forget()?;
            host.taken().forget(machine)
        })
        .await?;
        drop(turn);
        self.forget_turn(machine);
        Ok(())
    }

    async fn equip_machine(&self, machine: &Machine) -> Result<(), DriverError> {
        let _turn = self.turn(machine.id).await;
        let _disks = self.turns_of(&machine.disks).await;
        let machine = machine.clone();
        self.on_host(move |host| host.place(machine.id).equip(&machine, &host.disks)).await
    }

    async fn remove_volume(&self, volume: Uuid) -> Result<(), DriverError> {
        let turn = self.turn(volume).await;
        self.on_host(move |host| host.disks.remove(volume)).await?;
        drop(turn);
        self.forget_turn(volume);
        Ok(())
    }

    async fn capture_volume(&self, volume: Uuid, layer: &LayerId) -> Result<Captured, DriverError> {
        let _turn = self.turn(volume).await;
        let layer = layer.clone();
        self.on_host(move |host| host.disks.capture(volume, &layer)).await
    }

    async fn fetch_layer(&self, url: &str, disc: bool, layer: &LayerId) -> Result<Captured, DriverError> {
        if disc || !url.split(['?', '#']).next().is_some_and(|path| path.contains(".tar")) {
            return Err(DriverError::Failed(
                "machines of this zone are made of trees of files: register a root file system as TAR, or make a template of \
                 a machine"
                    .to_owned(),
            ));
        }
        let (url, layer) = (url.to_owned(), layer.clone());
        self.on_host(move |host| host.disks.fetch(&url, &layer)).await
    }

    async fn copy_volume(&self, volume: Uuid, layer: &LayerId) -> Result<Captured, DriverError> {
        let _turn = self.turn(volume).await;
        let layer = layer.clone();
        self.on_host(move |host| host.disks.copy(volume, &layer)).await
    }

    async fn copy_disk(&self, disk: &DataDisk, layer: &LayerId) -> Result<Captured, DriverError> {
        let _turn = self.turn(disk.volume).await;
        let (disk, layer) = (disk.clone(), layer.clone());
        self.on_host(move |host| host.disks.copy_disk(&disk, &layer)).await
    }

    async fn remove_layer(&self, layer: &LayerId) -> Result<(), DriverError> {
        let layer = layer.clone();
        self.on_host(move |host| host.disks.remove_layer(&layer)).await
    }

    async fn stored(&self) -> Result<Stored, DriverError> {
        self.on_host(|host| {
            let ids = |directory: &str| -> Result<BTreeSet<Uuid>> {
                let names = files::names(&host.config.state.join(directory))?;
                Ok(names.iter().filter_map(|name| Uuid::try_parse(name).ok()).collect())
            };
            let own = host.config.base_templates.iter().flat_map(|template| &template.layers);
            let own: BTreeSet<&LayerId> = own.collect();
            let layers = host.disks.whole_layers()?;
            Ok(Stored {
                layers: layers.into_iter().filter(|layer| !own.contains(layer)).collect(),
                volumes: ids("volumes")?.into_iter().collect(),
                machines: ids("machines")?.union(&ids("passwords")?).copied().collect(),
            })
        })
        .await
    }

    async fn running(&self) -> Result<Vec<Uuid>, DriverError> {
        self.on_host(|host| Ok(host.running())).await
    }

    async fn console(&self, machine: Uuid) -> Result<Option<String>, DriverError> {
        self.on_host(move |host| {
            let path = host.place(machine).console();
            if path.exists() { process::tail(&path, CONSOLE_BYTES).map(Some) } else { Ok(None) }
        })
        .await
    }
}
