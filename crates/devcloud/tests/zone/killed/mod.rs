//! A zone's process is killed (`kill -9`) at random moments under load and started again: whatever it had answered for is
//! there, every job has its end, and nothing is left by half. `DEVCLOUD_KILLS=500` kills so often instead of a few times;
//! with machines, `DEVCLOUD_MACHINE_KILLS=20`.

#[cfg(target_os = "linux")]
pub(crate) mod hosted;
mod ledger;
pub(crate) mod load;

use std::net::Ipv4Addr;
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use devcloud::faults::FaultsFile;
use devcloud::host::{self, Options, Places};
use tokio_util::sync::CancellationToken;

use self::ledger::Ledger;
use self::load::{Hand, Keys};
use crate::whole::Seen;

/// After so many kills another zone is begun, so that the records stay those of a zone in use.
const KILLS_OF_ONE_ZONE: u32 = 25;
const DEADLINE: Duration = Duration::from_secs(60);

const DIRECTORY: &str = "DEVCLOUD_KILLED_DIRECTORY";
const PORT: &str = "DEVCLOUD_KILLED_PORT";
const NAME: &str = "DEVCLOUD_KILLED_NAME";

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

/// A kind of zone that is killed, and how.
pub(crate) struct Victim {
    pub(crate) name: &'static str,
    pub(crate) public_range: &'static str,
    pub(crate) simulator: bool,
    pub(crate) faults: &'static str,
    /// Clients at work at once.
    pub(crate) hands: u64,
    /// How much one of them has at most.
    pub(crate) bounds: Bounds,
    /// When it is killed, in milliseconds after it answers.
    pub(crate) at_work: Range<u64>,
    /// … and after it was started, where it is killed while opening.
    pub(crate) opening: Range<u64>,
}

/// How much a client has at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    networks: usize,
    machines: usize,
}

const SIMULATED: Victim = Victim {
    name: "killed",
    public_range: "10.64.0.0/21",
    simulator: true,
    faults: PACE,
    hands: 6,
    bounds: Bounds { networks: usize::MAX, machines: usize::MAX },
    at_work: 5..500,
    opening: 0..150,
};

impl Victim {
    pub(crate) fn places(&self, directory: &Path) -> Places {
        let cache = match self.simulator {
            true => directory.join("cache"),
            // The base template is not built for this.
            false => "/var/cache/mesostack".into(),
        };
        Places { state: directory.to_owned(), cache }
    }

    fn options(&self, port: u16) -> Options {
        Options {
            name: self.name.parse().expect("a name"),
            port,
            public_range: self.public_range.parse().expect("a range"),
            simulator: self.simulator,
            faults: Some(FaultsFile::parse(self.faults).expect("a file of faults")),
        }
    }
}

/// The process that is killed: serves as `mesostack zone serve` does, until it is killed or its parent is gone.
#[test]
#[ignore = "it is the process that the other tests start and kill"]
fn serves_until_it_is_killed() {
    let (Some(directory), Ok(port)) = (std::env::var_os(DIRECTORY), std::env::var(PORT)) else { return };
    #[cfg(target_os = "linux")]
    let victims = [SIMULATED, hosted::WITH_MACHINES, crate::guests::RAISED];
    #[cfg(not(target_os = "linux"))]
    let victims = [SIMULATED];
    let name = std::env::var(NAME).expect("a name");
    let victim = victims.into_iter().find(|victim| victim.name == name).expect("a zone of this name");
    let shutdown = CancellationToken::new();
    let parent = shutdown.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        parent.cancel();
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let (places, options) =
        (victim.places(Path::new(&directory)), victim.options(port.parse().expect("a port")));
    let served = host::serve(&places, &options, shutdown);
    runtime.expect("a runtime").block_on(served).expect("served");
}

/// A process that serves the zone; killed when it is dropped.
pub(crate) struct Served(Child);

