//! A real ZooKeeper server of the test's own: one process on loopback, in its own directory.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mesos::Address;
use mesos::zookeeper::{Mode, Server};
use tempfile::TempDir;

use super::{daemon::free_port, soon, tcp, until};

const JARS: [&str; 2] = ["/usr/share/java/zookeeper.jar", "/usr/share/java/slf4j-simple.jar"];

/// A ZooKeeper server, killed when dropped.
pub(crate) struct ZooKeeper {
    child: Child,
    port: u16,
    directory: TempDir,
}

/// Where things are when ZooKeeper can be run; otherwise `None`, and the reason is printed.
pub(crate) fn java() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let java =
        std::env::split_paths(&path).map(|directory| directory.join("java")).find(|java| java.exists());
    let missing = JARS.into_iter().filter(|jar| !Path::new(jar).exists());
    let missing: Vec<_> = java.is_none().then_some("java").into_iter().chain(missing).collect();
    if !missing.is_empty() {
        // Not by println, which is captured in a test that passes.
        let reason = format!("skipped: there is no {}", missing.join(" and no "));
        let _ =
            writeln!(std::io::stderr(), "{reason} (apt-get install libzookeeper-java default-jre-headless)");
        return None;
    }
    java
}

impl ZooKeeper {
    /// Starts a server and waits until it serves.
    pub(crate) async fn start() -> Option<Self> {
        let port = free_port();
        Self::start_at(port).await
    }

    pub(crate) async fn start_at(port: u16) -> Option<Self> {
        let java = java()?;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("zoo.cfg");
        // A short tick, for it bounds the session time-outs: 2 to 20 ticks.
        let text = format!(
            "tickTime=500\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n\
             4lw.commands.whitelist=ruok,srvr,mntr\n",
            directory.path().join("data").display()
        );
        std::fs::write(&file, text).unwrap();
        let child = Command::new(java)
            .args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", &JARS.join(":")])
            .arg("org.apache.zookeeper.server.ZooKeeperServerMain")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let zookeeper = Self { child, port, directory };
        let server = Server::new(tcp(), Address::new("127.0.0.1", port));
        until("ZooKeeper serves", || async {
            let answer = server.srvr(soon()).await.ok()?;
            (answer.mode == Mode::Standalone).then_some(())
        })
        .await;
        let monitor = server.mntr(soon()).await.unwrap();
        assert_eq!(monitor.mode, Mode::Standalone);
        assert!(monitor.version.is_some_and(|version| version.starts_with("3.")));
        server.ruok(soon()).await.unwrap();
        Some(zookeeper)
    }

    /// `host:port`
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The URL of the Mesos masters' election.
    pub(crate) fn mesos(&self) -> String {
        format!("zk://{}/mesos", self.address())
    }

    /// A directory that lives as long as the server.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for ZooKeeper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
