//! A zone's process is killed (`kill -9`) at random moments under load and started again: whatever it had answered for is
//! there, every job has its end, and nothing is left by half. `DEVCLOUD_KILLS=500` kills so often instead of a few times.

mod ledger;
mod load;

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use devcloud::faults::FaultsFile;
use devcloud::host::{self, Options, Places};
use rand::RngExt;
use tokio_util::sync::CancellationToken;

use self::ledger::Ledger;
use self::load::{Hand, Keys};

const KILLS: u32 = 4;
/// After so many kills another zone is begun, so that the records stay those of a zone in use.
const KILLS_OF_ONE_ZONE: u32 = 25;
const HANDS: u64 = 6;
const DEADLINE: Duration = Duration::from_secs(60);

const DIRECTORY: &str = "DEVCLOUD_KILLED_DIRECTORY";
const PORT: &str = "DEVCLOUD_KILLED_PORT";

/// Everything takes long enough to be struck in the midst of it.
const PACE: &str = r#"
[latency]
router = { from = "1ms", to = "60ms" }
rule = { from = "0ms", to = "20ms" }
start = { from = "0ms", to = "40ms" }
stop = { from = "0ms", to = "40ms" }
volume = { from = "0ms", to = "10ms" }
[limits]
machines = -1
public_addresses = -1
volumes = -1
networks = -1
processors = -1
memory_mib = -1
primary_storage_gib = -1
"#;

fn places(directory: &Path) -> Places {
    Places { state: directory.join("state"), cache: directory.join("cache") }
}

/// The process that is killed: serves as `mesostack zone serve --simulator` does, until it is killed or its parent is gone.
#[test]
#[ignore = "it is the process that the other test starts and kills"]
fn serves_until_it_is_killed() {
    let (Some(directory), Ok(port)) = (std::env::var_os(DIRECTORY), std::env::var(PORT)) else { return };
    let options = Options {
        name: "killed".parse().expect("a name"),
        port: port.parse().expect("a port"),
        public_range: "10.64.0.0/21".parse().expect("a range"),
        simulator: true,
        faults: Some(FaultsFile::parse(PACE).expect("a file of faults")),
    };
    let shutdown = CancellationToken::new();
    let parent = shutdown.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        parent.cancel();
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let places = places(Path::new(&directory));
    let served = host::serve(&places, &options, shutdown);
    runtime.expect("a runtime").block_on(served).expect("served");
}

/// A process that serves the zone; killed when it is dropped.
struct Served(Child);

impl Served {
    fn start(directory: &Path, port: u16) -> Self {
        let log = std::fs::File::create(directory.join("log")).expect("a log");
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "killed::serves_until_it_is_killed", "--ignored", "--nocapture"])
            .env(DIRECTORY, directory)
            .env(PORT, port.to_string())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn();
        Self(child.expect("this program runs"))
    }

    /// Waits until it answers: the keys of its accounts.
    async fn keys(&mut self, directory: &Path) -> Keys {
        let began = tokio::time::Instant::now();
        let name = "killed".parse().expect("a name");
        loop {
            let keys = |account| host::credentials(&places(directory), &name, account);
            if let (Ok(user), Ok(admin)) = (keys("mesostack"), keys("admin")) {
                return Keys { user, admin };
            }
            let log = || std::fs::read_to_string(directory.join("log")).unwrap_or_default();
            assert!(began.elapsed() < DEADLINE, "the zone does not come up: {}", log());
            let ended = self.0.try_wait().expect("a child");
            assert!(ended.is_none(), "the zone did not come up: {ended:?}: {}", log());
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    fn kill(&mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("gone");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that stays free between a kill and the next start: not one of those that the kernel gives away.
fn a_port() -> u16 {
    let free = |port: &u16| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let ports = std::iter::repeat_with(|| rand::random_range(11_000..32_000));
    ports.take(1_000).find(free).expect("a free port")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zone_killed_at_any_instant_has_all_it_answered_for_and_nothing_by_half() {
    let kills: u32 = std::env::var("DEVCLOUD_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let (mut killed, mut while_opening, mut round) = (0, 0, 0_u64);
    let mut told = ledger::Told::default();
    // Where every kill came before the first answer, it goes on.
    while killed < kills || (told.jobs == 0 && killed < kills + KILLS_OF_ONE_ZONE) {
        let directory = tempfile::tempdir().expect("a directory");
        let port = a_port();
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let until = kills.max(killed + 1).min(killed + KILLS_OF_ONE_ZONE);
        while killed < until {
            round += 1;
            let mut served = Served::start(directory.path(), port);
            if rand::random_bool(0.1) {
                let moment = rand::random_range(0..150);
                tokio::time::sleep(Duration::from_millis(moment)).await;
                served.kill();
                (killed, while_opening) = (killed + 1, while_opening + 1);
                continue;
            }
            let keys = served.keys(directory.path()).await;
            told += load::look_after_restart(port, &keys, &ledger).await;
            let hands: Vec<_> = (0..HANDS)
                .map(|hand| {
                    let hand = Hand::new(port, keys.user.clone(), ledger.clone(), hand, round);
                    tokio::spawn(hand.work())
                })
                .collect();
            let moment = rand::rng().random_range(5..500);
            tokio::time::sleep(Duration::from_millis(moment)).await;
            served.kill();
            killed += 1;
            for hand in hands {
                hand.await.expect("a hand");
            }
        }
        let mut served = Served::start(directory.path(), port);
        let keys = served.keys(directory.path()).await;
        told += load::look_after_restart(port, &keys, &ledger).await;
    }
    println!("killed {killed} times ({while_opening} while opening): {told}");
    assert!(told.things > 0 && told.jobs > 0, "nothing was at stake: {told}");
}
