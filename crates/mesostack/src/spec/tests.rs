//! What the file's rules promise, from the reader's side: text in, specification or complaint with a line out.

mod any_file;

use std::path::Path;

use super::*;

/// The smallest file that can be used.
const LEAST: &str = "[cloud]\nzone = \"devcloud\"\n[access]\nallow = [\"198.18.0.1\"]\n";

fn parse(text: &str) -> Result<Document, Error> {
    Document::parse(text, "mesostack.toml", Path::new("/srv/mesos"))
}

/// The least file, with lines added to its sections (`cluster: masters = 4`).
fn with(lines: &[&str]) -> String {
    let mut sections = ["cloud", "access", "network", "image", "cluster", "deadlines", "parallel"]
        .map(|name| (name, String::new()));
    let least = ["cloud: zone = \"devcloud\"", "access: allow = [\"198.18.0.1\"]"];
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    let kept = least.iter().filter(|line| !lines.iter().any(|other| key(other) == key(line)));
    for line in kept.chain(lines) {
        let (section, line) = line.split_once(": ").expect("a section");
        let (_, text) = sections.iter_mut().find(|(name, _)| *name == section).expect("a known section");
        text.push_str(line);
        text.push('\n');
    }
    sections.map(|(name, text)| format!("[{name}]\n{text}")).concat()
}

/// The text is refused, one of the problems says `what`, and its line holds `on`.
#[track_caller]
fn refused(text: &str, what: &str, on: &str) {
    let error = parse(text).expect_err("the file is refused");
    let problem = error.problems().iter().find(|problem| problem.message.contains(what));
    let Some(problem) = problem else { panic!("no problem says {what:?}: {:#?}", error.problems()) };
    let line = text[..problem.span.offset()].matches('\n').count();
    let line = text.lines().nth(line).unwrap_or_default();
    assert!(line.contains(on), "{what:?} is told at {line:?}");
}

#[track_caller]
fn accepted(text: &str) -> Document {
    parse(text).unwrap_or_else(|error| panic!("{:#?}", error.problems()))
}

#[test]
fn the_least_file_gets_the_originals_defaults() {
    let Document { spec, warnings, .. } = accepted(LEAST);
    assert_eq!(warnings, []);
    assert_eq!(spec.cloud.credentials, Credentials::Ambient);
    assert!(spec.cloud.verify_tls);
    assert_eq!(spec.cloud.calls_per_second, None);
    assert_eq!(spec.network.name, "subnet01");
    assert_eq!(spec.network.range.to_string(), "172.16.0.0/24");
    assert_eq!(spec.network.offering, "DefaultIsolatedNetworkOfferingWithSourceNatService");
    assert_eq!((spec.cluster.masters, spec.cluster.agents), (3, 3));
    assert_eq!(
        (spec.cluster.master_offering.as_str(), spec.cluster.agent_offering.as_str()),
        ("t1.medium", "t1.medium")
    );
    let masters = spec.masters();
    assert_eq!(masters[0].address, Ipv4Addr::new(172, 16, 0, 20));
    assert_eq!(masters.iter().map(|node| node.ssh_port).collect::<Vec<_>>(), [1222, 1223, 1224].map(Some));
    assert_eq!(spec.agents()[2].ssh_port, Some(2224));
    assert_eq!(spec.agents()[0].address, Ipv4Addr::new(172, 16, 0, 100));
    assert_eq!(spec.quorum(), 2);
}

