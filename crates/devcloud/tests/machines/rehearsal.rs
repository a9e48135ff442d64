//! A zone for one test: its guard, its machines, its outside.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use devcloud::driver::{
    BaseTemplate, Driver, EgressDefault, Forward, Guest, HostName, IngressRule, Interface, LayerId,
    MacAddress, Machine, Network, Ports, Protocol, PublicAddress,
};
use devcloud::host::ZoneName;
use devcloud::machines::{Machines, MachinesConfig, remove_everything};
use ipnet::Ipv4Net;
use uuid::Uuid;

use crate::host::{missing, seen};

/// How long a machine may take to answer on a host busy with other tests.
const BOOT: Duration = Duration::from_secs(90);

/// A zone that is gone when this is.
pub(crate) struct Zone {
    pub(crate) name: ZoneName,
    pub(crate) driver: Machines,
    pub(crate) base: BaseTemplate,
    pub(crate) directory: PathBuf,
    range: Ipv4Net,
    before: BTreeSet<String>,
    down: bool,
}

impl Zone {
    /// A zone of that name with the public range 198.19.`third`.0/24, or none where machines cannot run.
    pub(crate) fn raise(name: &str, third: u8) -> Option<Self> {
        if let Some(reason) = missing() {
            println!("skipped: {reason}");
            return None;
        }
        let name: ZoneName = name.parse().expect("a name");
        let range = Ipv4Net::new(Ipv4Addr::new(198, 19, third, 0), 24).expect("a range");
        let directory = Path::new("/var/tmp").join(format!("mesostack-{name}"));
        // What an earlier run that was killed has left.
        remove_everything(&name, &directory, Some(range)).expect("a clean start");
        let before = seen(&name, range);
        let config = MachinesConfig::new(name.clone(), directory.clone(), range);
        let cache = Path::new("/var/cache/mesostack");
        let base =
            devcloud::base::prepare(cache, &config.layers(), &|step| println!("{step}")).expect("a base");
        let driver = Machines::new(config).expect("a driver");
        Some(Self { name, driver, base, directory, range, before, down: false })
    }

    /// The driver anew, as after a restart of the daemon.
    pub(crate) fn restart(&mut self) {
        let config = MachinesConfig::new(self.name.clone(), self.directory.clone(), self.range);
        self.driver = Machines::new(config).expect("a driver");
    }

    /// A public address of the zone.
    pub(crate) fn public(&self, last: u8) -> Ipv4Addr {
        let [a, b, c, _] = self.range.network().octets();
        Ipv4Addr::new(a, b, c, last)
    }

    /// Takes the zone down and compares the host with what it was.
    pub(crate) fn down(mut self) {
        self.down = true;
        let started = Instant::now();
        remove_everything(&self.name, &self.directory, Some(self.range)).expect("the zone goes down");
        println!("down took {:?}", started.elapsed());
        remove_everything(&self.name, &self.directory, Some(self.range)).expect("going down twice is fine");
        let after = seen(&self.name, self.range);
        let left: Vec<_> = after.difference(&self.before).collect();
        assert!(left.is_empty(), "left on the host: {left:#?}");
        assert!(!self.directory.exists());
    }
}

impl Drop for Zone {
    fn drop(&mut self) {
        if !self.down
            && let Err(error) = remove_everything(&self.name, &self.directory, Some(self.range))
        {
            println!("the zone {} is not wholly gone: {error}", self.name);
        }
    }
}

/// Key pairs for a test: the operator's, and one for the machines, known before they boot.
pub(crate) struct Keys {
    directory: tempfile::TempDir,
}

