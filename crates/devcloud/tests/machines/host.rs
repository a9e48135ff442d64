//! This host: whether machines can run on it, and what a zone could leave there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use devcloud::host::ZoneName;
use ipnet::Ipv4Net;

/// Why machines cannot run here.
pub(crate) fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("machines need root".into());
    }
    let programs = ["systemd-nspawn", "mmdebstrap", "nft", "dnsmasq", "haproxy", "ip", "ssh", "ssh-keygen"];
    let gone = programs.iter().find(|program| {
        !std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .chain([PathBuf::from("/usr/sbin")])
            .any(|directory| directory.join(program).exists())
    });
    gone.map(|program| format!("{program} is not installed"))
}

/// The files that are block devices of this host.
pub(crate) fn loops() -> Vec<PathBuf> {
    let shown = fs::read_dir("/sys/block").expect("block devices").filter_map(Result::ok);
    let behind = shown.filter_map(|device| fs::read_to_string(device.path().join("loop/backing_file")).ok());
    behind.map(|file| PathBuf::from(file.trim())).collect()
}

/// What a zone could leave on the host: namespaces, interfaces, mounts, tables, routes, processes, groups, nspawn's
/// files. All of it carries the zone's name or lies in its range; anything else is others' business, who come and go
/// meanwhile.
pub(crate) fn seen(zone: &ZoneName, range: Ipv4Net) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut add = |kind: &str, line: &str| all.insert(format!("{kind}: {line}"));
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().expect("a listing");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let own = zone.as_str();
    let prefix = range.network().to_string();
    let prefix = prefix.trim_end_matches('0');
    for line in output("ip", &["netns", "list"]).lines().filter(|line| line.contains(own)) {
        add("namespace", line);
    }
    let links = fs::read_dir("/sys/class/net").expect("interfaces");
    // Interfaces of zones begin with "ms" and carry their zone's name in their alias.
    for link in links.filter_map(Result::ok) {
        let name = link.file_name().to_string_lossy().into_owned();
        let alias = fs::read_to_string(link.path().join("ifalias")).unwrap_or_default();
        if alias.contains(own) {
            add("interface", &name);
        }
    }
    for line in fs::read_to_string("/proc/self/mountinfo").expect("mounts").lines() {
        let place = line.split(' ').nth(4).unwrap_or_default();
        if place.contains(own) {
            add("mount", place);
        }
    }
    for file in loops().iter().map(|file| file.display().to_string()).filter(|file| file.contains(own)) {
        add("loop device", &file);
    }
    for line in output("nft", &["list", "tables"]).lines().filter(|line| line.contains(own)) {
        add("table", line);
    }
    for line in output("ip", &["route", "show", "table", "all"]).lines() {
        if line.contains(prefix) {
            add("route", line);
        }
    }
    for entry in fs::read_dir("/proc").expect("processes").filter_map(Result::ok) {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(&format!("mesostack-{own}/")) {
            add("process", &line);
        }
    }
    for directory in
        ["/sys/fs/cgroup/unified", "/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/memory"]
    {
        if Path::new(directory).join("mesostack").join(own).exists() {
            add("control group", directory);
        }
    }
    if let Ok(entries) = fs::read_dir("/run/systemd/nspawn/propagate") {
        for entry in entries.filter_map(Result::ok) {
            if entry.file_name().to_string_lossy().starts_with(own) {
                add("nspawn", &entry.file_name().to_string_lossy());
            }
        }
    }
    all
}
