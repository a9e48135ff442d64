//! What a rehearsal consists of: its folder, and the `mesostack.toml` it writes there.
//!
//! The file is an ordinary one: every command works with it, so that a rehearsal can be looked into and played with.

use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;
use toml::Value;

use crate::cli::arguments::DemoPackages;

/// The files of a rehearsal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: &Path) -> std::io::Result<Self> {
        std::path::absolute(path).map(Self)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The file every other command is given.
    pub(super) fn file(&self) -> PathBuf {
        self.0.join("mesostack.toml")
    }

    /// The operator's private key.
    pub(super) fn private_key(&self) -> PathBuf {
        self.0.join("key")
    }
}

/// What a rehearsal is about.
#[derive(Clone, Debug)]
pub(super) struct Rehearsal {
    pub(super) zone: String,
    /// The zone's public addresses; the first is this host's.
    pub(super) public_range: Ipv4Net,
    pub(super) api_url: String,
    /// This program, for the credentials.
    pub(super) program: PathBuf,
    /// Where Mesos comes from; none where there are no machines to install it on.
    pub(super) packages: Option<DemoPackages>,
}

/// What the zones call their base template.
const BASE: &str = "Debian 12";

impl Rehearsal {
    /// The rehearsal's `mesostack.toml`.
    pub(super) fn file(&self) -> String {
        let program = self.program.display().to_string();
        let credentials = [program.as_str(), "zone", "credentials", "--name", &self.zone, "--json"];
        let host = self.public_range.hosts().next().unwrap_or(self.public_range.addr());
        // Without machines nothing can be installed: the cluster's machines are made from the base template then.
        let image = if self.packages.is_some() { "mesos" } else { BASE };
        let packages = match self.packages {
            Some(DemoPackages::Clusterd) => "clusterd",
            Some(DemoPackages::Standin) | None => "standin",
        };
        format!(
            "# Written by `mesostack demo`; `mesostack --file THIS COMMAND` works with the rehearsal's cluster.\n\n\
             [cloud]\n\
             api_url = {api_url}\n\
             command = {command}\n\
             zone = {zone}\n\n\
             [access]\n\
             allow = [{allow}]      # this host's end of the zone\n\
             private_key = \"key\"\n\n\
             [image]\n\
             name = {image}\n\
             base = {base}\n\
             packages = {packages}\n\n\
             [cluster]\n\
             masters = 3\n\
             agents = 3\n",
            api_url = text(&self.api_url),
            command = Value::from(credentials.map(Value::from).to_vec()),
            zone = text(&self.zone),
            allow = text(&format!("{host}/32")),
            image = text(image),
            base = text(BASE),
            packages = text(packages),
        )
    }
}

/// A TOML string.
fn text(text: &str) -> Value {
    Value::from(text)
}

#[cfg(test)]
mod tests {
    use mesostack::spec::{Credentials, Packages, Spec};

    use super::*;

    fn rehearsal(packages: Option<DemoPackages>) -> Spec {
        let rehearsal = Rehearsal {
            zone: "demo".into(),
            public_range: "198.18.1.0/24".parse().unwrap(),
            api_url: "http://127.0.0.1:8881/client/api".into(),
            program: "/opt/a \"quoted\" folder/mesostack".into(),
            packages,
        };
        let (spec, warnings) = Spec::parse(&rehearsal.file(), "mesostack.toml", Path::new("/demo")).unwrap();
        assert_eq!(warnings, []);
        spec
    }

    #[test]
    fn the_rehearsal_s_file_says_what_the_rehearsal_is_about() {
        let spec = rehearsal(Some(DemoPackages::Standin));
        assert_eq!((spec.cluster.masters, spec.cluster.agents), (3, 3));
        assert_eq!(spec.access.allow, ["198.18.1.1/32".parse().unwrap()]);
        assert_eq!(spec.access.private_key, Path::new("/demo/key"));
        assert_eq!(spec.image.packages, Packages::StandIn);
        assert_eq!(rehearsal(Some(DemoPackages::Clusterd)).image.packages, Packages::clusterd());
        let Credentials::Command(command) = spec.cloud.credentials else { panic!("{:?}", spec.cloud) };
        assert_eq!(command[0], "/opt/a \"quoted\" folder/mesostack");
        assert_eq!(command[1..], ["zone", "credentials", "--name", "demo", "--json"]);
    }

    #[test]
    fn without_machines_the_cluster_is_made_from_the_base_template() {
        let spec = rehearsal(None);
        assert_eq!(spec.image.name, spec.image.base);
    }
}