impl Keys {
    pub(crate) fn generate() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["operator", "host"] {
            let path = directory.path().join(name);
            let arguments = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"];
            let status = Command::new("ssh-keygen").args(arguments).arg(&path).status().expect("ssh-keygen");
            assert!(status.success());
        }
        Self { directory }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).expect("a key")
    }

    /// cloud-config that gives the machine its host key.
    fn user_data(&self) -> String {
        let private = self.text("host").replace('\n', "\n    ");
        format!(
            "#cloud-config\nssh_keys:\n  ed25519_private: |\n    {private}\n  ed25519_public: {}",
            self.text("host.pub")
        )
    }

    /// Runs a command in a machine; its standard output, or what went wrong.
    pub(crate) fn ssh(&self, address: Ipv4Addr, port: u16, command: &str) -> Result<String, String> {
        let known = self.directory.path().join("known_hosts");
        fs::write(&known, format!("* {}", self.text("host.pub"))).expect("known hosts");
        let output = Command::new("timeout")
            .args(["60", "ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=3"])
            .args(["-o", "StrictHostKeyChecking=yes", "-o"])
            .arg(format!("UserKnownHostsFile={}", known.display()))
            .arg("-i")
            .arg(self.directory.path().join("operator"))
            .args(["-p", &port.to_string(), &format!("debian@{address}"), command])
            .output()
            .expect("ssh");
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }

    /// Waits until the machine answers; how long that took.
    pub(crate) fn wait_for(&self, address: Ipv4Addr, port: u16) -> Duration {
        let started = Instant::now();
        let mut last = String::new();
        while started.elapsed() < BOOT {
            match self.ssh(address, port, "true") {
                Ok(_) => return started.elapsed(),
                Err(error) => last = error,
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{address}:{port} did not answer within {BOOT:?}: {last}");
    }
}

/// A network without rules.
pub(crate) fn network(number: u128, public: Ipv4Addr) -> Network {
    Network {
        id: Uuid::from_u128(0x1000 + number),
        range: "172.16.0.0/24".parse().expect("a range"),
        gateway: Ipv4Addr::new(172, 16, 0, 1),
        domain: "cs1cloud.internal".parse().expect("a domain"),
        addresses: vec![PublicAddress { address: public, source_nat: true }],
        guests: Vec::new(),
        ingress: Vec::new(),
        egress_default: EgressDefault::Deny,
        egress: Vec::new(),
        forwards: Vec::new(),
        static_nats: Vec::new(),
        balancers: Vec::new(),
    }
}

/// Adds a machine to a network, with a forward of that public port to its SSH.
pub(crate) fn add_machine(
    network: &mut Network,
    last: u8,
    port: u16,
    name: &str,
    keys: &Keys,
    layers: &[LayerId],
) -> Machine {
    let id = Uuid::from_u128(network.id.as_u128() * 256 + u128::from(last));
    let address = Ipv4Addr::new(172, 16, 0, last);
    let mac: MacAddress = format!("02:00:00:00:00:{last:02x}").parse().expect("a hardware address");
    let host_name: HostName = name.parse().expect("a host name");
    network.guests.push(Arc::new(Guest {
        machine: id,
        host_name: host_name.clone(),
        mac: mac.clone(),
        address,
        metadata: [
            ("instance-id", id.to_string()),
            ("availability-zone", "devcloud".into()),
            ("local-hostname", name.into()),
            ("local-ipv4", address.to_string()),
            ("public-keys", keys.text("operator.pub").trim().to_owned()),
        ]
        .map(|(name, value)| (name.into(), value))
        .into(),
        user_data: Some(keys.user_data().into_bytes()),
        password: None,
    }));
    let public = network.addresses[0].address;
    network.forwards.push(forward(public, port, address, 22));
    network.ingress.push(open(public, port, port, "0.0.0.0/0"));
    Machine {
        id,
        host_name,
        volume: id,
        layers: layers.to_vec(),
        disks: Vec::new(),
        interfaces: vec![Interface { network: network.id, mac, address }],
        processors: 2,
        memory_mib: 512,
    }
}

pub(crate) fn forward(public: Ipv4Addr, port: u16, guest: Ipv4Addr, private: u16) -> Forward {
    Forward {
        address: public,
        protocol: Protocol::Tcp,
        public: Ports { first: port, last: port },
        guest,
        private: Ports { first: private, last: private },
        sources: Vec::new(),
    }
}

pub(crate) fn open(address: Ipv4Addr, first: u16, last: u16, source: &str) -> IngressRule {
    IngressRule {
        address,
        protocol: Protocol::Tcp,
        ports: Some(Ports { first, last }),
        icmp: None,
        sources: vec![source.parse().expect("a range")],
    }
}

/// Whether anyone answers at that address, from the host.
pub(crate) fn answers(address: Ipv4Addr, port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from((address, port)), Duration::from_secs(2)).is_ok()
}

