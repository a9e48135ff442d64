use std::{collections::BTreeSet, process::Command};

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::{
    material::{Key, LocalFile, hex},
    *,
};

fn local(name: &str, contents: &[u8]) -> Source {
    Source::Local(LocalFile {
        name: name.into(),
        sha256: hex(&Sha256::digest(contents)),
        contents: contents.to_vec().into(),
    })
}

fn material(sources: Vec<Source>) -> Material {
    Material { label: "debs", sources }
}

fn clusterd(marathon: ContainerImage) -> Material {
    Material { label: "clusterd", sources: vec![Source::ClusterD { marathon }] }
}

fn units() -> Vec<File> {
    ["zookeeper", "mesos-master"]
        .map(|name| File {
            path: format!("/etc/systemd/system/{name}.service"),
            mode: 0o644,
            contents: format!("[Unit]\nDescription={name}\n").into_bytes().into(),
        })
        .to_vec()
}

fn circumstances() -> Circumstances {
    Circumstances { head: crate::image::manifest::tests::head(), build_key: Some("AAAAC3Nza".into()) }
}

fn whole(recipe: &Recipe) -> String {
    recipe.steps(&circumstances()).into_iter().map(|step| step.script).collect()
}

fn is_bash(script: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), script).unwrap();
    let output = Command::new("bash").arg("-n").arg(file.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_digest_changes_with_every_part() {
    let base = Recipe::new(&material(vec![local("mesos.deb", b"one")]), &units());
    let other_package = Recipe::new(&material(vec![local("mesos.deb", b"two")]), &units());
    let mut changed = units();
    changed[0].mode = 0o600;
    let other_mode = Recipe::new(&material(vec![local("mesos.deb", b"one")]), &changed);
    let other_source = Recipe::new(&clusterd(ContainerImage::marathon()), &units());
    let digests: BTreeSet<_> =
        [&base, &other_package, &other_mode, &other_source].map(|recipe| recipe.digest().to_owned()).into();
    assert_eq!(digests.len(), 4);
    assert_eq!(base, Recipe::new(&material(vec![local("mesos.deb", b"one")]), &units()));
}

#[test]
fn the_digest_does_not_depend_on_who_builds_and_when() {
    let recipe = Recipe::new(&material(vec![local("mesos.deb", b"one")]), &units());
    let mut later = circumstances();
    later.head.build = "another".into();
    assert_ne!(recipe.steps(&later), recipe.steps(&circumstances()));
    assert_eq!(recipe.digest(), recipe.clone().digest());
}

#[test]
fn sealing_comes_last_and_the_check_before_the_manifest() {
    let names: Vec<_> = Recipe::new(&material(vec![local("mesos.deb", b"one")]), &units())
        .steps(&circumstances())
        .into_iter()
        .map(|s| s.name)
        .collect();
    assert_eq!(
        names,
        [
            "prepare",
            "refresh package lists",
            "install ZooKeeper, HAProxy and Java",
            "install Mesos and Marathon",
            "find the daemons",
            "install units",
            "check",
            MANIFEST,
            "seal"
        ]
    );
}

#[test]
fn clusterd_is_used_only_after_its_pinned_key_was_verified() {
    let recipe = Recipe::new(&clusterd(ContainerImage::marathon()), &units());
    let text = whole(&recipe);
    is_bash(&text);
    let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle} is missing"));
    assert!(text.contains(CLUSTERD_KEY));
    assert!(at("trust clusterd") < at("/etc/apt/sources.list.d/clusterd.list"));
    assert!(at("/etc/apt/sources.list.d/clusterd.list") < at("install -- aventer-mesos"));
    assert!(at("libsasl2-modules") < at("install -- aventer-mesos"));
    assert!(text.contains("signed-by=/etc/apt/keyrings/clusterd.gpg"));
}

#[test]
fn an_image_with_a_digest_is_pulled_by_it_and_one_without_is_warned_of() {
    let tagged = Recipe::new(&clusterd(ContainerImage::marathon()), &units());
    assert!(tagged.warning().unwrap().contains("docker.io/mesosphere/marathon:v1.11.24"));
    let name = format!("registry.example.org/marathon@sha256:{}", "ab".repeat(32));
    let spec = format!(
        "[cloud]\nzone='z'\n[access]\nallow=['192.0.2.1']\n[image]\npackages={{clusterd={{marathon='{name}'}}}}"
    );
    let (spec, _) = spec::Spec::parse(&spec, "mesostack.toml", Path::new("/")).unwrap();
    let spec::Packages::ClusterD { marathon } = &spec.image.packages else { panic!("{:?}", spec.image) };
    let pinned = Recipe::new(&clusterd(marathon.clone()), &units());
    assert_eq!(pinned.warning(), None);
    assert_ne!(pinned.digest(), tagged.digest());
    let pull = pinned.steps.iter().find(|step| step.name.contains("pull")).unwrap();
    assert!(pull.script.contains(&format!("MARATHON_IMAGE={name}\n")), "{}", pull.script);
    let unit =
        node::units(&spec.image.packages).into_iter().find(|file| file.path.ends_with("/marathon.service"));
    assert!(unit.unwrap().contents.contains(&format!(" {name}\n")));
}

#[test]
fn the_daemon_package_of_zookeeper_is_never_installed() {
    let recipe = Recipe::new(&material(vec![local("mesos.deb", b"one")]), &units());
    let install = recipe.steps.iter().find(|step| step.name.contains("ZooKeeper")).unwrap();
    assert!(install.script.contains(" zookeeper\n"));
    assert!(!install.script.contains("zookeeperd"));
}

