//! The gateway's rendered configuration under a real HAProxy, in front of masters and Marathons that only say whether they
//! lead. Everything listens on loopback addresses of the test's own. Skipped, saying so, where there is no HAProxy.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says why")]

mod rendered;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use mesostack::node::render;
use rendered::{facts, file, spec_on};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const HAPROXY: &str = "/usr/sbin/haproxy";

/// Nobody leads.
const NOBODY: usize = usize::MAX;

/// A running HAProxy; ended when dropped.
struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Who leads, shared by all the daemons of a test.
struct Cluster {
    network: Ipv4Addr,
    master: Arc<AtomicUsize>,
    marathon: Arc<AtomicUsize>,
    _gateway: Gateway,
    _directory: tempfile::TempDir,
}

impl Cluster {
    async fn start(network: Ipv4Addr, masters: u16) -> Option<Self> {
        if !Path::new(HAPROXY).exists() {
            eprintln!("skipped: there is no HAProxy on this host (package haproxy)");
            return None;
        }
        let spec = spec_on(network, masters);
        let master = Arc::new(AtomicUsize::new(NOBODY));
        let marathon = Arc::new(AtomicUsize::new(NOBODY));
        for (index, node) in spec.masters().iter().enumerate() {
            serve(SocketAddr::new(node.address.into(), 5050), Arc::clone(&master), index, mesos).await;
            serve(SocketAddr::new(node.address.into(), 8080), Arc::clone(&marathon), index, marathon_reply)
                .await;
        }
        let configuration = render(&spec, &spec.masters()[0], &facts());
        // The one line that cannot stay in a test: the gateway's own addresses would be everybody's.
        let text =
            file(&configuration, "/etc/mesostack/gateway.cfg").replace("bind :", &format!("bind {network}:"));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gateway.cfg");
        std::fs::write(&path, text).unwrap();
        let child = Command::new(HAPROXY)
            .arg("-db")
            .arg("-f")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Some(Self { network, master, marathon, _gateway: Gateway(child), _directory: directory })
    }

    /// Asks the gateway's port until the answer satisfies.
    async fn until(&self, port: u16, satisfied: impl Fn(&str) -> bool) {
        let began = Instant::now();
        let mut last = String::new();
        while began.elapsed() < Duration::from_secs(30) {
            last = ask((self.network, port)).await.unwrap_or_default();
            if satisfied(&last) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("port {port} did not come to answer as it should; last: {last}");
    }

    /// Asks until twenty answers in a row are `wanted`'s; how long until the first of these. A gateway that spread its
    /// requests over several would take 3^20 attempts.
    async fn settles_on(&self, port: u16, wanted: &str) -> Duration {
        let began = Instant::now();
        let (mut in_a_row, mut first) = (0, Duration::ZERO);
        while in_a_row < 20 {
            assert!(began.elapsed() < Duration::from_secs(30), "port {port} did not settle on {wanted}");
            match ask((self.network, port)).await {
                Ok(answer) if answer.ends_with(wanted) => {
                    if in_a_row == 0 {
                        first = began.elapsed();
                    }
                    in_a_row += 1;
                }
                _ => {
                    in_a_row = 0;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        first
    }
}

/// A daemon that answers every request by what it is asked, whether it leads, and its number.
async fn serve(
    at: SocketAddr,
    leader: Arc<AtomicUsize>,
    index: usize,
    reply: fn(path: &str, leads: bool, index: usize) -> String,
) {
    let listener = TcpListener::bind(at).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let leader = Arc::clone(&leader);
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0; 1024];
                    match stream.read(&mut byte).await {
                        Ok(0) | Err(_) => return,
                        Ok(length) => request.extend_from_slice(&byte[..length]),
                    }
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                let path = text.split(' ').nth(1).unwrap_or_default();
                let leads = leader.load(Ordering::Relaxed) == index;
                let _ = stream.write_all(reply(path, leads, index).as_bytes()).await;
            });
        }
    });
}

fn ok(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{headers}Connection: close\r\n\r\n{body}", body.len())
}

fn mesos(path: &str, leads: bool, index: usize) -> String {
    if path.starts_with("/metrics/snapshot") {
        // As large as a real one, the interesting metric far behind; with other metrics that resemble it.
        let padding: String = (0..600).map(|n| format!("\"allocator/mesos/metric_{n}\":1.0,")).collect();
        let elected = f64::from(u8::from(leads));
        return ok("", &format!("{{{padding}\"master/elected\":{elected:.1},\"master/elected_twice\":1.0}}"));
    }
    if path == "/redirect" {
        return "HTTP/1.1 307 Temporary Redirect\r\nLocation: //198.18.0.10:5050\r\nContent-Length: 0\r\n\
                Connection: close\r\n\r\n"
            .to_owned();
    }
    ok("", &format!("master {index}"))
}

fn marathon_reply(_path: &str, leads: bool, index: usize) -> String {
    let via = if leads { "" } else { "X-Marathon-Via: 1.1 elsewhere:8080\r\n" };
    ok(via, &format!("marathon {index}"))
}

/// One request's whole answer.
async fn ask(at: (Ipv4Addr, u16)) -> std::io::Result<String> {
    ask_for(at, "/state").await
}

async fn ask_for(at: (Ipv4Addr, u16), path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(at).await?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[test]
fn haproxy_accepts_the_rendered_configuration() {
    if !Path::new(HAPROXY).exists() {
        eprintln!("skipped: there is no HAProxy on this host (package haproxy)");
        return;
    }
    for masters in [1, 3, 9] {
        let spec = spec_on(Ipv4Addr::new(127, 90, 1, 0), masters);
        let configuration = render(&spec, &spec.masters()[0], &facts());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gateway.cfg");
        std::fs::write(&path, file(&configuration, "/etc/mesostack/gateway.cfg")).unwrap();
        let output = Command::new(HAPROXY).arg("-c").arg("-f").arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("WARNING"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_elected_master_gets_the_traffic_and_a_new_one_gets_it_within_seconds() {
    let Some(cluster) = Cluster::start(Ipv4Addr::new(127, 90, 2, 0), 3).await else { return };
    cluster.until(15050, |answer| answer.starts_with("HTTP/1.1 503")).await;
    for leader in [1, 2, 0] {
        cluster.master.store(leader, Ordering::Relaxed);
        let took = cluster.settles_on(15050, &format!("master {leader}")).await;
        assert!(took < Duration::from_secs(8), "{took:?}");
    }
    let redirect = ask_for((cluster.network, 15050), "/redirect").await.unwrap();
    assert!(redirect.to_lowercase().contains("location: //198.18.0.10:5050\r\n"), "{redirect}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leading_marathon_gets_the_traffic_though_all_answer_alike() {
    let Some(cluster) = Cluster::start(Ipv4Addr::new(127, 90, 3, 0), 3).await else { return };
    for leader in [2, 0] {
        cluster.marathon.store(leader, Ordering::Relaxed);
        let took = cluster.settles_on(18080, &format!("marathon {leader}")).await;
        assert!(took < Duration::from_secs(8), "{took:?}");
    }
}
