//! The same with machines: what is on the host beside the records is as they say after every start, and nothing of it is
//! left at the end.
#![expect(clippy::print_stdout, reason = "a test tells what it could not take away")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use devcloud::host;
use serde_json::Value;

#[path = "../../machines/host.rs"]
pub(crate) mod this_host;

use super::load::Phone;
use super::{Bounds, Keys, Killed, Victim, asked, kill_again_and_again};
use crate::whole::Seen;

pub(crate) const WITH_MACHINES: Victim = Victim {
    name: "t-killed",
    public_range: "198.19.16.0/24",
    simulator: false,
    faults: "[limits]\nmachines = -1\nvolumes = -1\nprocessors = -1\nmemory_mib = -1\nprimary_storage_gib = -1\nnetworks \
             = -1\npublic_addresses = 100\n",
    hands: 4,
    bounds: Bounds { networks: 2, machines: 3 },
    at_work: 50..5_000,
    opening: 0..1_500,
};

const DIRECTORY: &str = "/var/tmp/mesostack-t-killed";

/// The zone's own directory.
fn state() -> PathBuf {
    Path::new(DIRECTORY).join("zones").join(WITH_MACHINES.name)
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

/// Volumes that are block devices of the host.
fn devices() -> BTreeSet<String> {
    let volumes = state().join("volumes");
    let behind =
        this_host::loops().into_iter().filter_map(|file| Some(file.strip_prefix(&volumes).ok()?.to_owned()));
    behind.filter_map(|file| Some(file.parent()?.to_str()?.to_owned())).collect()
}

/// What the host has and the records do not, and the other way round.
fn compare(seen: &Seen) -> Vec<String> {
    let in_state = |list, state: &str| -> BTreeSet<String> {
        let found = seen.of(list).iter().filter(|thing| thing["state"] == state);
        found.filter_map(|thing| Some(thing["id"].as_str()?.replace('-', ""))).collect()
    };
    let ids = |list| -> BTreeSet<String> {
        seen.of(list).iter().filter_map(|thing| thing["id"].as_str().map(str::to_owned)).collect()
    };
    let namespaces = |kind: &str| -> BTreeSet<String> {
        let prefix = format!("{}-{kind}-", WITH_MACHINES.name);
        let all = names(Path::new("/run/netns"));
        all.iter().filter_map(|name| name.strip_prefix(&prefix).map(str::to_owned)).collect()
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let mounted = mounts.lines().filter_map(|line| line.split(' ').nth(4)?.strip_prefix(state().to_str()?));
    let mounted = mounted.filter_map(|place| place.strip_prefix("/machines/")?.strip_suffix("/root"));
    let mounted: BTreeSet<String> = mounted.map(|id| id.replace('-', "")).collect();
    let running = in_state("listVirtualMachines", "Running");
    let disks: BTreeSet<String> = seen
        .of("listVolumes")
        .iter()
        .filter_map(|volume| {
            let machine = volume["virtualmachineid"].as_str()?.replace('-', "");
            (volume["type"] == "DATADISK" && running.contains(&machine))
                .then(|| volume["id"].as_str())?
                .map(str::to_owned)
        })
        .collect();
    let networks = in_state("listNetworks", "Implemented");
    let mut wrong = Vec::new();
    for (what, found, told) in [
        ("machines' namespaces", namespaces("m"), &running),
        ("machines' roots", mounted, &running),
        ("running machines' data disks", devices(), &disks),
        ("routers' namespaces", namespaces("r"), &networks),
        ("routers' directories", names(&state().join("routers")), &networks),
    ] {
        if found != *told {
            wrong.push(format!("{what}: {found:?}, and the records say {told:?}"));
        }
    }
    let layers = names(&state().join("layers"));
    let snapshots: BTreeSet<String> =
        layers.iter().filter_map(|layer| layer.strip_prefix("snapshot-").map(str::to_owned)).collect();
    for (what, found, told) in [
        ("machines' directories", names(&state().join("machines")), ids("listVirtualMachines")),
        ("volumes", names(&state().join("volumes")), ids("listVolumes")),
        ("snapshots' layers", snapshots, ids("listSnapshots")),
        (
            "half-made layers",
            layers.into_iter().filter(|name| name.starts_with('.')).collect(),
            BTreeSet::new(),
        ),
    ] {
        let stray: Vec<_> = found.difference(&told).collect();
        if !stray.is_empty() {
            wrong.push(format!("{what} that no record names: {stray:?}"));
        }
    }
    let unready: Vec<&Value> =
        seen.of("listTemplates").iter().filter(|template| template["isready"] != true).collect();
    if !unready.is_empty() {
        wrong.push(format!("templates half made: {unready:?}"));
    }
    wrong
}

/// Takes everything in the zone away, as its clients would.
async fn empty(port: u16, keys: &Keys) {
    let mut phone = Phone::open(port, &keys.admin).await.expect("it answers");
    let seen = phone.look().await;
    let mut calls = Vec::new();
    for machine in seen.of("listVirtualMachines") {
        let (command, expunge) = match machine["state"] == "Destroyed" {
            true => ("expungeVirtualMachine", None),
            false => ("destroyVirtualMachine", Some(("expunge", "true"))),
        };
        calls.push((command, &machine["id"], expunge));
    }
    calls.extend(seen.of("listSnapshots").iter().map(|snapshot| ("deleteSnapshot", &snapshot["id"], None)));
    let own = seen.of("listTemplates").iter().filter(|template| template["account"] != "system");
    calls.extend(own.map(|template| ("deleteTemplate", &template["id"], None)));
    for (command, id, more) in calls {
        let id = id.as_str().expect("an id");
        let parameters: Vec<_> = [("id", id)].into_iter().chain(more).collect();
        let begun = phone.call(command, &parameters).await.expect("it answers");
        let ended = phone.end(begun["jobid"].as_str().expect("a job")).await.expect("it answers");
        assert_eq!(ended["jobstatus"], 1, "{command} {id}: {ended}");
    }
    for disk in seen.of("listVolumes").iter().filter(|disk| disk["type"] == "DATADISK") {
        phone.call("deleteVolume", &[("id", disk["id"].as_str().expect("an id"))]).await.expect("it answers");
    }
    // A deleted disk's file goes when the zone looks next.
    let began = Instant::now();
    while !names(&state().join("volumes")).is_empty() && began.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Takes what there is of a zone away, also after a panic: a kind of zone, and the directory it is kept in.
pub(crate) struct Down(pub(crate) &'static Victim, pub(crate) &'static str);

impl Drop for Down {
    fn drop(&mut self) {
        let Self(Victim { name, public_range, .. }, directory) = self;
        let state = Path::new(directory).join("zones").join(name);
        let (name, range) = (name.parse().expect("a name"), public_range.parse().ok());
        if let Err(error) = devcloud::machines::remove_everything(&name, &state, range) {
            println!("the zone {name} is not wholly gone: {error}");
        }
        let _ = fs::remove_dir_all(directory);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and machines"]
async fn a_zone_of_machines_killed_at_any_instant_has_all_it_answered_for_and_leaves_nothing_behind() {
    if let Some(reason) = this_host::missing() {
        println!("skipped: {reason}");
        return;
    }
    let (name, range) =
        (WITH_MACHINES.name.parse().expect("a name"), WITH_MACHINES.public_range.parse().expect("a range"));
    // What an earlier run that was killed has left.
    drop(Down(&WITH_MACHINES, DIRECTORY));
    let before = this_host::seen(&name, range);
    let guard = Down(&WITH_MACHINES, DIRECTORY);
    fs::create_dir_all(DIRECTORY).expect("a directory");
    let times = asked("DEVCLOUD_MACHINE_KILLS", 4);
    let began = Instant::now();
    let (killed, left) = kill_again_and_again(&WITH_MACHINES, Path::new(DIRECTORY), times, compare).await;
    let Killed { told, .. } = &killed;
    println!("{killed}, in {:?}", began.elapsed());
    assert!(told.things > 0, "nothing was at stake: {killed}");

    empty(left.port, &left.keys).await;
    for (directory, left) in
        ["machines", "volumes", "layers"].map(|directory| (directory, names(&state().join(directory))))
    {
        let left: Vec<_> = left.iter().filter(|name| !name.starts_with("debian-12-")).collect();
        assert!(left.is_empty(), "{directory} that nothing needs any more: {left:?}");
    }
    drop(left.served);
    let places = WITH_MACHINES.places(Path::new(DIRECTORY));
    let down = Instant::now();
    assert!(host::down(&places, &name).await.expect("it goes down"));
    println!("down took {:?}", down.elapsed());
    assert!(down.elapsed() < Duration::from_secs(10));
    let after = this_host::seen(&name, range);
    let left: Vec<_> = after.difference(&before).collect();
    assert!(left.is_empty(), "left on the host: {left:#?}");
    assert!(!state().exists());
    drop(guard);
}