#[test]
fn every_key_is_read() {
    let text = r#"
[cloud]
api_url = "https://cloud.example.org/client/api"
ini = { file = "cloudstack.ini", section = "lab" }
ca_file = "ca.pem"
zone = "zurich-1"
[access]
key_pair = "ops"
private_key = "keys/ops"
user = "ubuntu"
allow = ["203.0.113.0/24", "198.51.100.7"]
bootstrap = "user-data"
first_master_port = 1300
first_agent_port = 2300
[network]
name = "mesos-net"
range = "10.20.0.0/22"
offering = "Isolated"
[image]
name = "mesos-2"
base = "Ubuntu 24.04"
offering = "large"
access = "guest"
network = "builders"
user = "builder"
packages = { debs = [
  "pkg/mesos.deb",
  { url = "https://example.org/m.deb", sha256 = "AB0123456789012345678901234567890123456789012345678901234567890F" },
  { apt = "deb https://example.org/debian bookworm main", key = "key.asc", fingerprint = "0123 4567 89AB CDEF 0123 4567 89ab cdef 0123 4567", install = ["mesos=1.11.0-2", "marathon"] },
] }
[cluster]
name = "prod"
masters = 5
agents = 700
master_offering = "m"
agent_offering = "a"
first_master = 10
first_agent = 256
"#;
    let spec = accepted(text).spec;
    let ini = Credentials::Ini { file: "/srv/mesos/cloudstack.ini".into(), section: "lab".to_owned() };
    assert_eq!(spec.cloud.credentials, ini);
    assert_eq!(
        spec.access.allow.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["203.0.113.0/24", "198.51.100.7/32"]
    );
    assert_eq!(spec.access.private_key, Path::new("/srv/mesos/keys/ops"));
    assert_eq!(spec.access.bootstrap, Bootstrap::UserData);
    assert_eq!((spec.image.access, spec.image.user.as_str()), (BuildAccess::Guest, "builder"));
    let Packages::Debs(debs) = &spec.image.packages else { panic!("debs") };
    assert_eq!(debs[0], PackageSource::File("/srv/mesos/pkg/mesos.deb".into()));
    let PackageSource::Url { sha256, .. } = &debs[1] else { panic!("a url") };
    assert!(sha256.starts_with("ab01"));
    let PackageSource::Apt { fingerprint, key, install, .. } = &debs[2] else { panic!("an apt source") };
    assert_eq!(fingerprint, "0123456789ABCDEF0123456789ABCDEF01234567");
    assert_eq!((key.as_str(), install.len()), ("/srv/mesos/key.asc", 2));
    assert_eq!((spec.cluster.agents, spec.quorum()), (700, 3));
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest_right_one() {
    let text = with(&["cluster: mastres = 3"]);
    refused(&text, "`cluster.mastres` is not a key", "mastres");
    let error = parse(&text).expect_err("refused");
    assert_eq!(error.problems()[0].help.as_deref(), Some("did you mean `cluster.masters`?"));
    refused(&format!("{LEAST}[clutser]\nmasters = 3\n"), "`clutser` is not a key", "[clutser]");
    refused(
        "[cloud]\nzone = 'z'\n[access]\nallow = ['10.0.0.1']\n[image]\npackages = { dbes = [] }",
        "dbes",
        "dbes",
    );
}

#[test]
fn wrong_types_are_told_with_both_types() {
    refused(&with(&["cluster: masters = \"3\""]), "a whole number, and this is a text", "masters");
    refused(&with(&["cloud: zone = 7"]), "a text in quotes, and this is a whole number", "zone");
    for wrong in ["0", "1001", "\"many\"", "2.5"] {
        let file = with(&[&format!("cloud: calls_per_second = {wrong}")]);
        refused(&file, "calls_per_second", wrong);
    }
    let few = accepted(&with(&["cloud: calls_per_second = 25"]));
    assert_eq!(few.spec.cloud.calls_per_second, Some(25));
    refused(&with(&["cloud: verify_tls = \"no\""]), "true or false, and this is a text", "verify_tls");
    refused(&with(&["access: allow = \"10.0.0.1\""]), "a list of texts", "allow");
    refused(&with(&["cluster: agents = 3.5"]), "this is a fraction", "agents");
    refused(&with(&["cluster: agents = -1"]), "from 0 to 65535, not -1", "agents");
    refused("access = 3\n", "`access` is a section", "access = 3");
    refused("[cloud\n", "not TOML", "[cloud");
    refused(&with(&["cluster: agents = 3", "cluster: agents = 4"]), "not TOML", "agents = 4");
    refused(&with(&["network: name = \" \""]), "must not be empty", "name");
}

#[test]
fn who_may_come_in_has_to_be_said() {
    refused("[cloud]\nzone = \"z\"\n[access]\nuser = \"debian\"\n", "has to be given", "[access]");
    refused(&with(&["access: allow = []"]), "nobody could reach", "allow = []");
    refused(&with(&["access: allow = [\"10.0.0.300\"]"]), "not an IPv4 address", "allow");
    refused(&with(&["access: allow = [\"10.0.0.5/8\"]"]), "10.0.0.0/8 is the range", "allow");
    refused(&with(&["access: allow = [\"::/0\"]"]), "not an IPv4 address", "allow");
}

#[test]
fn what_is_legal_but_unwise_is_warned_about_with_its_line() {
    let warnings = |text: &str| accepted(text).warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
    let world = warnings(&with(&["access: allow = [\"0.0.0.0/0\"]"]));
    assert_eq!(world, ["mesostack.toml:4: SSH and both user interfaces are open to the whole world"]);
    let even = warnings(&with(&["cluster: masters = 4"]));
    assert_eq!(even, ["mesostack.toml:8: 4 masters survive the loss of 1, as 3 do; the quorum is 3"]);
    assert_eq!(accepted(&with(&["cluster: masters = 4"])).spec.quorum(), 3);
    assert_eq!(warnings(&with(&["cluster: masters = 1"])).len(), 1);
    assert_eq!(warnings(&with(&["cloud: verify_tls = false"])).len(), 1);
}

#[test]
fn a_cluster_has_a_master() {
    refused(&with(&["cluster: masters = 0"]), "at least one master", "masters = 0");
    refused(&with(&["cluster: masters = 256"]), "from 0 to 255", "masters = 256");
}

#[test]
fn node_names_are_legal_host_names() {
    refused(&with(&["cluster: name = \"Mesos\""]), "lower-case letters", "Mesos");
    refused(&with(&["cluster: name = \"me_sos\""]), "not `_`", "me_sos");
    refused(&with(&["cluster: name = \"1st\""]), "begins with a letter", "1st");
    let long = "m".repeat(55);
    refused(&with(&[&format!("cluster: name = \"{long}\"")]), "longer than a host name", &long);
    accepted(&with(&[&format!("cluster: name = \"{}\"", "m".repeat(54))]));
    // The hundredth agent's name is a character longer than the hundredth master's would be short of it.
    let agents = ["cluster: agents = 100", "network: range = \"172.16.0.0/23\""];
    let name = |length: usize| format!("cluster: name = \"{}\"", "m".repeat(length));
    refused(&with(&[agents[0], agents[1], &name(54)]), "longer than a host name", "name");
    accepted(&with(&[agents[0], agents[1], &name(53)]));
}

#[test]
fn addresses_lie_in_the_range_and_are_nobody_elses() {
    refused(
        &with(&["cluster: agents = 156"]),
        "has room for 155 agents from place 100 on, not 156",
        "agents = 156",
    );
    refused(&with(&["network: range = \"172.16.0.0/26\""]), "has room for 0 agents", "range");
    refused(
        &with(&["network: range = \"172.16.0.0/26\"", "cluster: agents = 156"]),
        "has room for 0 agents",
        "range",
    );
    refused(&with(&["cluster: first_agent = 254"]), "has room for 1 agents", "first_agent");
    refused(&with(&["cluster: masters = 81"]), "master 81 and agent 1 would share", "masters = 81");
    refused(&with(&["cluster: first_master = 1"]), "2 or more", "first_master");
    refused(&with(&["cluster: first_agent = 22"]), "master 3 and agent 1 would share", "first_agent");
    refused(&with(&["cluster: first_agent = 18"]), "master 1 and agent 3 would share", "first_agent");
    refused(&with(&["network: range = \"8.8.8.0/24\""]), "not private", "range");
    refused(&with(&["network: range = \"172.16.0.1/24\""]), "172.16.0.0/24 is the range", "range");
    refused(&with(&["network: range = \"10.0.0.0/8\""]), "/8 cannot be used", "range");
    refused(&with(&["network: range = \"many\""]), "not an IPv4 range", "range");
}

#[test]
fn the_2829th_agents_forward_would_meet_the_mesos_interface() {
    let agents = |count: u32| with(&[&format!("cluster: agents = {count}")]);
    refused(&agents(2829), "SSH port of agent 2829 would be 5050", "agents = 2829");
    refused(&with(&["access: first_agent_port = 8078"]), "agent 3 would be 8080", "first_agent_port");
    refused(
        &with(&["access: first_master_port = 2220"]),
        "agent 1 would be 2222, which is master 3's",
        "first_master_port",
    );
    refused(&with(&["access: first_agent_port = 65535"]), "agent 2 would be 65536", "first_agent_port");
    refused(&with(&["access: first_agent_port = 65536"]), "from 1 to 65535, not 65536", "first_agent_port");
    refused(&with(&["access: first_master_port = 0"]), "from 1 to 65535", "first_master_port");
}

#[test]
fn agents_behind_the_masters_need_no_ports() {
    let behind = |lines: &[&str]| with(&[&["access: agents = \"bastion\""], lines].concat());
    let spec = accepted(&behind(&[])).spec;
    assert!(spec.agents().iter().all(|agent| agent.ssh_port.is_none()));
    assert_eq!(spec.masters()[2].ssh_port, Some(1224));
    accepted(&behind(&["access: first_agent_port = 8078"]));
    refused(
        &behind(&["access: first_master_port = 5050"]),
        "SSH port of master 1 would be 5050",
        "first_master",
    );
    refused(&with(&["access: agents = \"jump\""]), "one of \"forward\", \"bastion\"", "agents");
}

#[test]
fn past_200_agents_the_way_through_the_masters_is_recommended() {
    let warnings = |lines: &[&str]| {
        let wide = ["network: range = \"10.0.0.0/22\""];
        accepted(&with(&[&wide, lines].concat())).warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(warnings(&["cluster: agents = 200"]), [] as [&str; 0]);
    let told = warnings(&["cluster: agents = 201"]);
    assert!(told[0].contains("access.agents = \"bastion\""), "{told:?}");
    assert_eq!(warnings(&["cluster: agents = 201", "access: agents = \"bastion\""]), [] as [&str; 0]);
}

#[test]
fn ten_thousand_agents_fit_in_a_range_that_not_every_cloud_gives() {
    let wide = with(&[
        "network: range = \"10.0.0.0/16\"",
        "cluster: agents = 10000",
        "access: agents = \"bastion\"",
    ]);
    let document = accepted(&wide);
    assert_eq!(document.spec.agents().last().map(|agent| agent.address), "10.0.39.115".parse().ok());
    let told = document.warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(told[0].contains("network.guest.cidr.limit"), "{told:?}");
}

#[test]
fn the_dead_repository_is_called_dead_wherever_it_is_named() {
    for packages in [
        "\"mesosphere\"",
        "{ debs = [{ apt = \"deb http://repos.mesosphere.com/debian bookworm main\", key = \"k\", fingerprint = \"0123456789ABCDEF0123456789ABCDEF01234567\", install = [\"mesos\"] }] }",
        "{ debs = [{ url = \"https://repos.mesosphere.io/m.deb\", sha256 = \"0\" }] }",
    ] {
        let text = with(&[&format!("image: packages = {packages}")]);
        refused(&text, "is dead", "packages");
        let error = parse(&text).expect_err("refused");
        assert!(
            error
                .problems()
                .iter()
                .any(|problem| problem.help.as_ref().is_some_and(|help| help.contains("clusterd")))
        );
    }
}

#[test]
fn a_package_from_elsewhere_is_pinned() {
    let debs = |entry: &str| with(&[&format!("image: packages = {{ debs = [{entry}] }}")]);
    refused(&debs("\"https://example.org/m.deb\""), "named with the SHA-256", "packages");
    refused(&debs("{ url = \"https://example.org/m.deb\" }"), "lacks `sha256`", "packages");
    refused(
        &debs("{ url = \"https://example.org/m.deb\", sha256 = \"abc\" }"),
        "64 hexadecimal digits",
        "packages",
    );
    refused(
        &debs("{ apt = \"deb https://e.org/d bookworm main\", key = \"k\", install = [\"mesos\"] }"),
        "lacks `fingerprint`",
        "packages",
    );
    refused(
        &debs("{ apt = \"e.org\", key = \"k\", fingerprint = \"xyz\", install = [\"mesos\"] }"),
        "fingerprint has 40",
        "packages",
    );
    refused(
        &debs("{ apt = \"e.org\", key = \"k\", fingerprint = \"xyz\", install = [\"mesos\"] }"),
        "`deb ADDRESS SUITE",
        "packages",
    );
    refused(&debs("{ sha256 = \"abc\" }"), "neither `url` nor `apt`", "packages");
    refused(&debs("\"mesos.rpm\""), "a .deb file", "packages");
    let marathon =
        |image: &str| with(&[&format!("image: packages = {{ clusterd = {{ marathon = \"{image}\" }} }}")]);
    refused(&marathon("marathon"), "named with its registry", "marathon");
    refused(&marathon("docker.io/mesosphere/marathon@sha256:12"), "64 hexadecimal digits", "marathon");
    refused(&debs(""), "no package at all", "packages");
    refused(&with(&["image: packages = \"apt\""]), "\"clusterd\", \"standin\"", "packages");
}

#[test]
fn keys_are_named_never_written_and_come_from_one_place() {
    refused(&with(&["cloud: secret_key = \"s3cr3t\""]), "does not belong in this file", "secret_key");
    refused(&with(&["cloud: profile = \"p\"", "cloud: command = [\"pass\"]"]), "one place", "command");
    refused(&with(&["cloud: command = []"]), "names no program", "command");
    refused(&with(&["cloud: ini = { section = \"s\" }"]), "names no `file`", "ini");
    refused(&with(&["cloud: api_url = \"cloud\""]), "not an address", "api_url");
    refused(&with(&["cloud: api_url = \"ftp://cloud\""]), "begins with https", "api_url");
    refused(&with(&["cloud: api_url = \"http://me:pw@cloud/\""]), "no user, password", "api_url");
    refused("[access]\nallow = ['10.0.0.1']\n", "names no zone", "[access]");
}

#[test]
fn all_problems_of_a_file_are_told_at_once_in_the_order_of_the_lines() {
    let error = parse(&with(&[
        "access: user = \"Root\"",
        "network: range = \"x\"",
        "cluster: masters = 0",
        "cluster: nmae = 1",
    ]))
    .expect_err("refused");
    assert_eq!(error.problems().len(), 4);
    assert!(error.problems().is_sorted_by_key(|problem| problem.span.offset()));
    assert_eq!(error.to_string(), "mesostack.toml cannot be used: 4 problems");
}

#[test]
fn the_report_underlines_the_line() {
    let error = parse(&with(&["cluster: mastres = 3"])).expect_err("refused");
    let mut report = String::new();
    miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
        .render_report(&mut report, &error)
        .expect("a report");
    assert!(report.contains("mesostack.toml:8"), "{report}");
    assert!(report.contains("mastres = 3"), "{report}");
    assert!(report.contains("unknown key"), "{report}");
    assert!(report.contains("did you mean `cluster.masters`?"), "{report}");
}

#[test]
fn files_that_cannot_be_used_are_told_before_anything_is_made() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("mesostack.toml");
    let key = directory.path().join("key");
    let text = with(&[
        "access: private_key = \"key\"",
        "cloud: ca_file = \"absent.pem\"",
        "image: packages = { debs = [\"absent.deb\"] }",
    ]);
    std::fs::write(&path, &text).expect("written");
    let messages = || match Spec::read(&path) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(|problem| problem.message.clone()).collect::<Vec<_>>(),
    };
    let absent = messages();
    assert_eq!(absent.len(), 2, "a key that is not there is made: {absent:?}");
    assert!(absent[0].contains("absent.pem") && absent[1].contains("absent.deb"));

    std::fs::write(&path, with(&["access: private_key = \"key\""])).expect("written");
    assert!(messages().is_empty());
    remote::Identity::generate().save_new(&key).expect("a key");
    assert!(messages().is_empty(), "{:?}", messages());
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("set");
    assert!(messages()[0].contains("644"), "{:?}", messages());
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("set");
    std::fs::write(&key, remote::Identity::generate().public_openssh()).expect("written");
    assert!(messages()[0].contains("public"), "{:?}", messages());
    std::fs::remove_file(&key).expect("removed");
    std::fs::create_dir(&key).expect("made");
    assert!(messages()[0].contains("cannot read"), "{:?}", messages());
    assert!(matches!(Spec::read(&directory.path().join("none.toml")), Err(Error::Unreadable { .. })));
}

