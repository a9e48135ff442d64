//! What the API says of a machine's disk and password is so in the machine: asked from inside, with a command of the zone's
//! own.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};

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
    zone: String,
    offering: String,
    network: String,
}

impl World {
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
        let begun = self.phone.call(command, parameters).await.expect("it answers");
        let ended = self.phone.end(begun["jobid"].as_str().expect("a job")).await.expect("it answers");
        assert_eq!(ended["jobstatus"], 1, "{command} {parameters:?}: {ended}");
        ended["jobresult"].clone()
    }

    async fn deploy(&mut self, name: &str, template: &str) -> Value {
        let (zone, offering, network) = (self.zone.clone(), self.offering.clone(), self.network.clone());
        let parameters = [
            ("name", name),
            ("zoneid", &zone),
            ("serviceofferingid", &offering),
            ("networkids", &network),
            ("templateid", template),
        ];
        self.run("deployVirtualMachine", &parameters).await["virtualmachine"].clone()
    }

    async fn root_disk(&mut self, machine: &str) -> String {
        self.id_of("listVolumes", "volume", &[("virtualmachineid", machine), ("type", "ROOT")]).await
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Whether a shell's command succeeds in the machine.
async fn holds(machine: &str, command: &str) -> bool {
    let name = RAISED.name.parse().expect("a name");
    let places = RAISED.places(Path::new(DIRECTORY));
    let command = ["sh", "-c", command].map(str::to_owned);
    let ended = host::exec(&places, &name, machine, &command, &CancellationToken::new()).await;
    ended.unwrap_or_else(|error| panic!("{machine}: {error}")).expect("nobody stops it").success()
}

/// A command that succeeds when the machine's router answers its request for a password like this.
fn told(request: &str, answer: &str) -> String {
    let gateway = "$(ip -4 route show default | cut -d' ' -f3)";
    format!("test \"$(wget -qO- --header 'DomU_Request: {request}' http://{gateway}:8080/)\" = '{answer}'")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and machines"]
async fn what_is_said_of_a_machine_s_disk_and_password_is_so_in_the_machine() {
    if let Some(reason) = this_host::missing() {
        println!("skipped: {reason}");
        return;
    }
    // What an earlier run that was killed has left.
    drop(Down(&RAISED, DIRECTORY));
    let _guard = Down(&RAISED, DIRECTORY);
    fs::create_dir_all(DIRECTORY).expect("a directory");
    let port = a_port();
    let mut served = Served::start(&RAISED, &PathBuf::from(DIRECTORY), port);
    let Keys { user, admin } = served.keys(&RAISED, Path::new(DIRECTORY)).await;
    let mut admin = Phone::open(port, &admin).await.expect("it answers");
    let phone = Phone::open(port, &user).await.expect("it answers");
    let mut world = World { phone, zone: String::new(), offering: String::new(), network: String::new() };
    world.zone = world.id_of("listZones", "zone", &[]).await;
    world.offering = world.id_of("listServiceOfferings", "serviceoffering", &[("name", "t1.small")]).await;
    let isolated = [("name", "DefaultIsolatedNetworkOfferingWithSourceNatService")];
    let isolated = world.id_of("listNetworkOfferings", "networkoffering", &isolated).await;
    let zone = world.zone.clone();
    let network = [("name", "n"), ("zoneid", zone.as_str()), ("networkofferingid", &isolated)];
    let network = world.phone.call("createNetwork", &network).await.expect("it answers");
    world.network = text(&network["network"]["id"]);
    let base = world.first("listTemplates", "template", &[("templatefilter", "featured")]).await;
    let (base, os_type) = (text(&base["id"]), text(&base["ostypeid"]));
    let enabled = [("id", base.as_str()), ("passwordenabled", "true")];
    admin.call("updateTemplate", &enabled).await.expect("it answers");

    // The password that the deployment answered is the guest's, who has told its router so.
    let first = world.deploy("first", &base).await;
    let (id, password) = (text(&first["id"]), text(&first["password"]));
    assert!(holds("first", "cloud-init status --wait >/dev/null").await);
    let verified = format!(
        "python3 -W ignore -c 'import crypt, spwd, sys; kept = spwd.getspnam(\"debian\").sp_pwdp; \
         sys.exit(crypt.crypt(\"{password}\", kept) != kept)'"
    );
    assert!(holds("first", &verified).await, "cloud-init has set it");
    assert!(holds("first", &told("send_my_password", "saved_password")).await, "it was told once");

    // A new one is told until the guest says that it has it. cloud-init would ask before us.
    assert!(holds("first", "echo one > /root/mark && touch /etc/cloud/cloud-init.disabled && sync").await);
    let disk = world.root_disk(&id).await;
    let snapshot = text(&world.run("createSnapshot", &[("volumeid", &disk)]).await["snapshot"]["id"]);
    assert!(holds("first", "echo two > /root/mark && sync").await);
    world.run("stopVirtualMachine", &[("id", &id)]).await;
    let reset = world.run("resetPasswordForVirtualMachine", &[("id", &id)]).await;
    let new = text(&reset["virtualmachine"]["password"]);
    assert_ne!(new, password);
    world.run("startVirtualMachine", &[("id", &id)]).await;
    assert!(holds("first", &told("send_my_password", &new)).await);
    assert!(holds("first", &told("send_my_password", &new)).await, "it may have got lost");
    assert!(holds("first", &told("saved_password", "saved_password")).await);
    assert!(holds("first", &told("send_my_password", "saved_password")).await);
    // Also after its stop, and after another process serves the zone.
    world.run("stopVirtualMachine", &[("id", &id)]).await;
    served.kill();
    served = Served::start(&RAISED, &PathBuf::from(DIRECTORY), port);
    let keys = served.keys(&RAISED, Path::new(DIRECTORY)).await;
    world.phone = Phone::open(port, &keys.user).await.expect("it answers");
    world.run("startVirtualMachine", &[("id", &id)]).await;
    assert!(holds("first", &told("send_my_password", "saved_password")).await);

    // A template of the snapshot is the disk as it was then; the disk itself went on, and goes back when it is told to.
    assert!(holds("first", "test $(cat /root/mark) = two").await);
    let wanted =
        [("name", "golden"), ("displaytext", "x"), ("ostypeid", &os_type), ("snapshotid", &snapshot)];
    let golden = text(&world.run("createTemplate", &wanted).await["template"]["id"]);
    let second = text(&world.deploy("second", &golden).await["id"]);
    assert!(holds("second", "test $(cat /root/mark) = one").await);
    world.run("stopVirtualMachine", &[("id", &id)]).await;
    world.run("revertSnapshot", &[("id", &snapshot)]).await;
    world.run("startVirtualMachine", &[("id", &id)]).await;
    assert!(holds("first", "test $(cat /root/mark) = one").await);

    // Another template is another disk, in the machine too.
    world.run("restoreVirtualMachine", &[("virtualmachineid", &second), ("templateid", &base)]).await;
    assert!(holds("second", "test ! -e /root/mark").await);

    // Other sizes hold from the next start.
    world.run("stopVirtualMachine", &[("id", &second)]).await;
    let medium = world.id_of("listServiceOfferings", "serviceoffering", &[("name", "t1.medium")]).await;
    world.run("scaleVirtualMachine", &[("id", &second), ("serviceofferingid", &medium)]).await;
    world.run("startVirtualMachine", &[("id", &second)]).await;
    assert_eq!(memory_limit(&second), 1024 << 20);

    // What a machine calls systemd-run is not what lets us in.
    let trap = "for name in systemd-run systemctl; do printf '#!/bin/sh\\ntouch /root/trapped\\n' > \
                /usr/local/sbin/$name; chmod 755 /usr/local/sbin/$name; done";
    assert!(holds("second", trap).await);
    assert!(holds("second", "test ! -e /root/trapped").await);
    assert!(!holds("second", "test -e /root/trapped").await);

    // A command's own status comes out; what it is told is not read for variables.
    assert!(!holds("second", "exit 3").await);
    assert!(holds("second", "x=1; test \"$x\" = 1 && test $$ -gt 1").await);
    drop(served);
}

/// What the machine's control group may use at most, in bytes.
fn memory_limit(machine: &str) -> u64 {
    let group = format!("mesostack/{}/machine-{}", RAISED.name, machine.replace('-', ""));
    let files = [
        format!("/sys/fs/cgroup/memory/{group}/memory.limit_in_bytes"),
        format!("/sys/fs/cgroup/{group}/memory.max"),
        format!("/sys/fs/cgroup/unified/{group}/memory.max"),
    ];
    let limit = files.iter().find_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    limit.unwrap_or_else(|| panic!("no limit in {files:?}"))
}
