//! What is on this host: taken before and after, so that whatever a zone leaves behind is seen.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Everything a zone could leave behind, a line each.
#[derive(Debug)]
pub(crate) struct Host(BTreeSet<String>);

impl Host {
    /// Looks at the host now.
    pub(crate) fn look() -> Self {
        let mut lines = BTreeSet::new();
        for (what, command) in [
            ("namespace", &["ip", "netns", "list"][..]),
            ("link", &["ip", "-br", "link"]),
            ("address", &["ip", "-br", "address"]),
            ("route", &["ip", "route", "show", "table", "all"]),
            ("rule", &["ip", "rule"]),
            ("table", &["nft", "list", "tables"]),
        ] {
            lines.extend(output(command).lines().map(|line| format!("{what}: {}", steady(line))));
        }
        lines.extend(mounts().map(|mount| format!("mount: {mount}")));
        lines.extend(processes().map(|process| format!("process: {process}")));
        for folder in ["/var/lib/mesostack/zones", "/run/mesostack", "/run/netns", "/sys/fs/cgroup"] {
            lines.extend(entries(Path::new(folder), 2).map(|path| format!("file: {}", path.display())));
        }
        Self(lines)
    }

    /// What is here that was not there `before`.
    pub(crate) fn more_than(&self, before: &Self) -> Vec<String> {
        self.0.difference(&before.0).cloned().collect()
    }
}

fn output(command: &[&str]) -> String {
    let output = Command::new(command[0]).args(&command[1..]).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A line without what changes by itself: a lease's remaining time, spaces at the end.
fn steady(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn mounts() -> impl Iterator<Item = String> {
    let table = fs::read_to_string("/proc/self/mounts").unwrap();
    let points: Vec<_> = table.lines().filter_map(|line| line.split(' ').nth(1).map(str::to_owned)).collect();
    points.into_iter()
}

/// Processes a zone runs: servers and machines by their names, and whatever lives in another process namespace.
fn processes() -> impl Iterator<Item = String> {
    let own = fs::read_link("/proc/self/ns/pid").ok();
    entries(Path::new("/proc"), 1).filter_map(move |folder| {
        let pid: u32 = folder.file_name()?.to_str()?.parse().ok()?;
        let command = fs::read(folder.join("cmdline")).ok()?;
        let words = String::from_utf8_lossy(&command).replace('\0', " ");
        let served =
            ["systemd-nspawn", "dnsmasq", "haproxy", "zone serve"].iter().any(|name| words.contains(name));
        let elsewhere = fs::read_link(folder.join("ns/pid")).ok() != own;
        (served || elsewhere).then(|| format!("{pid} {}", words.trim_end()))
    })
}

/// What is in a folder, some levels deep.
fn entries(folder: &Path, depth: usize) -> impl Iterator<Item = PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), depth)];
    while let Some((folder, depth)) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && depth > 1 {
                open.push((entry.path(), depth - 1));
            }
            found.push(entry.path());
        }
    }
    found.into_iter()
}