#[test]
fn deadlines_and_widths_are_the_files_or_the_usual_ones() {
    let spec = accepted(LEAST).spec;
    assert_eq!((spec.deadlines, spec.parallel), (Deadlines::default(), Parallel::default()));
    let spec = accepted(&with(&[
        "deadlines: machine = \"1h30m\"",
        "deadlines: health = \"90s\"",
        "deadlines: drain = \"1h\"",
        "parallel: machines = 50",
    ]))
    .spec;
    assert_eq!(spec.deadlines.machine.as_secs(), 90 * 60);
    assert_eq!(spec.deadlines.health.as_secs(), 90);
    assert_eq!(spec.deadlines.drain.as_secs(), 60 * 60);
    assert_eq!(spec.deadlines.record, Deadlines::default().record);
    assert_eq!((spec.parallel.machines, spec.parallel.nodes), (50, 128));
}

#[test]
fn a_deadline_that_is_none_is_told_at_its_line() {
    refused(&with(&["deadlines: set_up = \"soon\""]), "`deadlines.set_up` is not a duration", "soon");
    refused(&with(&["deadlines: record = \"0s\""]), "from one second to a day", "0s");
    refused(&with(&["deadlines: record = \"-5m\""]), "is not a duration", "-5m");
    refused(&with(&["deadlines: machines = \"5m\""]), "`deadlines.machines` is not a key", "machines");
    refused(&with(&["parallel: nodes = 0"]), "from 1 to 1000", "nodes = 0");
}
