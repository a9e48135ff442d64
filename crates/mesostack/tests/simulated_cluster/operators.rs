//! Several operators on one cluster: one works at a time, the others are told who, wait, or come after a killed one.
//!
//! Who works when is judged from the zone's side: a referee hears every call that the zone accepts, in their order.

#![expect(clippy::print_stdout, reason = "how often the lease changed hands is what a reader wants to know")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use cloudstack::{
    Client, RawReply, SignedRequest, Transport, TransportError, TransportFailure,
    resource::ListAffinityGroups,
};
use devcloud::faults::{Answered, CallFault, Faults, When};
use jiff::SignedDuration;
use mesostack::cluster::lease::{self, Holder, Lease, LeaseError, News, Released, Terms};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    counts::note,
    crashes::{mortal, seeds},
    wire::{Watcher, Weather, Wire},
    zone::{Asked, Bench, file, file_behind},
};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// How one who does not wait asks.
fn impatient(bench: &Bench, name: &str) -> Terms {
    let holder = Holder::new(name, 7);
    Terms { holder, length: lease::USUAL, patience: Duration::ZERO, ..bench.terms() }
}

async fn take(bench: &Bench, terms: &Terms) -> Result<Lease, LeaseError> {
    take_by(&bench.client(), terms).await
}

async fn take_by(client: &Client, terms: &Terms) -> Result<Lease, LeaseError> {
    lease::take(client, terms, &CancellationToken::new(), &|_| {}).await
}

/// Groups of the lease, of whatever kind.
async fn groups(bench: &Bench) -> Vec<String> {
    let groups =
        bench.client().list(&ListAffinityGroups::new().keyword("mesos.lease")).await.expect("a list");
    groups.into_iter().map(|group| group.name).collect()
}