/// The first line of a web server's page, or nothing.
pub(crate) fn page(address: Ipv4Addr, port: u16) -> Option<String> {
    let said = ask(address, port, "GET /name HTTP/1.0\r\n\r\n")?;
    said.split_once("\r\n\r\n").map(|(_, body)| body.trim().to_owned())
}

/// What somebody answers who is told this, up to the end; nothing where nobody answers.
pub(crate) fn ask(address: Ipv4Addr, port: u16, what: &str) -> Option<String> {
    let mut stream =
        TcpStream::connect_timeout(&SocketAddr::from((address, port)), Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(what.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    (!text.is_empty()).then_some(text)
}

/// The world outside of the zone: a namespace on its public bridge, where someone listens who tells each caller under
/// which address it came.
pub(crate) struct Outside {
    namespace: String,
    pub(crate) address: Ipv4Addr,
}

impl Outside {
    pub(crate) fn raise(zone: &Zone, last: u8, port: u16) -> Self {
        let (namespace, bridge) = (format!("{}-outside", zone.name), bridge_of(zone));
        let outside = Self { namespace: namespace.clone(), address: zone.public(last) };
        let ip = |arguments: &str| {
            let output = Command::new("ip").args(arguments.split(' ')).output().expect("ip");
            assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        };
        // What a killed run left; most often nothing.
        let _ = Command::new("ip").args(["netns", "delete", &namespace]).output();
        ip(&format!("netns add {namespace}"));
        ip(&format!("link add {bridge}outside type veth peer name eth0 netns {namespace}"));
        ip(&format!("link set {bridge}outside master {bridge} up"));
        ip(&format!("-netns {namespace} address add {}/24 dev eth0", outside.address));
        ip(&format!("-netns {namespace} link set eth0 up"));
        let (ready, listening) = mpsc::channel();
        std::thread::spawn(move || {
            enter(&namespace);
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).expect("to listen");
            ready.send(()).expect("the test waits");
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let caller = stream.peer_addr().map(|caller| caller.ip().to_string()).unwrap_or_default();
                let _ = stream.write_all(caller.as_bytes());
                if caller == "127.0.0.1" {
                    return;
                }
            }
        });
        listening.recv_timeout(Duration::from_secs(5)).expect("the outside listens");
        outside
    }

    /// What somebody answers who is told this from outside.
    pub(crate) fn ask(&self, address: Ipv4Addr, port: u16, what: &str) -> Option<String> {
        let asked = std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                enter(&self.namespace);
                ask(address, port, what)
            });
            asking.join()
        });
        asked.expect("asked")
    }
}

/// Moves this thread into a network namespace.
fn enter(namespace: &str) {
    let file = fs::File::open(Path::new("/run/netns").join(namespace)).expect("the namespace");
    rustix::thread::move_into_link_name_space(
        std::os::fd::AsFd::as_fd(&file),
        Some(rustix::thread::LinkNameSpaceType::Network),
    )
    .expect("to enter it");
}

/// The zone's bridge, found by its address.
fn bridge_of(zone: &Zone) -> String {
    let output = Command::new("ip").args(["-br", "-4", "address"]).output().expect("ip");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = format!("{}/24", zone.public(1));
    let line = text.lines().find(|line| line.contains(&host)).expect("a bridge");
    line.split_whitespace().next().expect("a name").to_owned()
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["-netns", &self.namespace, "link", "delete", "eth0"]).output();
        let _ = Command::new("ip").args(["netns", "delete", &self.namespace]).output();
    }
}

/// Raises a network and starts machines in it, all at once.
pub(crate) async fn start(zone: &Zone, network: &Network, machines: &[Machine]) {
    zone.driver.raise_network(network).await.expect("a router");
    let started = Instant::now();
    let starts = machines.iter().map(|machine| zone.driver.start_machine(machine));
    for outcome in futures::future::join_all(starts).await {
        outcome.expect("a machine");
    }
    println!("starting {} machines took {:?}", machines.len(), started.elapsed());
}
