//! What the real program takes of this host: `mesostack apply`, with a simulated zone in another process.
//!
//! It makes all of the cluster in the cloud; the nodes are left out, since simulated machines answer no SSH.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use devcloud::{
    MemoryRecords, Records, Zone, ZoneConfig, serve,
    simulator::{Capacity, Latencies, Simulator},
};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use crate::{
    Outcome,
    process::{Status, process_time},
    rehearsal::file,
    table::{head, row},
};

/// The argument that makes this program the zone.
pub(crate) const ZONE: &str = "zone";
/// How often the program is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Serves a zone until standard input ends; says on standard output where it is, and with which keys.
pub(crate) fn serve_zone() -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let config =
            ZoneConfig { shortest_guest_prefix: 16, limits: devcloud::Limits::NONE, ..ZoneConfig::default() };
        let simulator = Arc::new(Simulator::new(Latencies::default(), Capacity::default()));
        let zone = Zone::open(config, simulator, Records::memory(MemoryRecords::default())).await?;
        let keys = zone.credentials("mesostack").ok_or("the zone has no account mesostack")?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!(
            "http://{}/client/api {} {}",
            listener.local_addr()?,
            keys.api_key,
            keys.secret_key.expose_secret()
        );
        let end = CancellationToken::new();
        let ended = end.clone();
        std::thread::spawn(move || {
            let _ = std::io::stdin().lines().count();
            ended.cancel();
        });
        serve(zone, listener, end).await?;
        Ok(())
    })
}

/// Prints the table.
pub(crate) fn run() -> Outcome {
    head("The program itself, with the zone in another process");
    apply(3, 50, "", "some 200 MB", 40)?;
    apply(3, 10_000, "agents = 'bastion'", "not possible", 400)
}

fn apply(masters: u16, agents: u16, access: &str, peers: &str, allowed: u64) -> Outcome {
    let zone = ServedZone::start()?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("mesostack.toml");
    let access = format!("private_key = '{}'\n{access}", folder.path().join("key").display());
    fs::write(&path, file(masters, agents, &access, "range = '10.0.0.0/16'"))?;
    let mut program = Command::new(program()?)
        .arg("--file")
        .arg(&path)
        .args(["--quiet", "apply", "--yes", "--only", "infrastructure"])
        .env("HOME", folder.path())
        .env("XDG_STATE_HOME", folder.path())
        .env("XDG_CACHE_HOME", folder.path())
        .env("CLOUDSTACK_API_URL", &zone.url)
        .env("CLOUDSTACK_API_KEY", &zone.api_key)
        .env("CLOUDSTACK_SECRET_KEY", &zone.secret_key)
        .spawn()?;
    let began = Instant::now();
    let (mut most, mut spent) = (Status::default(), Duration::ZERO);
    let ended = loop {
        if let Some(ended) = program.try_wait()? {
            break ended;
        }
        // It may end between two looks; until then both only grow.
        if let Ok(status) = Status::of(&program.id().to_string()) {
            most = status;
        }
        spent = spent.max(process_time(program.id()).unwrap_or_default());
        sleep(LOOK);
    };
    if !ended.success() {
        return Err(format!("apply {masters} + {agents}: {ended}").into());
    }
    row(
        format!("apply {masters} + {agents}, memory at most"),
        peers,
        format!("under {allowed} MB"),
        format!(
            "{} MB, and {:.2} s of processor time in {:.1} s (the zone: {} MB)",
            most.most_mb(),
            spent.as_secs_f64(),
            began.elapsed().as_secs_f64(),
            Status::of(&zone.process.id().to_string())?.most_mb(),
        ),
        most.most_mb() < allowed,
    );
    Ok(())
}

/// The program that was built together with this one.
fn program() -> Outcome<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).ok_or("this program is in no folder")?;
    let program = folder.join("mesostack");
    if program.exists() { Ok(program) } else { Err(format!("{} is not built", program.display()).into()) }
}

/// A zone in a process of its own, which ends with this.
struct ServedZone {
    process: Child,
    url: String,
    api_key: String,
    secret_key: String,
}

impl ServedZone {
    fn start() -> Outcome<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(ZONE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().ok_or("the zone has no output")?;
        BufReader::new(output).read_line(&mut line)?;
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            [url, api_key, secret_key] => {
                let [url, api_key, secret_key] = [url, api_key, secret_key].map(str::to_owned);
                Ok(Self { process, url, api_key, secret_key })
            }
            _ => Err("the zone did not come up".into()),
        }
    }
}

impl Drop for ServedZone {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
