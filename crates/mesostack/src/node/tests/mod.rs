//! What every rendered node has to be, whatever the cluster's size; and one cluster, written out to be read.

mod draining;
mod judging;
mod putting_into_force;
mod reaching;
mod user_data;

use std::{collections::BTreeSet, net::Ipv4Addr};

use proptest::prelude::*;

use super::*;
use crate::spec::{
    Access, AgentAccess, Bootstrap, BuildAccess, Cloud, Cluster, ContainerImage, Credentials, Deadlines,
    Image, Network, Node, Packages, Parallel, Role, Spec,
};

pub(super) fn spec(masters: u16, agents: u16) -> Spec {
    Spec {
        cloud: Cloud {
            api_url: None,
            credentials: Credentials::Ambient,
            ca_file: None,
            verify_tls: true,
            calls_per_second: None,
            zone: "zone".to_owned(),
        },
        access: Access {
            key_pair: "mesostack".to_owned(),
            private_key: "/home/me/.ssh/mesostack".into(),
            user: "debian".to_owned(),
            allow: vec!["198.18.0.1/32".parse().unwrap()],
            bootstrap: Bootstrap::Ssh,
            agents: AgentAccess::Forward,
            first_master_port: 1222,
            first_agent_port: 2222,
        },
        network: Network {
            name: "subnet01".to_owned(),
            range: "172.16.0.0/16".parse().unwrap(),
            offering: "offering".to_owned(),
        },
        image: Image {
            name: "mesos".to_owned(),
            base: "Debian 12".to_owned(),
            offering: "t1.medium".to_owned(),
            access: BuildAccess::Forward,
            network: None,
            user: "debian".to_owned(),
            packages: Packages::StandIn,
        },
        cluster: Cluster {
            name: "mesos".to_owned(),
            masters,
            agents,
            master_offering: "t1.medium".to_owned(),
            agent_offering: "t1.medium".to_owned(),
            first_master: 20,
            first_agent: 100,
        },
        deadlines: Deadlines::default(),
        parallel: Parallel::default(),
    }
}

pub(super) fn facts() -> Facts {
    Facts {
        public_address: Ipv4Addr::new(198, 18, 0, 10),
        template: Some("0d2ff1c4-5a0e-4f0c-9d1e-2f6a2c1d3b4a".to_owned()),
    }
}

fn text<'a>(configuration: &'a Configuration, path: &str) -> &'a str {
    let file = configuration.files.iter().find(|file| file.path == path);
    &file.unwrap_or_else(|| panic!("no {path}")).contents
}

fn value<'a>(configuration: &'a Configuration, path: &str, variable: &str) -> Option<&'a str> {
    text(configuration, path).lines().find_map(|line| line.strip_prefix(variable)?.strip_prefix('='))
}

const ZOO: &str = "/etc/mesostack/zookeeper/zoo.cfg";
const MYID: &str = "/etc/mesostack/zookeeper/myid";
const MASTER: &str = "/etc/mesostack/mesos-master.env";
const AGENT: &str = "/etc/mesostack/mesos-agent.env";
const MARATHON: &str = "/etc/mesostack/marathon.env";
const GATEWAY: &str = "/etc/mesostack/gateway.cfg";

