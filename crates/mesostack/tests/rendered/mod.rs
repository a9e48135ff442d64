//! A specification on a network of the test's own, and what is rendered from it.

use std::net::Ipv4Addr;

use mesostack::{
    node::{Configuration, Facts},
    spec::{
        Access, AgentAccess, Bootstrap, BuildAccess, Cloud, Cluster, Credentials, Deadlines, Image, Network,
        Packages, Parallel, Spec,
    },
};

pub(crate) fn facts() -> Facts {
    Facts { public_address: Ipv4Addr::new(198, 18, 0, 10), template: None }
}

/// The text of a rendered file.
pub(crate) fn file<'a>(configuration: &'a Configuration, path: &str) -> &'a str {
    let file = configuration.files.iter().find(|file| file.path == path);
    &file.unwrap_or_else(|| panic!("no {path}")).contents
}

/// A cluster whose nodes have addresses in `network`/24.
pub(crate) fn spec_on(network: Ipv4Addr, masters: u16) -> Spec {
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
            private_key: "key".into(),
            user: "debian".to_owned(),
            allow: vec!["198.18.0.1/32".parse().unwrap()],
            bootstrap: Bootstrap::Ssh,
            agents: AgentAccess::Forward,
            first_master_port: 1222,
            first_agent_port: 2222,
        },
        network: Network {
            name: "subnet01".to_owned(),
            range: format!("{network}/24").parse().unwrap(),
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
            agents: 1,
            master_offering: "t1.medium".to_owned(),
            agent_offering: "t1.medium".to_owned(),
            first_master: 20,
            first_agent: 100,
        },
        deadlines: Deadlines::default(),
        parallel: Parallel::default(),
    }
}
