//! What is in the packages. Neither has a script: nothing is started or enabled by installing them.

use super::archive::{Installed, What, deb};
use crate::notice::{MARATHON_VERSION, MESOS_VERSION};

/// Where the program is installed, once.
const PROGRAM: &str = "/usr/lib/mesostack-standin/mesostack-standin";

const WEBUI: &str = "<!doctype html>\n<title>Mesos (stand-in)</title>\n<h1>A stand-in for Mesos</h1>\n\
     <p>mesostack's stand-in for mesos-master, made for rehearsals, has no user interface.</p>\n";

/// A package ready to be written.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) file_name: String,
    pub(super) bytes: Vec<u8>,
}

/// Debian's name for the processor this program is built for.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "i386",
        "arm" => "armhf",
        "powerpc64" => "ppc64el",
        other => other,
    }
}

/// The mesos package, around the program's bytes.
pub(super) fn mesos(program: &[u8]) -> std::io::Result<Package> {
    let link = |path: &str| Installed { path: path.into(), what: What::Link(PROGRAM.into()) };
    let installed = [
        Installed { path: PROGRAM.into(), what: What::File { mode: 0o755, content: program } },
        link("/usr/bin/mesos-master"),
        link("/usr/bin/mesos-agent"),
        Installed {
            path: "/usr/share/mesos/webui/index.html".into(),
            what: What::File { mode: 0o644, content: WEBUI.as_bytes() },
        },
    ];
    let relations = "Conflicts: aventer-mesos\n";
    package("mesos", MESOS_VERSION, relations, "mesos-master and mesos-agent", &installed)
}

/// The marathon package. It needs no Java itself; the real one does, and an image built with this one is to be like
/// an image built with that one.
pub(super) fn marathon() -> std::io::Result<Package> {
    let installed = [Installed { path: "/usr/bin/marathon".into(), what: What::Link(PROGRAM.into()) }];
    let relations = format!(
        "Depends: mesos (= {MESOS_VERSION}+standin), default-jre-headless | java8-runtime-headless\n"
    );
    package("marathon", MARATHON_VERSION, &relations, "Marathon", &installed)
}

fn package(
    name: &str,
    version: &str,
    relations: &str,
    stands_for: &str,
    installed: &[Installed<'_>],
) -> std::io::Result<Package> {
    let size: usize = installed
        .iter()
        .map(|entry| match entry.what {
            What::File { content, .. } => content.len().div_ceil(1024),
            What::Link(_) => 1,
        })
        .sum();
    let architecture = architecture();
    let control = format!(
        "Package: {name}\nVersion: {version}+standin\nArchitecture: {architecture}\n\
         Maintainer: mesostack <mesostack@localhost>\nInstalled-Size: {size}\n{relations}\
         Section: net\nPriority: optional\n\
         Description: stand-in for {stands_for}, for rehearsals\n \
         Not the real {stands_for}, but\n \
         mesostack's stand-in: the same paths, flags, ports and endpoints, with a\n \
         real election through ZooKeeper. It runs no tasks.\n"
    );
    Ok(Package {
        file_name: format!("{name}_{version}+standin_{architecture}.deb"),
        bytes: deb(&control, installed)?,
    })
}
