//! The suite against a zone with real machines, over HTTP on loopback.
//!
//! Needs root on Linux and the programs a zone needs; says why and passes otherwise. The zone has a name and a public
//! range of its own, and is taken down when its guard is dropped, also by a panic.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "a test tells what it skipped")]

mod zone;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use devcloud::host::ZoneName;
use devcloud::machines::{Machines, MachinesConfig, remove_everything};
use devcloud::{PublicRange, ZoneConfig};
use ipnet::Ipv4Net;

/// Everything of a zone on this host; gone when this is.
struct OnHost {
    name: ZoneName,
    directory: PathBuf,
    range: Ipv4Net,
}

impl Drop for OnHost {
    fn drop(&mut self) {
        if let Err(error) = remove_everything(&self.name, &self.directory, Some(self.range)) {
            println!("the zone {} is not wholly gone: {error}", self.name);
        }
    }
}

fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("machines need root".to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places: Vec<PathBuf> = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).collect();
    ["systemd-nspawn", "mmdebstrap", "nft", "dnsmasq", "haproxy", "ip"]
        .into_iter()
        .find(|program| !places.iter().any(|place| place.join(program).exists()))
        .map(|program| format!("{program} is not installed"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and machines"]
async fn a_zone_of_machines_behaves_like_a_cloudstack() {
    if let Some(reason) = missing() {
        println!("skipped: {reason}");
        return;
    }
    let range = Ipv4Net::new(Ipv4Addr::new(198, 19, 77, 0), 24).expect("a range");
    let host = OnHost {
        name: "conform".parse().expect("a name"),
        directory: Path::new("/var/tmp").join("mesostack-conform"),
        range,
    };
    // What an earlier run that was killed has left.
    remove_everything(&host.name, &host.directory, Some(range)).expect("a clean start");
    let mut config = MachinesConfig::new(host.name.clone(), host.directory.clone(), range);
    let base = tokio::task::spawn_blocking({
        let layers = config.layers();
        move || {
            devcloud::base::prepare(Path::new("/var/cache/mesostack"), &layers, &|step| println!("{step}"))
        }
    });
    config.base_templates = vec![base.await.expect("no panic").expect("a base")];
    let driver = Machines::new(config).expect("a driver");
    let settings = ZoneConfig {
        name: host.name.to_string(),
        public: PublicRange {
            range,
            gateway: Ipv4Addr::new(198, 19, 77, 1),
            first: Ipv4Addr::new(198, 19, 77, 10),
            last: Ipv4Addr::new(198, 19, 77, 200),
        },
        dns: Ipv4Addr::new(198, 19, 77, 1),
        ..zone::config()
    };
    let report = zone::checked("machines", Arc::new(driver), settings).await;
    drop(host);
    zone::assert_fine(&report);
    assert!(report.counts().0 >= 100, "{report:?}");
}