proptest! {
    #[test]
    fn every_master_knows_the_whole_ensemble_and_its_own_place(masters in 1..=9_u16, agents in 0..40_u16) {
        let spec = spec(masters, agents);
        let all = spec.masters();
        let rendered: Vec<_> = all.iter().map(|node| render(&spec, node, &facts())).collect();
        let zk = value(&rendered[0], MASTER, "MESOS_ZK").unwrap();
        let mut ids = BTreeSet::new();
        for (node, configuration) in all.iter().zip(&rendered) {
            let id: u16 = text(configuration, MYID).trim().parse().unwrap();
            prop_assert!((1..=255).contains(&id));
            prop_assert!(ids.insert(id));
            let zoo = text(configuration, ZOO);
            for other in &all {
                let line = format!("server.{}={}:2888:3888\n", other.number, other.address);
                prop_assert_eq!(zoo.matches(&line).count(), 1);
            }
            prop_assert_eq!(zoo.matches("\nserver.").count(), usize::from(masters));
            let own = format!("server.{id}={}:", node.address);
            prop_assert!(zoo.contains(&own));
            prop_assert_eq!(value(configuration, ZOO, "clientPortAddress").map(str::to_owned), Some(node.address.to_string()));
            prop_assert_eq!(value(configuration, MASTER, "MESOS_ZK"), Some(zk));
            let quorum: u16 = value(configuration, MASTER, "MESOS_QUORUM").unwrap().parse().unwrap();
            prop_assert_eq!(quorum, masters / 2 + 1);
            prop_assert!(2 * quorum > masters && quorum <= masters);
            prop_assert_eq!(value(configuration, MARATHON, "MARATHON_MASTER"), Some(zk));
            prop_assert_eq!(text(configuration, GATEWAY), text(&rendered[0], GATEWAY));
            prop_assert_eq!(&configuration.disable, &[Unit::MesosAgent]);
        }
        for node in spec.agents() {
            let configuration = render(&spec, &node, &facts());
            prop_assert_eq!(value(&configuration, AGENT, "MESOS_MASTER"), Some(zk));
            prop_assert_eq!(value(&configuration, AGENT, "MESOS_IP").map(str::to_owned), Some(node.address.to_string()));
            prop_assert_eq!(&configuration.enable, &[Unit::MesosAgent]);
            prop_assert_eq!(
                &configuration.disable,
                &[Unit::ZooKeeper, Unit::MesosMaster, Unit::Marathon, Unit::Gateway]
            );
            for path in [ZOO, MYID, MASTER, MARATHON, GATEWAY] {
                prop_assert!(configuration.files.iter().all(|file| file.path != path));
            }
        }
    }

    #[test]
    fn more_agents_change_nothing_for_any_node_there_is(masters in 1..=5_u16, before in 0..20_u16, more in 1..20_u16) {
        let (small, large) = (spec(masters, before), spec(masters, before + more));
        for node in small.masters().iter().chain(&small.agents()) {
            prop_assert_eq!(render(&small, node, &facts()), render(&large, node, &facts()));
        }
    }

    #[test]
    fn the_digest_follows_every_change_and_nothing_else(
        file in 0..6_usize, change in "[a-z]{1,5}", mode in prop::sample::select(vec![0o600_u32, 0o644, 0o640])
    ) {
        let spec = spec(3, 1);
        let node = &spec.masters()[0];
        let before = render(&spec, node, &facts());
        prop_assert_eq!(&render(&spec, node, &facts()).digest, &before.digest);
        let mut files = before.files.clone();
        let at = file % files.len();
        files[at].contents.push_str(&change);
        let after = Configuration::new(files, before.enable.clone(), before.disable.clone());
        prop_assert_ne!(&after.digest, &before.digest);
        for unit in Unit::ALL {
            let reads_it = before.files[at].read_by.contains(&unit);
            prop_assert_eq!(after.digest_of(unit) != before.digest_of(unit), reads_it);
        }
        let mut files = before.files.clone();
        let was = files[at].mode;
        files[at].mode = mode;
        let after = Configuration::new(files, before.enable.clone(), before.disable.clone());
        prop_assert_eq!(after.digest != before.digest, mode != was);
    }

    #[test]
    fn a_template_id_of_any_kind_makes_a_legal_attribute(template in ".{0,40}") {
        let spec = spec(1, 1);
        let facts = Facts { template: Some(template), ..facts() };
        let configuration = render(&spec, &spec.agents()[0], &facts);
        let attribute = value(&configuration, AGENT, "MESOS_ATTRIBUTES").unwrap().strip_prefix("image:").unwrap();
        prop_assert!(attribute.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)));
    }
}

#[test]
fn enabled_and_disabled_services_are_all_there_are() {
    let spec = spec(3, 1);
    for node in spec.masters().iter().chain(&spec.agents()) {
        let configuration = render(&spec, node, &facts());
        let mut units = [configuration.enable, configuration.disable].concat();
        units.sort();
        assert_eq!(units, Unit::ALL);
    }
}