#[test]
fn every_step_and_the_smoke_check_are_bash() {
    for sources in [
        clusterd(ContainerImage::marathon()).sources,
        vec![local("a.deb", b"x"), Source::Url { url: "http://x/y.deb".into(), sha256: "0".repeat(64) }],
    ] {
        let recipe = Recipe::new(&material(sources), &units());
        for step in recipe.steps(&circumstances()) {
            is_bash(&step.script);
        }
        is_bash(&recipe.smoke_check("mesostack-build-x-try"));
    }
}

/// Runs `trust` of the recipe with a key made here; the fingerprint asked for is that of the key unless given.
fn trust(expires: &str, wanted: Option<&str>, keys: usize) -> (bool, String) {
    let home = tempfile::Builder::new().prefix("k").tempdir_in("/tmp").unwrap();
    let path = home.path().display();
    let mut make = String::new();
    for at in 0..keys {
        make.push_str(&format!(
            "gpg --batch --quiet --faked-system-time 1600000000 --passphrase '' --quick-generate-key 'k{at} <k@example.org>' ed25519 sign {expires}\n"
        ));
    }
    let body = include_str!("scripts/trust.sh").replace("/etc/apt/keyrings", &format!("{path}/keyrings"));
    let text = format!(
        "{}\nexport GNUPGHOME={path}\n{make}gpg --batch --armor --export >{path}/key.asc\n\
         wanted=$(gpg --batch --with-colons --list-keys | awk -F: '$1 == \"fpr\" {{ print $10; exit }}')\n\
         gpgconf --kill all\n{body}\ntrust demo {path}/key.asc {}\nls -l {path}/keyrings\n",
        include_str!("scripts/prelude.sh"),
        wanted.unwrap_or("\"$wanted\"")
    );
    let output = Command::new("bash").args(["--noprofile", "--norc", "-c", &text]).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn gpg_is_here() -> bool {
    Command::new("gpg").arg("--version").output().is_ok_and(|output| output.status.success())
}

#[test]
fn a_key_is_trusted_only_when_it_is_the_one_alive_and_alone() {
    if !gpg_is_here() {
        return;
    }
    let (passed, said) = trust("never", None, 1);
    assert!(passed, "{said}");
    let (passed, said) = trust("20y", Some(CLUSTERD_KEY), 1);
    assert!(!passed && said.contains("was pinned"), "{said}");
    let (passed, said) = trust("1y", None, 1);
    assert!(!passed && said.contains("expired on 2021-09-13"), "{said}");
    let (passed, said) = trust("never", None, 2);
    assert!(!passed && said.contains("2 keys"), "{said}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_legal_source_can_break_out_of_its_place(
        name in "[^\0/]{1,30}\\.deb", url in "https?://[^\0]{0,40}", suite in "[^\0\\[\\s][^\0\\[]{0,40}", install in prop::collection::vec("[^\0]{1,20}", 1..3)
    ) {
        let material = material(vec![
            local(&name, b"x"),
            Source::Url { url: url.clone(), sha256: "0".repeat(64) },
            Source::Apt {
                source: format!("deb {suite}"),
                key: Key::Url(url.clone()),
                fingerprint: "A".repeat(40),
                install: install.clone(),
            },
        ]);
        // Every program that the scripts call is a function that records its words; whatever else ran would show.
        let lists = tempfile::tempdir().unwrap();
        let text = format!(
            "PATH=/nonexistent\nrecord() {{ printf '%s\\0' \"$@\"; }}\n\
             fetch() {{ record fetch \"$@\"; }}\nexpect_sum() {{ record expect_sum \"$@\"; }}\n\
             trust() {{ record trust \"$@\"; }}\napt-get() {{ record apt-get \"$@\"; }}\n{}{}",
            add_sources(&material).replace("/etc/apt/sources.list.d", &lists.path().display().to_string()),
            super::install(&cluster_packages(&material)),
        );
        let output = Command::new("/bin/bash").args(["--noprofile", "--norc", "-c", &text]).output().unwrap();
        prop_assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let local = uploaded(material.local_files().next().unwrap());
        let (fetched, key) = (format!("{WORKSHOP}/fetched-1.deb"), format!("{WORKSHOP}/mesostack-source-2.key"));
        let (sum, fingerprint) = ("0".repeat(64), "A".repeat(40));
        let mut expected = vec!["fetch", &url, &fetched, "expect_sum", &sum, &fetched, "fetch", &url, &key];
        expected.extend(["trust", "mesostack-source-2", &key, &fingerprint]);
        expected.extend(["apt-get", "-q", "install", "--", &local, &fetched]);
        expected.extend(install.iter().map(String::as_str));
        let said = String::from_utf8(output.stdout).unwrap();
        let words: Vec<&str> = said.strip_suffix('\0').unwrap_or(&said).split('\0').collect();
        prop_assert_eq!(words, expected);
        let line = std::fs::read_to_string(lists.path().join("mesostack-source-2.list")).unwrap();
        prop_assert_eq!(line, format!("deb [signed-by=/etc/apt/keyrings/mesostack-source-2.gpg] {suite}\n"));
        for step in Recipe::new(&material, &units()).steps(&circumstances()) {
            is_bash(&step.script);
        }
    }

    #[test]
    fn one_recipe_is_one_digest(one in prop::collection::vec(any::<u8>(), 0..50), two in prop::collection::vec(any::<u8>(), 0..50)) {
        let digest = |contents: &[u8]| Recipe::new(&material(vec![local("m.deb", contents)]), &units()).digest().to_owned();
        prop_assert_eq!(digest(&one) == digest(&two), one == two);
    }
}