#[tokio::test(start_paused = true)]
async fn the_second_is_told_who_works_and_comes_after_the_first() {
    let bench = Bench::new().await;
    let began = bench.zone.now();
    let first = take(&bench, &impatient(&bench, "anna@laptop")).await.expect("nobody has it");
    let refused = take(&bench, &impatient(&bench, "ben@desk")).await.expect_err("somebody has it");
    let LeaseError::Held { held, .. } = &refused else { panic!("{refused}") };
    assert_eq!((held.holder.name.as_str(), held.holder.process), ("anna@laptop", 7));
    assert!(held.since.duration_since(began).abs() <= SignedDuration::from_secs(1), "{held:?}");
    assert_eq!(held.until.duration_since(held.since), SignedDuration::from_secs(180));
    assert!(
        refused.to_string().starts_with("anna@laptop (process 7) works on cluster mesos, since "),
        "{refused}"
    );

    let heard = Mutex::new(Vec::new());
    let hear = |news| heard.lock().expect("no panic").push(news);
    let patient = Terms { patience: seconds(300), ..impatient(&bench, "ben@desk") };
    let client = bench.client();
    let stop = CancellationToken::new();
    let second = async {
        let lease = lease::take(&client, &patient, &stop, &hear).await.expect("a turn");
        (lease, Instant::now())
    };
    let working = async {
        first.keep(sleep(seconds(20))).await;
        assert_eq!(first.release().await, Released::GivenBack);
        Instant::now()
    };
    let ((second, taken), given_back) = tokio::join!(second, working);
    assert!(taken.duration_since(given_back) <= seconds(6), "{:?}", taken.duration_since(given_back));
    assert!(matches!(heard.lock().expect("no panic").as_slice(), [News::Waiting(_)]), "told once");
    assert_eq!(second.release().await, Released::GivenBack);
    assert_eq!(groups(&bench).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_killed_holder_keeps_its_lease_until_its_end_and_no_longer() {
    let bench = Bench::new().await;
    let killed = take(&bench, &impatient(&bench, "anna@laptop")).await.expect("nobody has it");
    let _ = timeout(seconds(60), killed.keep(std::future::pending::<()>())).await;
    drop(killed);
    assert!(take(&bench, &impatient(&bench, "ben@desk")).await.expect_err("not yet").is_held());
    let began = Instant::now();
    let patient = Terms { patience: seconds(600), ..impatient(&bench, "ben@desk") };
    let heir = take(&bench, &patient).await.expect("after its end");
    let waited = began.elapsed();
    assert!(waited > seconds(110) && waited < seconds(135), "{waited:?}");
    drop(heir);
    sleep(seconds(3_600)).await;
    // Who comes long afterwards does not wait.
    let late = Instant::now();
    let heir = take(&bench, &impatient(&bench, "carl@bus")).await.expect("it is long over");
    assert!(late.elapsed() < seconds(2));
    heir.release().await;
    assert_eq!(groups(&bench).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_works_for_an_hour_keeps_its_lease_and_leaves_nothing() {
    let bench = Bench::new().await;
    let lease = take(&bench, &impatient(&bench, "anna@laptop")).await.expect("nobody has it");
    let hour = async {
        for _ in 0..60 {
            sleep(seconds(60)).await;
            let refused = take(&bench, &impatient(&bench, "ben@desk")).await.expect_err("it is renewed");
            assert!(refused.is_held(), "{refused}");
            let groups = groups(&bench).await;
            assert!(groups.len() <= 3, "{groups:?}");
        }
    };
    lease.keep(hour).await;
    lease.check().expect("not lost");
    assert_eq!(lease.release().await, Released::GivenBack);
    assert_eq!(groups(&bench).await, Vec::<String>::new());
}

/// A wire that can be cut.
#[derive(Debug)]
struct Cable {
    wire: Arc<Wire>,
    cut: AtomicBool,
}

#[async_trait]
impl Transport for Cable {
    async fn send(&self, request: SignedRequest) -> Result<RawReply, TransportError> {
        match self.cut.load(Ordering::Relaxed) {
            true => Err(TransportError::bare(TransportFailure::NotSent)),
            false => self.wire.send(request).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_renew_stops_before_another_can_begin_and_changes_nothing_afterwards() {
    let bench = Bench::new().await;
    let cable = Arc::new(Cable { wire: bench.wire(None), cut: AtomicBool::new(false) });
    let client = bench.client_over(cable.clone());
    let lease = take_by(&client, &impatient(&bench, "anna@laptop")).await.expect("nobody has it");
    cable.cut.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let stopped = async {
        lease.stop().cancelled().await;
        Instant::now()
    };
    let stopped = lease.keep(stopped).await;
    let lost = lease.check().expect_err("it was lost");
    assert!(lost.to_string().contains("could not be renewed in time"), "{lost}");
    assert!(stopped - began < seconds(165) && stopped - began > seconds(150), "{:?}", stopped - began);
    let patient = Terms { patience: seconds(600), ..impatient(&bench, "ben@desk") };
    let heir = take(&bench, &patient).await.expect("after its end");
    assert!(Instant::now() - stopped >= seconds(10) + lease.grace(), "{:?}", Instant::now() - stopped);
    cable.cut.store(false, Ordering::Relaxed);
    let group = cloudstack::resource::CreateAffinityGroup::new("late", "host anti-affinity");
    let refused = lease.client().start(&group).await.expect_err("too late");
    assert!(matches!(refused, cloudstack::Error::Fenced { .. }), "{refused}");
    assert_eq!(lease.release().await, Released::Lost);
    assert_eq!(heir.release().await, Released::GivenBack);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off_neither_shortens_a_lease_nor_makes_it_outlive_its_holder() {
    for ahead in [-540, -200, 0, 200, 86_400] {
        let ahead = SignedDuration::from_secs(ahead);
        for polls in 1..60 {
            let bench = Bench::new().await;
            let client = bench.client_with_clock("mesostack", bench.wire(None), ahead);
            let terms = impatient(&bench, "anna@laptop");
            let taken = mortal(polls, take_by(&client, &terms)).await;
            let ended = taken.is_some();
            if let Some(lease) = taken {
                let lease = lease.expect("nobody has it");
                assert!(
                    take(&bench, &impatient(&bench, "ben@desk")).await.expect_err("held").is_held(),
                    "{ahead}"
                );
                lease.keep(sleep(seconds(400))).await;
                lease.check().expect("not lost");
            }
            // Killed now: another one, whose clock is off the other way, waits for one length of it.
            let began = Instant::now();
            let other =
                bench.client_with_clock("mesostack", bench.wire(None), SignedDuration::from_secs(-300));
            let patient = Terms { patience: seconds(600), ..impatient(&bench, "ben@desk") };
            let heir = take_by(&other, &patient).await.expect("a turn");
            assert!(began.elapsed() < seconds(180 + 10), "{ahead}, poll {polls}: {:?}", began.elapsed());
            assert_eq!(heir.release().await, Released::GivenBack);
            assert_eq!(groups(&bench).await, Vec::<String>::new());
            if ended {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_still_arrive_keeps_the_lease_from_being_given_back() {
    let bench = Bench::new().await;
    let slow = Weather { outlives: true, ..Weather::default() };
    let client = bench.client_over(bench.wire_in(slow));
    let lease = take_by(&client, &impatient(&bench, "anna@laptop")).await.expect("nobody has it");
    let group = cloudstack::resource::CreateAffinityGroup::new("late", "host anti-affinity");
    let working = lease.client();
    assert!(mortal(1, working.start(&group)).await.is_none(), "cut off");
    assert!(matches!(lease.release().await, Released::Left(_)));
    assert!(take(&bench, &impatient(&bench, "ben@desk")).await.expect_err("not yet").is_held());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_only_has_the_lease_s_name_is_not_taken_for_one() {
    let bench = Bench::new().await;
    let group = cloudstack::resource::CreateAffinityGroup::new("mesos.lease", "host anti-affinity");
    bench.client().start(&group).await.expect("a group");
    let refused = take(&bench, &bench.terms()).await.expect_err("it is somebody's");
    assert!(matches!(refused, LeaseError::Foreign { .. }), "{refused}");
    assert_eq!(groups(&bench).await, ["mesos.lease"]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_something_in_between_makes_twice_is_had_unless_that_never_ends() {
    for (when, had) in [(When::nth(1), true), (When::Always, false)] {
        let bench = Bench::new().await;
        let fault = CallFault::Twice { apart: Duration::from_millis(5), answered: Answered::Second };
        let faults = Faults::seeded(1).call("createAffinityGroup", when, fault);
        let client = bench.client_over(Arc::new(devcloud::faults::Wire::with(&bench.zone, &faults)));
        match take_by(&client, &impatient(&bench, "anna@laptop")).await {
            Ok(lease) => assert!(had && lease.release().await == Released::GivenBack),
            Err(error) => assert!(!had && error.to_string().contains("already exists"), "{error}"),
        }
        assert_eq!(groups(&bench).await, Vec::<String>::new());
    }
}

/// Hears what the zone accepts, from whichever run.
#[derive(Debug, Default)]
struct Referee(Mutex<Court>);

#[derive(Debug, Default)]
struct Court {
    /// Whose the lease is, and its id.
    owner: Option<(u64, String)>,
    /// All groups of leases.
    groups: BTreeSet<String>,
    turns: usize,
    changes: usize,
    fouls: Vec<String>,
}

/// One run's place before the referee.
#[derive(Debug)]
struct Seat {
    run: u64,
    referee: Arc<Referee>,
}

impl Watcher for Seat {
    fn accepted(&self, form: &str, reply: &[u8]) {
        let call: BTreeMap<_, _> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let command = call["command"].as_str();
        if ["list", "query", "get"].iter().any(|reads| command.starts_with(reads)) {
            return;
        }
        let mut court = self.referee.0.lock().expect("no panic");
        let name = call.get("name").map_or("", String::as_str);
        if command == "createAffinityGroup" && name.contains(".lease") {
            let reply: serde_json::Value = serde_json::from_slice(reply).expect("JSON");
            let id = reply["createaffinitygroupresponse"]["id"].as_str().expect("an id").to_owned();
            court.groups.insert(id.clone());
            if name == "mesos.lease" {
                court.owner = Some((self.run, id));
                court.turns += 1;
            }
            return;
        }
        if command == "deleteAffinityGroup" && court.groups.contains(&call["id"]) {
            if court.owner.as_ref().is_some_and(|(_, id)| *id == call["id"]) {
                court.owner = None;
            }
            return;
        }
        court.changes += 1;
        if court.owner.as_ref().is_none_or(|(owner, _)| *owner != self.run) {
            let foul = format!("run {}: {command}, while the lease is {:?}", self.run, court.owner);
            court.fouls.push(foul);
        }
    }
}

/// Two or three operators with clocks of their own, on bad networks, are killed now and then; then one more has its way.
async fn interleave(seed: u64) -> (usize, usize, usize) {
    let bench = Bench::new().await;
    let referee = Arc::new(Referee::default());
    let mut random = StdRng::seed_from_u64(seed);
    let operators = random.random_range(2..=3);
    let lives = (0..operators).map(|operator| {
        let (bench, referee) = (&bench, Arc::clone(&referee));
        let mut random = StdRng::seed_from_u64(seed * 31 + operator);
        async move {
            let ahead = SignedDuration::from_secs(random.random_range(-400..4_000));
            let mut kills = 0;
            for turn in 0..4_u64 {
                sleep(Duration::from_millis(random.random_range(0..90_000))).await;
                let weather = Weather {
                    seed: random.random(),
                    rate: random.random_range(0.0..0.1),
                    outlives: random.random(),
                    slow: random.random_range(0..60),
                    ..Weather::default()
                };
                let run = operator * 100 + turn;
                let seat = Arc::new(Seat { run, referee: Arc::clone(&referee) });
                let wire = Wire::new(Arc::clone(&bench.zone), None, weather).watched_by(seat);
                let client = bench.client_with_clock("mesostack", Arc::new(wire), ahead);
                let terms = Terms {
                    length: seconds(random.random_range(15..90)),
                    patience: seconds(random.random_range(0..400)),
                    holder: Holder::new("operator", u32::try_from(run).expect("small")),
                    ..bench.terms()
                };
                let then = match random.random_range(0..4) {
                    0 => None,
                    1 => Some(file_behind(2, 2).into()),
                    _ => Some(Asked::from(file(2, 2))),
                };
                let life = match random.random_bool(0.6) {
                    true => random.random_range(1..200),
                    false => usize::MAX,
                };
                let usual = file(2, 2).into();
                let attempt = bench.attempt_on(&terms, client, then.as_ref(), &usual);
                kills += usize::from(mortal(life, attempt).await.is_none());
            }
            kills
        }
    });
    let kills = futures::future::join_all(lives).await.into_iter().sum();
    let court = std::mem::take(&mut *referee.0.lock().expect("no panic"));
    assert!(court.fouls.is_empty(), "seed {seed}:\n{}", court.fouls.join("\n"));
    let last = file(2, 2).into();
    bench
        .attempt(bench.client(), Some(&last), &last)
        .await
        .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    bench.assert_whole(&file(2, 2)).await;
    assert_eq!(
        groups(&bench).await,
        Vec::<String>::new(),
        "seed {seed}: what killed runs left goes with the next run"
    );
    bench.destroy(&file(2, 2)).await;
    bench.assert_empty().await;
    (court.turns, court.changes, kills)
}

async fn interleave_all(seeds: impl Iterator<Item = u64>) {
    let (mut times, mut turns, mut changes, mut kills) = (0, 0, 0, 0);
    for seed in seeds {
        let (more_turns, more_changes, more_kills) = interleave(seed).await;
        (times, turns) = (times + 1, turns + more_turns);
        (changes, kills) = (changes + more_changes, kills + more_kills);
    }
    println!(
        "two or three operators interleaved {times} times: the lease changed hands {turns} times, {kills} runs were \
         killed, and all of {changes} changes were made by who had it"
    );
    note("interleavings of operators", times);
    assert!(turns > times && changes > turns && kills > 0, "{turns} {changes} {kills}");
}

#[tokio::test(start_paused = true)]
async fn operators_interleaved_at_random_never_work_at_once_even_seeds() {
    interleave_all(seeds(40, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn operators_interleaved_at_random_never_work_at_once_odd_seeds() {
    interleave_all(seeds(40, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn where_few_calls_begin_in_a_second_a_large_apply_keeps_its_lease_all_the_same() {
    let bench = Bench::new().await;
    let began = Instant::now();
    let applied = bench.apply_over(bench.client_at(2.0), &file(3, 150)).await;
    let applied = applied.unwrap_or_else(|error| panic!("{error}: {:#?}", error.failures));
    // Several times as long as the lease lasts, with more calls at once than begin in its time.
    assert!(began.elapsed() > 3 * bench.terms().length, "{:?}", began.elapsed());
    assert!(began.elapsed() >= seconds(applied.calls / 2), "{:?} for {}", began.elapsed(), applied.calls);
    bench.assert_whole(&file(3, 150)).await;
}
