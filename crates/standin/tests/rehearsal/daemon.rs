//! One stand-in as a process, with its own port, directory and log; killed when dropped.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use mesos::Address;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mesostack-standin");

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// How a daemon is started, again and again if need be.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    role: &'static str,
    port: u16,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log: PathBuf,
}

#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    plan: Plan,
}

impl Plan {
    fn new(role: &'static str, directory: &Path) -> Self {
        let port = free_port();
        let log = directory.join(format!("{role}-{port}.log"));
        Self { role, port, arguments: Vec::new(), environment: Vec::new(), log }
    }

    pub(crate) fn master(directory: &Path, zk: &str, quorum: usize) -> Self {
        let plan = Self::new("mesos-master", directory);
        let work_dir = directory.join(format!("master-{}", plan.port));
        plan.with(&format!("--zk={zk}"))
            .with(&format!("--quorum={quorum}"))
            .with(&format!("--work_dir={}", work_dir.display()))
            .with("--zk_session_timeout=2secs")
            .on_loopback()
    }

    pub(crate) fn standalone_master(directory: &Path, port: u16) -> Self {
        let plan = Self { port, ..Self::new("mesos-master", directory) };
        plan.with("--registry=in_memory").on_loopback()
    }

    pub(crate) fn agent(directory: &Path, master: &str) -> Self {
        let plan = Self::new("mesos-agent", directory);
        let work_dir = directory.join(format!("agent-{}", plan.port));
        plan.with(&format!("--master={master}"))
            .with(&format!("--work_dir={}", work_dir.display()))
            .with("--resources=cpus:2;mem:1024;disk:1024")
            .with("--zk_session_timeout=2secs")
            .with("--registration_backoff_factor=200ms")
            .on_loopback()
    }

    pub(crate) fn marathon(directory: &Path, zookeeper: &str) -> Self {
        let plan = Self::new("marathon", directory);
        let port = plan.port.to_string();
        plan.variable("MARATHON_MASTER", &format!("zk://{zookeeper}/mesos"))
            .variable("MARATHON_ZK", &format!("zk://{zookeeper}/marathon"))
            .variable("MARATHON_HOSTNAME", "127.0.0.1")
            .variable("MARATHON_HTTP_ADDRESS", "127.0.0.1")
            .variable("MARATHON_HTTP_PORT", &port)
            .variable("MARATHON_ZK_SESSION_TIMEOUT", "2000")
            .variable("LIBPROCESS_IP", "127.0.0.1")
    }

    fn on_loopback(self) -> Self {
        let port = self.port.to_string();
        self.variable("MESOS_IP", "127.0.0.1")
            .variable("MESOS_PORT", &port)
            .variable("MESOS_HOSTNAME", "127.0.0.1")
    }

    pub(crate) fn with(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn start(self) -> Daemon {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let child = Command::new(PROGRAM)
            .arg(self.role)
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.clone())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Daemon { child, plan: self }
    }
}

impl Daemon {
    pub(crate) fn address(&self) -> Address {
        Address::new("127.0.0.1", self.plan.port)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.plan.log).unwrap()
    }

    /// As `kill -9` does.
    pub(crate) fn kill(mut self) -> Plan {
        self.stop();
        self.plan.clone()
    }

    /// Waits for its own end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + super::PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "{} did not end:\n{}", self.plan.role, self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// One request with a JSON body (`Null`: none); the status and the body as JSON (as text when it is none).
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.plan.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("=== {}\n{}", self.plan.log.display(), self.log());
        }
    }
}