#[test]
fn a_node_never_resolves_its_own_name_to_loopback() {
    let spec = spec(3, 2);
    for node in spec.masters().iter().chain(&spec.agents()) {
        let configuration = render(&spec, node, &facts());
        let name = host_name(&spec, node);
        let hosts = text(&configuration, "/etc/hosts");
        let addresses: Vec<&str> = hosts
            .lines()
            .filter(|line| line.split_whitespace().skip(1).any(|word| word == name))
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(addresses, [node.address.to_string()], "{name}");
    }
}

#[test]
fn environment_files_read_the_same_for_systemd_and_a_container_engine() {
    let spec = spec(3, 1);
    for node in spec.masters().iter().chain(&spec.agents()) {
        for file in render(&spec, node, &facts()).files.iter().filter(|file| file.path.ends_with(".env")) {
            assert_eq!(file.mode, 0o600, "{}", file.path);
            let mut names = BTreeSet::new();
            for line in file.contents.lines().filter(|line| !line.starts_with('#')) {
                let (name, value) = line.split_once('=').unwrap();
                assert!(names.insert(name), "{name} stands twice in {}", file.path);
                assert!(!value.is_empty() && !value.contains([' ', '"', '\'', '\\', '$', '#']), "{line}");
            }
        }
    }
}

#[test]
fn no_unit_holds_anything_of_a_cluster() {
    for packages in [Packages::StandIn, Packages::clusterd(), Packages::Debs(Vec::new())] {
        let units = units(&packages);
        assert_eq!(units.len(), Unit::ALL.len());
        for unit in units {
            // Flags and secrets come from files; arguments can be read by everybody on the machine.
            assert!(!unit.contents.contains("zk://") && !unit.contents.contains("--zk"), "{}", unit.path);
            assert!(unit.contents.contains("\nRestart=always\n"), "{}", unit.path);
            assert!(unit.contents.contains("\nStartLimitIntervalSec=0\n"), "{}", unit.path);
        }
    }
}

#[test]
fn a_cluster_of_three_masters_reads_like_this() {
    let spec = spec(3, 3);
    let mut page = String::new();
    let master = &spec.masters()[1];
    let agent = &spec.agents()[0];
    for node in [master, agent] {
        let configuration = render(&spec, node, &facts());
        let names = |units: &[Unit]| units.iter().map(|unit| unit.name()).collect::<Vec<_>>().join(" ");
        page.push_str(&format!("######## {}\n", host_name(&spec, node)));
        page.push_str(&format!(
            "enable: {}\ndisable: {}\n",
            names(&configuration.enable),
            names(&configuration.disable)
        ));
        for file in &configuration.files {
            page.push_str(&format!("==== {} {:04o} {}\n{}", file.path, file.mode, file.owner, file.contents));
        }
    }
    insta::assert_snapshot!(page);
}

#[test]
fn the_units_read_like_this() {
    let page: String = units(&Packages::StandIn)
        .iter()
        .map(|file| format!("==== {}\n{}", file.path, file.contents))
        .collect();
    insta::assert_snapshot!(page);
}

#[test]
fn a_container_runs_marathon_where_it_comes_as_one() {
    let units = units(&Packages::clusterd());
    let image = ContainerImage::marathon();
    let marathon = units.iter().find(|file| file.path.ends_with("/marathon.service")).unwrap();
    assert!(marathon.contents.contains(&format!("--env-file {MARATHON} {image}\n")));
}

#[test]
fn a_node_is_called_after_its_cluster() {
    let spec = spec(1, 1);
    assert_eq!(host_name(&spec, &spec.masters()[0]), "mesos-master-1");
    let agent =
        Node { role: Role::Agent, number: 12, address: Ipv4Addr::new(172, 16, 0, 111), ssh_port: Some(2233) };
    assert_eq!(host_name(&spec, &agent), "mesos-agent-12");
}
