//! What the API says of machines is so in them: a zone with real machines, served by a process of its own, and a way into
//! its machines with a command of the zone's own.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "a test tells why it is skipped")]

mod data_disks;
mod disk_and_password;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use devcloud::host;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::killed::hosted::{Down, this_host};
use crate::killed::load::{Keys, Phone};
use crate::killed::{Served, Victim, a_port, hosted};

pub(crate) const RAISED: Victim =
    Victim { name: "t-guests", public_range: "198.19.17.0/24", faults: "", ..hosted::WITH_MACHINES };
const DIRECTORY: &str = "/var/tmp/mesostack-t-guests";

/// The zone, a client of it, and a way into its machines.
struct World {
    phone: Phone,
    admin: Phone,
    zone: String,
    offering: String,
    network: String,
    port: u16,
    served: Served,
    /// Dropped last.
    _guard: Down,
}

impl World {
    /// A zone with a network; none where machines cannot run.
    async fn raise() -> Option<Self> {
        if let Some(reason) = this_host::missing() {
            println!("skipped: {reason}");
            return None;
        }
        // What an earlier run that was killed has left.
        drop(Down(&RAISED, DIRECTORY));
        let guard = Down(&RAISED, DIRECTORY);
        fs::create_dir_all(DIRECTORY).expect("a directory");
        let port = a_port();
        let mut served = Served::start(&RAISED, &PathBuf::from(DIRECTORY), port);
        let Keys { user, admin } = served.keys(&RAISED, Path::new(DIRECTORY)).await;
        let mut world = Self {
            phone: Phone::open(port, &user).await.expect("it answers"),
            admin: Phone::open(port, &admin).await.expect("it answers"),
            zone: String::new(),
            offering: String::new(),
            network: String::new(),
            port,
            served,
            _guard: guard,
        };
        world.zone = world.id_of("listZones", "zone", &[]).await;
        world.offering =
            world.id_of("listServiceOfferings", "serviceoffering", &[("name", "t1.small")]).await;
        let isolated = [("name", "DefaultIsolatedNetworkOfferingWithSourceNatService")];
        let isolated = world.id_of("listNetworkOfferings", "networkoffering", &isolated).await;
        let zone = world.zone.clone();
        let network = [("name", "n"), ("zoneid", zone.as_str()), ("networkofferingid", &isolated)];
        let network = world.phone.call("createNetwork", &network).await.expect("it answers");
        world.network = text(&network["network"]["id"]);
        Some(world)
    }

    /// Ends the zone's process as a crash would, and has another one serve it.
    async fn kill(&mut self) {
        self.served.kill();
        self.served = Served::start(&RAISED, &PathBuf::from(DIRECTORY), self.port);
        let Keys { user, admin } = self.served.keys(&RAISED, Path::new(DIRECTORY)).await;
        self.phone = Phone::open(self.port, &user).await.expect("it answers");
        self.admin = Phone::open(self.port, &admin).await.expect("it answers");
    }

    /// The first of a list.
    async fn first(&mut self, command: &str, object: &str, wanted: &[(&str, &str)]) -> Value {
        let found = self.phone.call(command, wanted).await.expect("it answers");
        assert!(found[object][0].is_object(), "{command} {wanted:?}: {found}");
        found[object][0].clone()
    }

    async fn id_of(&mut self, command: &str, object: &str, wanted: &[(&str, &str)]) -> String {
        text(&self.first(command, object, wanted).await["id"])
    }

    /// A job's result.
    async fn run(&mut self, command: &str, parameters: &[(&str, &str)]) -> Value {
        let ended = self.ended(command, parameters).await;
        assert_eq!(ended["jobstatus"], 1, "{command} {parameters:?}: {ended}");
        ended["jobresult"].clone()
    }

    /// Why a job failed.
    async fn fails(&mut self, command: &str, parameters: &[(&str, &str)]) -> String {
        let ended = self.ended(command, parameters).await;
        assert_eq!(ended["jobstatus"], 2, "{command} {parameters:?}: {ended}");
        text(&ended["jobresult"]["errortext"])
    }

    async fn ended(&mut self, command: &str, parameters: &[(&str, &str)]) -> Value {
        let begun = self.phone.call(command, parameters).await.expect("it answers");
        self.phone.end(begun["jobid"].as_str().expect("a job")).await.expect("it answers")
    }

    async fn deploy(&mut self, name: &str, template: &str, more: &[(&str, &str)]) -> Value {
        let (zone, offering, network) = (self.zone.clone(), self.offering.clone(), self.network.clone());
        let parameters = [
            ("name", name),
            ("zoneid", &zone),
            ("serviceofferingid", &offering),
            ("networkids", &network),
            ("templateid", template),
        ];
        let parameters = [&parameters, more].concat();
        self.run("deployVirtualMachine", &parameters).await["virtualmachine"].clone()
    }

    /// Whether a shell's command succeeds in the machine.
    async fn holds(&self, machine: &str, command: &str) -> bool {
        let name = RAISED.name.parse().expect("a name");
        let places = RAISED.places(Path::new(DIRECTORY));
        let command = ["sh", "-c", command].map(str::to_owned);
        let ended = host::exec(&places, &name, machine, &command, &CancellationToken::new()).await;
        ended.unwrap_or_else(|error| panic!("{machine}: {error}")).expect("nobody stops it").success()
    }

    /// Moves the zone's clock ahead by so many hours.
    async fn forward(&self, hours: u64) {
        let name = RAISED.name.parse().expect("a name");
        let places = RAISED.places(Path::new(DIRECTORY));
        let moved = host::forward(&places, &name, Duration::from_secs(hours * 3600), false).await;
        assert_eq!(moved.expect("it is moved").ahead_seconds, hours * 3600);
    }

    async fn root_disk(&mut self, machine: &str) -> String {
        self.id_of("listVolumes", "volume", &[("virtualmachineid", machine), ("type", "ROOT")]).await
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
