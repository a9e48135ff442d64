//! The services of a cluster, and their systemd units. They are part of the image, all disabled; a node's set-up enables
//! those of its role. We rely on no package's own units: these differ from source to source, and some have none.

use super::{File, places};
use crate::spec::Packages;

/// A service of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// The ZooKeeper server.
    ZooKeeper,
    /// The Mesos master.
    MesosMaster,
    /// The Mesos agent.
    MesosAgent,
    /// Marathon.
    Marathon,
    /// HAProxy, leading to the elected master and the leading Marathon.
    Gateway,
}

impl Unit {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::ZooKeeper, Self::MesosMaster, Self::MesosAgent, Self::Marathon, Self::Gateway];

    /// Its name with systemd.
    pub fn name(self) -> &'static str {
        match self {
            Self::ZooKeeper => "zookeeper.service",
            Self::MesosMaster => "mesos-master.service",
            Self::MesosAgent => "mesos-agent.service",
            Self::Marathon => "marathon.service",
            Self::Gateway => "mesos-gateway.service",
        }
    }

    fn text(self, packages: &Packages) -> String {
        let description = match self {
            Self::ZooKeeper => "ZooKeeper server of the Mesos cluster",
            Self::MesosMaster => "Mesos master",
            Self::MesosAgent => "Mesos agent",
            Self::Marathon => "Marathon, the scheduler for long-running services on Mesos",
            Self::Gateway => "Gateway to the elected Mesos master and the leading Marathon",
        };
        let after = match self {
            Self::MesosMaster | Self::Marathon => " zookeeper.service",
            _ => "",
        };
        let service = match self {
            Self::ZooKeeper => zookeeper(),
            Self::MesosMaster => MESOS_MASTER.to_owned(),
            Self::MesosAgent => MESOS_AGENT.to_owned(),
            Self::Marathon => marathon(packages),
            Self::Gateway => GATEWAY.to_owned(),
        };
        // All of these end themselves when they lose ZooKeeper or the lead, and rely on being started again, however often.
        format!(
            "# Written by mesostack\n[Unit]\nDescription={description}\nWants=network-online.target\n\
             After=network-online.target{after}\nStartLimitIntervalSec=0\n\n[Service]\n{service}Restart=always\n\n\
             [Install]\nWantedBy=multi-user.target\n"
        )
    }
}

/// The unit files the image has to hold.
pub fn units(packages: &Packages) -> Vec<File> {
    Unit::ALL
        .into_iter()
        .map(|unit| {
            File::public(format!("/etc/systemd/system/{}", unit.name()), unit.text(packages), &[unit])
        })
        .collect()
}

/// Java is run directly: Debian's package has no unit, and its start script logs nowhere. `myid` is put in place here, so
/// that ZooKeeper's data may be emptied at any time without losing it. The logger writes to standard error, i.e. the
/// journal.
fn zookeeper() -> String {
    let data = places::ZOOKEEPER_DATA;
    let own = format!("{}/zookeeper", places::DIRECTORY);
    format!(
        "User=zookeeper\n\
         Group=zookeeper\n\
         EnvironmentFile={own}/environment\n\
         ExecStartPre=+/usr/bin/install -d -o zookeeper -g zookeeper -m 0750 {data}\n\
         ExecStartPre=+/usr/bin/install -o zookeeper -g zookeeper -m 0644 -T {own}/myid {data}/myid\n\
         ExecStart=/usr/bin/java $ZOOKEEPER_JAVA_OPTIONS \
         -cp {own}:/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar \
         org.apache.zookeeper.server.quorum.QuorumPeerMain {own}/zoo.cfg\n\
         SuccessExitStatus=143\n\
         LimitNOFILE=16384\n\
         RestartSec=1\n"
    )
}

/// The program is found in the path: packages put it in /usr/bin or /usr/sbin.
const MESOS_MASTER: &str = "\
EnvironmentFile=/etc/mesostack/mesos-master.env
ExecStartPre=/usr/bin/mkdir -p /var/lib/mesos/master
ExecStart=/usr/bin/env mesos-master
LimitNOFILE=16384
RestartSec=1
";

/// A restart of the agent leaves its tasks running, which is why only the agent itself is ended. What it starts lies in
/// cgroups of its own making.
const MESOS_AGENT: &str = "\
EnvironmentFile=/etc/mesostack/mesos-agent.env
ExecStartPre=/usr/bin/mkdir -p /var/lib/mesos/agent
ExecStart=/usr/bin/env mesos-agent
KillMode=process
Delegate=yes
LimitNOFILE=16384
RestartSec=1
";

/// Marathon as a package, or as the only form it can still be had in from its makers: a container image, which the image
/// build has pulled.
fn marathon(packages: &Packages) -> String {
    match packages {
        Packages::ClusterD { marathon } => format!(
            "ExecStart=/usr/bin/podman run --rm --replace --name marathon --pull never --network host \
             --env-file /etc/mesostack/marathon.env {marathon}\n\
             ExecStop=/usr/bin/podman stop --ignore --time 10 marathon\n\
             RestartSec=3\n"
        ),
        Packages::StandIn | Packages::Debs(_) => "EnvironmentFile=/etc/mesostack/marathon.env\n\
             ExecStart=/usr/bin/env marathon\n\
             SuccessExitStatus=143\n\
             LimitNOFILE=16384\n\
             RestartSec=3\n"
            .to_owned(),
    }
}

const GATEWAY: &str = "\
Type=notify
User=haproxy
Group=haproxy
ExecStartPre=/usr/sbin/haproxy -c -q -f /etc/mesostack/gateway.cfg
ExecStart=/usr/sbin/haproxy -Ws -f /etc/mesostack/gateway.cfg
ExecReload=/bin/kill -USR2 $MAINPID
KillMode=mixed
SuccessExitStatus=143
LimitNOFILE=16384
RestartSec=1
";
