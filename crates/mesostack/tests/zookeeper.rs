//! The rendered ZooKeeper configuration under real servers, on loopback addresses of the test's own, run by the very command
//! of the unit. Skipped, saying so, where there is no ZooKeeper.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says why")]

mod rendered;

use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use mesos::{
    Address, TcpConnect,
    zookeeper::{Mode, Monitor, Server},
};
use mesostack::{
    node::{Unit, render, units},
    spec::{Node, Spec},
};
use rendered::{facts, file, spec_on};
use tokio::time::Instant;

const LONGEST: Duration = Duration::from_secs(90);

/// Servers by their places among the masters; ended when dropped.
struct Ensemble {
    spec: Spec,
    servers: Vec<Option<Child>>,
    directory: tempfile::TempDir,
}

impl Drop for Ensemble {
    fn drop(&mut self) {
        for index in 0..self.servers.len() {
            self.kill(index);
        }
    }
}

impl Ensemble {
    fn start(network: Ipv4Addr, masters: u16) -> Option<Self> {
        for needed in ["/usr/bin/java", "/usr/share/java/zookeeper.jar", "/usr/share/java/slf4j-simple.jar"] {
            if !Path::new(needed).exists() {
                eprintln!("skipped: there is no {needed} on this host (package zookeeper)");
                return None;
            }
        }
        let spec = spec_on(network, masters);
        let servers = (0..masters).map(|_| None).collect();
        let mut ensemble = Self { spec, servers, directory: tempfile::tempdir().unwrap() };
        for index in 0..usize::from(masters) {
            ensemble.run(index);
        }
        Some(ensemble)
    }

    fn run(&mut self, index: usize) {
        let node = &self.spec.masters()[index];
        let configuration = render(&self.spec, node, &facts());
        let home = self.directory.path().join(node.name());
        let data = home.join("data");
        fs::create_dir_all(&data).unwrap();
        let own = "/etc/mesostack/zookeeper";
        // Only the directories differ from a node's.
        let zoo = file(&configuration, &format!("{own}/zoo.cfg"))
            .replace("dataDir=/var/lib/zookeeper", &format!("dataDir={}", data.display()));
        fs::write(home.join("zoo.cfg"), zoo).unwrap();
        fs::write(data.join("myid"), file(&configuration, &format!("{own}/myid"))).unwrap();
        let options = file(&configuration, &format!("{own}/environment"))
            .strip_prefix("ZOOKEEPER_JAVA_OPTIONS=")
            .unwrap()
            .trim()
            .trim_matches('"');
        let command = start_command()
            .replace("$ZOOKEEPER_JAVA_OPTIONS", options)
            .replace(own, &home.display().to_string());
        let mut words = command.split_whitespace();
        let log = fs::File::options().create(true).append(true).open(home.join("log")).unwrap();
        let child = Command::new(words.next().unwrap())
            .args(words)
            .current_dir(&home)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.servers[index] = Some(child);
    }

    fn kill(&mut self, index: usize) {
        if let Some(mut child) = self.servers[index].take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// What each running server says, once all of it satisfies.
    async fn until(
        &self,
        what: &str,
        satisfied: impl Fn(&[(Node, Monitor)]) -> bool,
    ) -> Vec<(Node, Monitor)> {
        let deadline = Instant::now() + LONGEST;
        loop {
            let mut answers = Vec::new();
            for (node, server) in self.spec.masters().into_iter().zip(&self.servers) {
                if server.is_some() {
                    let client =
                        Server::new(Arc::new(TcpConnect), Address::new(node.address.to_string(), 2181));
                    if let Ok(answer) = client.mntr(Instant::now() + Duration::from_secs(3)).await {
                        answers.push((node, answer));
                    }
                }
            }
            let running = self.servers.iter().filter(|server| server.is_some()).count();
            if answers.len() == running && satisfied(&answers) {
                return answers;
            }
            assert!(Instant::now() < deadline, "{what} did not come about: {answers:?}\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn logs(&self) -> String {
        self.spec
            .masters()
            .iter()
            .map(|node| {
                fs::read_to_string(self.directory.path().join(node.name()).join("log")).unwrap_or_default()
            })
            .collect()
    }
}

fn start_command() -> String {
    let units = units(&spec_on(Ipv4Addr::LOCALHOST, 1).image.packages);
    let unit = units.iter().find(|unit| unit.path.ends_with(Unit::ZooKeeper.name())).unwrap();
    let line = unit.contents.lines().find_map(|line| line.strip_prefix("ExecStart="));
    line.unwrap().to_owned()
}

fn leaders(answers: &[(Node, Monitor)]) -> Vec<usize> {
    let leads = |(_, answer): &&(Node, Monitor)| answer.mode == Mode::Leader;
    answers.iter().filter(leads).map(|(node, _)| usize::from(node.number) - 1).collect()
}

fn leads_with(answers: &[(Node, Monitor)], followers: u32) -> bool {
    let synced =
        answers.iter().find(|(_, answer)| answer.mode == Mode::Leader).map(|(_, a)| a.synced_followers);
    leaders(answers).len() == 1 && synced == Some(Some(followers))
}

#[tokio::test]
async fn three_masters_form_an_ensemble_and_survive_the_loss_of_their_leader() {
    let Some(mut ensemble) = Ensemble::start(Ipv4Addr::new(127, 91, 1, 0), 3) else { return };
    let answers = ensemble.until("an ensemble of three", |answers| leads_with(answers, 2)).await;
    let old = leaders(&answers)[0];
    ensemble.kill(old);
    ensemble.until("an ensemble of two", |answers| leads_with(answers, 1)).await;
    // With its data and its number it comes back as a follower.
    ensemble.run(old);
    let answers = ensemble.until("an ensemble of three again", |answers| leads_with(answers, 2)).await;
    assert_ne!(leaders(&answers), [old]);
    let logs = ensemble.logs();
    assert!(logs.contains("INFO"), "the journal would be empty");
    assert!(!logs.contains("AdminServer on address"), "the admin server would take Marathon's port");
}

#[tokio::test]
async fn a_single_master_serves_alone() {
    let Some(ensemble) = Ensemble::start(Ipv4Addr::new(127, 91, 2, 0), 1) else { return };
    ensemble.until("a server on its own", |answers| answers[0].1.mode == Mode::Standalone).await;
}
