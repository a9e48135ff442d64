//! The recipe: everything that turns a base template into ours, as ordered scripts and files. Pure.
//!
//! The scripts lie beside this file as plain shell, so that they can be read, checked and run by themselves; what the
//! specification decides reaches them as quoted assignments in front. The recipe's digest covers all that goes in,
//! so two images of one digest and base differ only by what the distributions published in between.
//!
//! What has to be true of an image and is decided here: every daemon lies at the one path our units use, no daemon
//! starts by itself, and nothing comes from a source whose key or sum was not known before, with one exception that is
//! warned of: Marathon's container image, where the file gives no digest for it.

mod digest;
mod material;
mod quote;
mod sources;

use std::{path::Path, sync::Arc};

use digest::digest;
use material::Source;
pub use material::{Material, STANDIN_VARIABLE};
use quote::quote;
use sources::{add_sources, base_packages, cluster_packages, install, uploaded};

use super::manifest::Head;
use crate::{
    image::error::Result,
    node,
    spec::{self, ContainerImage},
};

/// The fingerprint of the key that ClusterD's archive is signed with ("AVENTER Support").
pub const CLUSTERD_KEY: &str = "BA227EBC312D2E43498A533963F8CEE149ACA59E";

/// Where the build keeps its files in the machine; gone after sealing. The prelude's `$workshop`.
const WORKSHOP: &str = "/var/lib/mesostack-build";

/// Units of packages that must not run beside ours: the distribution's HAProxy, the agent's name before Mesos 1.0.
const FOREIGN_UNITS: &str = "haproxy.service mesos-slave.service";

/// A file that the build machine is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its absolute path.
    pub path: String,
    /// Its permissions.
    pub mode: u32,
    /// What is in it.
    pub contents: Arc<[u8]>,
}

/// One script of the recipe, to be run as root under bash, after all before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it does, for people: `install packages`.
    pub name: &'static str,
    /// The whole script.
    pub script: String,
}

/// What a build knows of itself and the recipe must not: it differs from run to run and is no part of the digest.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// The manifest's part that is known before the machine has spoken.
    pub head: Head,
    /// The build key's public half, its base64 part; nothing in the sealed machine may still hold it.
    pub build_key: Option<String>,
}

/// The recipe of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    steps: Vec<Step>,
    files: Vec<File>,
    our_units: String,
    label: &'static str,
    /// Empty where Marathon comes as a package.
    marathon_image: String,
    unpinned: Option<ContainerImage>,
    local_files: bool,
    digest: String,
}

impl From<&node::File> for File {
    fn from(file: &node::File) -> Self {
        Self { path: file.path.clone(), mode: file.mode, contents: file.contents.as_bytes().into() }
    }
}

impl Recipe {
    /// The recipe of the image that `image` describes, with our units. `standin` names the stand-ins' packager where it
    /// is not beside this executable.
    ///
    /// # Errors
    /// As [`Material::load`].
    pub async fn load(image: &spec::Image, standin: Option<&Path>) -> Result<Self> {
        let material = Material::load(&image.packages, standin).await?;
        let ours: Vec<File> = node::units(&image.packages).iter().map(File::from).collect();
        Ok(Self::new(&material, &ours))
    }

    /// The recipe that installs `material`, with `ours` (units and whatever belongs to them, by their final paths).
    pub fn new(material: &Material, ours: &[File]) -> Self {
        let our_units = unit_names(ours);
        let mut files: Vec<File> =
            ours.iter().map(|file| File { path: staged(&file.path), ..file.clone() }).collect();
        files.extend(material.local_files().map(|file| File {
            path: uploaded(file),
            mode: 0o644,
            contents: file.contents.clone(),
        }));
        let steps = steps(material, ours, &our_units);
        let digest = digest(&steps, &files, &[&[PRELUDE, WRITE_MANIFEST], SEAL].concat());
        let local_files = material.local_files().next().is_some();
        let unpinned = marathon_image(material).filter(|image| !image.is_pinned()).cloned();
        let marathon_image = marathon_name(material);
        Self { steps, files, our_units, label: material.label, marathon_image, unpinned, local_files, digest }
    }

    /// Files to deliver before the first step.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// Whether files that the user has on this machine have to be carried into the build machine.
    pub fn carries_local_files(&self) -> bool {
        self.local_files
    }

    /// What is taken on trust, for whoever builds with it.
    pub fn warning(&self) -> Option<String> {
        let image = self.unpinned.as_ref()?;
        Some(format!(
            "Marathon's container image {image} is named by a tag, which its owner may lead elsewhere. The manifest tells the \
             digest that was taken; image.packages = {{ clusterd = {{ marathon = \"…@sha256:…\" }} }} holds on to one"
        ))
    }

    /// How many steps it has.
    pub fn step_count(&self) -> usize {
        self.step_names().len()
    }