impl Served {
    pub(crate) fn start(victim: &Victim, directory: &Path, port: u16) -> Self {
        let log = std::fs::File::create(directory.join("log")).expect("a log");
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.env(NAME, victim.name);
        let child = command
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
    pub(crate) async fn keys(&mut self, victim: &Victim, directory: &Path) -> Keys {
        let began = tokio::time::Instant::now();
        let name = victim.name.parse().expect("a name");
        loop {
            let keys = |account| host::credentials(&victim.places(directory), &name, account);
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

    pub(crate) fn kill(&mut self) {
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
pub(crate) fn a_port() -> u16 {
    let free = |port: &u16| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let ports = std::iter::repeat_with(|| rand::random_range(11_000..32_000));
    ports.take(1_000).find(free).expect("a free port")
}

/// How often a zone was killed, how often while it was opening, and what was found afterwards.
#[derive(Debug, Default)]
struct Killed {
    times: u32,
    while_opening: u32,
    told: ledger::Told,
}

impl std::fmt::Display for Killed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { times, while_opening, told } = self;
        write!(f, "killed {times} times ({while_opening} while opening): {told}")
    }
}

/// A zone that was killed for the last time and is served again.
struct Left {
    served: Served,
    port: u16,
    keys: Keys,
}

/// Kills one zone so often, in the midst of its clients' work; `look` compares what else there is to see with what it
/// lists when it is back. What it is left with is served at the end.
async fn kill_again_and_again(
    victim: &Victim,
    directory: &Path,
    times: u32,
    look: impl Fn(&Seen) -> Vec<String>,
) -> (Killed, Left) {
    let (port, ledger) = (a_port(), Arc::new(Mutex::new(Ledger::default())));
    let mut killed = Killed::default();
    let mut round = 0;
    while killed.times < times {
        round += 1;
        let mut served = Served::start(victim, directory, port);
        if rand::random_bool(0.1) {
            tokio::time::sleep(Duration::from_millis(rand::random_range(victim.opening.clone()))).await;
            served.kill();
            (killed.times, killed.while_opening) = (killed.times + 1, killed.while_opening + 1);
            continue;
        }
        let keys = served.keys(victim, directory).await;
        assert_eq!(unfinished(victim, directory), Vec::<String>::new(), "it was swept away");
        killed.told += load::look_after_restart(port, &keys, &ledger, &look).await;
        let hands: Vec<_> = (0..victim.hands)
            .map(|hand| {
                let hand = Hand::new(port, keys.user.clone(), ledger.clone(), hand, round, victim.bounds);
                tokio::spawn(hand.work())
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(rand::random_range(victim.at_work.clone()))).await;
        served.kill();
        killed.times += 1;
        for hand in hands {
            hand.await.expect("a hand");
        }
    }
    let mut served = Served::start(victim, directory, port);
    let keys = served.keys(victim, directory).await;
    killed.told += load::look_after_restart(port, &keys, &ledger, &look).await;
    (killed, Left { served, port, keys })
}

/// Files in the zone's directory that nobody finished.
fn unfinished(victim: &Victim, directory: &Path) -> Vec<String> {
    let zone = victim.places(directory).state.join("zones").join(victim.name);
    let names = std::fs::read_dir(zone).expect("the zone's directory");
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with(".tmp") || name.contains(".new")).collect()
}

fn asked(variable: &str, otherwise: u32) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zone_killed_at_any_instant_has_all_it_answered_for_and_nothing_by_half() {
    let kills = asked("DEVCLOUD_KILLS", 4);
    let mut all = Killed::default();
    // Where every kill came before the first answer, it goes on.
    while all.times < kills || (all.told.jobs == 0 && all.times < kills + KILLS_OF_ONE_ZONE) {
        let directory = tempfile::tempdir().expect("a directory");
        let times = kills.saturating_sub(all.times).clamp(1, KILLS_OF_ONE_ZONE);
        let (killed, _) = kill_again_and_again(&SIMULATED, directory.path(), times, |_| Vec::new()).await;
        all.times += killed.times;
        all.while_opening += killed.while_opening;
        all.told += killed.told;
    }
    println!("{all}");
    assert!(all.told.things > 0 && all.told.jobs > 0, "nothing was at stake: {all}");
}