    /// What its steps are called, in their order.
    pub fn step_names(&self) -> Vec<&'static str> {
        self.steps.iter().map(|step| step.name).chain([MANIFEST, SEAL_STEP]).collect()
    }

    /// Which kind of source the packages come from: `clusterd`, `debs` or `standin`.
    pub fn source(&self) -> &'static str {
        self.label
    }

    /// SHA-256 over everything that goes in, in lower-case hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// All steps in their order, from a fresh machine to a sealed one. The one named [`MANIFEST`] prints the manifest
    /// as its last line.
    pub fn steps(&self, circumstances: &Circumstances) -> Vec<Step> {
        let head = circumstances.head.open_json();
        let key = circumstances.build_key.as_deref().unwrap_or_default();
        let mut steps = self.steps.clone();
        steps.push(Step {
            name: MANIFEST,
            script: script(
                &[("MANIFEST_HEAD", &head), ("MARATHON_IMAGE", &self.marathon_image)],
                &[WRITE_MANIFEST],
            ),
        });
        steps.push(Step { name: SEAL_STEP, script: script(&[("BUILD_KEY", key)], SEAL) });
        steps
    }

    /// The script that a machine made from the finished template has to pass; `host` is the name it was given.
    pub fn smoke_check(&self, host: &str) -> String {
        script(
            &[
                ("EXPECTED_HOST", host),
                ("RECIPE", &self.digest),
                ("OUR_UNITS", &self.our_units),
                ("FOREIGN_UNITS", FOREIGN_UNITS),
                ("MARATHON_IMAGE", &self.marathon_image),
            ],
            &[include_str!("scripts/smoke.sh"), include_str!("scripts/check.sh")],
        )
    }
}

/// The name of the step whose last line of output is the manifest.
pub const MANIFEST: &str = "write manifest";

/// The step that removes what only the build needed.
const SEAL_STEP: &str = "seal";

const PRELUDE: &str = include_str!("scripts/prelude.sh");
const WRITE_MANIFEST: &str = include_str!("scripts/manifest.sh");
const SEAL: &[&str] =
    &[include_str!("scripts/layout.sh"), include_str!("scripts/seal.sh"), include_str!("scripts/sealed.sh")];

fn script(variables: &[(&str, &str)], bodies: &[&str]) -> String {
    let mut text = String::from(PRELUDE);
    for (name, value) in variables {
        text.push_str(&format!("{name}={}\n", quote(value)));
    }
    for body in bodies {
        text.push('\n');
        text.push_str(body);
    }
    text
}

fn steps(material: &Material, ours: &[File], our_units: &str) -> Vec<Step> {
    let marathon_image = marathon_name(material);
    let marathon = ("MARATHON_IMAGE", marathon_image.as_str());
    let units = [("OUR_UNITS", our_units), ("FOREIGN_UNITS", FOREIGN_UNITS)];
    let mut steps = vec![
        Step { name: "prepare", script: script(&[], &[include_str!("scripts/prepare.sh")]) },
        Step { name: "refresh package lists", script: script(&[], &[include_str!("scripts/index.sh")]) },
        Step {
            name: "install ZooKeeper, HAProxy and Java",
            script: script(&[], &[&install(&base_packages(material))]),
        },
    ];
    let sources = add_sources(material);
    if !sources.is_empty() {
        let bodies = [include_str!("scripts/trust.sh"), &sources];
        steps.push(Step {
            name: "fetch package sources",
            script: script(&[("CLUSTERD_KEY", CLUSTERD_KEY)], &bodies),
        });
    }
    if material.sources.iter().any(|source| matches!(source, Source::ClusterD { .. } | Source::Apt { .. })) {
        steps.push(Step {
            name: "refresh package lists again",
            script: script(&[], &[include_str!("scripts/index.sh")]),
        });
    }
    steps.push(Step {
        name: "install Mesos and Marathon",
        script: script(&[], &[&install(&cluster_packages(material))]),
    });
    if !marathon.1.is_empty() {
        steps.push(Step {
            name: "pull Marathon's container image",
            script: script(&[marathon], &[include_str!("scripts/marathon_container.sh")]),
        });
    }
    steps.push(Step {
        name: "find the daemons",
        script: script(&[marathon], &[include_str!("scripts/programs.sh")]),
    });
    let bodies = [include_str!("scripts/layout.sh"), &install_files(ours), include_str!("scripts/units.sh")];
    steps.push(Step { name: "install units", script: script(&units, &bodies) });
    let check = [units[0], units[1], marathon];
    steps.push(Step { name: "check", script: script(&check, &[include_str!("scripts/check.sh")]) });
    steps
}

/// The container image that Marathon comes as, where it does not come as a package.
fn marathon_image(material: &Material) -> Option<&ContainerImage> {
    material.sources.iter().find_map(|source| match source {
        Source::ClusterD { marathon } => Some(marathon),
        _ => None,
    })
}

/// Its name for the scripts; empty when there is none.
fn marathon_name(material: &Material) -> String {
    marathon_image(material).map(ToString::to_string).unwrap_or_default()
}

fn install_files(ours: &[File]) -> String {
    let mut text = String::from("install_files() {\n    :\n");
    for file in ours {
        let (from, to) = (quote(&staged(&file.path)), quote(&file.path));
        text.push_str(&format!("    install -D -m {:04o} -o root -g root {from} {to}\n", file.mode));
    }
    text.push_str("}\n");
    text
}

fn unit_names(ours: &[File]) -> String {
    let names: Vec<&str> = ours
        .iter()
        .filter_map(|file| file.path.strip_prefix("/etc/systemd/system/"))
        .filter(|name| !name.contains('/') && name.ends_with(".service"))
        .collect();
    names.join(" ")
}

/// Where one of our files waits until it is installed at `path`.
fn staged(path: &str) -> String {
    format!("{WORKSHOP}/files{path}")
}

#[cfg(test)]
mod tests;
