//! Killed at every await: a run is dropped after its n-th poll, for every n until it ends by itself, once with the calls
//! that are on their way dying with it and once with them arriving all the same. Then it is run again, and everything
//! the zone has is compared with what a run that was not killed leaves, field by field.
//!
//! Larger clusters are killed at random moments in bad weather, more than once in a row. `MESOSTACK_CRASHES` says how
//! often (default: a few times, so that the whole suite stays quick), `MESOSTACK_SEED` where to begin.

#![expect(clippy::print_stdout, reason = "how many kill points there were is what a reader wants to know")]

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use cloudstack::{Expect, resource::StopVirtualMachine};
use devcloud::{
    Throttle, ZoneConfig,
    faults::{Faults, JobFault, MachineFault, When},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::{Instant, sleep};

use crate::{
    census::{Census, census, difference},
    counts::note,
    wire::Weather,
    zone::{Asked, Bench, file, file_behind},
};

/// How long a process needs at least to be started again; calls that outlived it have arrived by then.
pub(crate) const RESTART: Duration = Duration::from_millis(20);

/// When jobs that a killed run has set going are over at the latest.
const SETTLED: Duration = Duration::from_secs(10);

/// A future that is dropped after so many polls.
pub(crate) struct Mortal<F> {
    life: Option<Pin<Box<F>>>,
    polls: usize,
}

impl<F: Future> Future for Mortal<F> {
    /// What the future gave, if it lived so long.
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(life) = &mut self.life else { return Poll::Ready(None) };
        if let Poll::Ready(done) = life.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        self.polls = self.polls.saturating_sub(1);
        if self.polls > 0 {
            return Poll::Pending;
        }
        self.life = None;
        Poll::Ready(None)
    }
}

pub(crate) fn mortal<F: Future>(polls: usize, life: F) -> Mortal<F> {
    Mortal { life: Some(Box::pin(life)), polls }
}

/// What is done to a cluster, from where.
#[derive(Clone, Debug)]
struct Story {
    name: &'static str,
    /// What was asked for before, one after the other.
    before: Vec<Asked>,
    /// Whether something befell the cluster in between: a master lost, an agent stopped.
    befallen: bool,
    /// What is asked for then; nothing is a destruction.
    then: Option<Asked>,
}

impl Story {
    fn file(&self) -> &Asked {
        self.then.as_ref().or(self.before.last()).expect("a file")
    }

    async fn scene(&self) -> Bench {
        let bench = Bench::new().await;
        for before in &self.before {
            bench.apply(before).await;
        }
        if self.befallen {
            befall(&bench).await;
        }
        bench
    }

    /// The run, over a wire of its own.
    async fn run(&self, bench: &Bench, outlived: bool) -> Result<(), String> {
        let wire = bench.wire_in(Weather { outlives: outlived, ..Weather::default() });
        bench.attempt(bench.client_over(wire), self.then.as_ref(), self.file()).await
    }

    /// What a run that is not killed leaves.
    async fn ending(&self) -> Census {
        let bench = self.scene().await;
        self.run(&bench, false).await.expect("an undisturbed run");
        self.settled(&bench).await;
        census(&bench).await
    }

    /// A plan is empty, or nothing is left.
    async fn settled(&self, bench: &Bench) {
        match &self.then {
            // What is asked for once, such as a replacement, is not asked for again.
            Some(asked) => bench.assert_whole(&asked.file).await,
            None => bench.assert_empty().await,
        }
    }
}

/// Takes a master away and stops an agent.
async fn befall(bench: &Bench) {
    let (client, soon) = (bench.client(), Instant::now() + Duration::from_secs(300));
    bench.lose("mesos-master-2").await;
    let stopped = bench.machine("mesos-agent-2").await;
    client.run(&StopVirtualMachine::new(&stopped), Expect::Long, soon).await.expect("stopped");
}

/// Kills a story at every poll of this shard; how many kill points there were.
async fn kill_everywhere(story: Story, shard: usize, shards: usize) -> usize {
    kill_everywhere_and_run(story, None, shard, shards).await
}

/// The same, with something else that is asked for after each kill.
async fn kill_everywhere_and_run(story: Story, after: Option<Asked>, shard: usize, shards: usize) -> usize {
    let ending = story.ending().await;
    let again = match after {
        Some(after) => Story { then: Some(after), ..story.clone() },
        None => story.clone(),
    };
    let scene = story.scene().await;
    let mut kills = 0;
    for polls in (1 + shard..).step_by(shards) {
        let mut ended = 0;
        for outlived in [false, true] {
            let bench = scene.fork().await;
            match mortal(polls, story.run(&bench, outlived)).await {
                Some(result) => {
                    result.expect("an undisturbed run");
                    ended += 1;
                    continue;
                }
                None => kills += 1,
            }
            sleep(RESTART).await;
            let at = format!(
                "{} killed at poll {polls}, calls under way {}",
                story.name,
                match outlived {
                    true => "arrive",
                    false => "are lost",
                }
            );
            again.run(&bench, false).await.unwrap_or_else(|error| panic!("{at}: {error}"));
            again.settled(&bench).await;
            // A rule that the killed run sent for counts as there, and may still be on its way to the router.
            sleep(SETTLED).await;
            let found = difference(&census(&bench).await, &ending);
            assert!(found.is_empty(), "{at}:\n{}", found.join("\n"));
        }
        if ended == 2 {
            break;
        }
    }
    println!("{}, shard {shard}: {kills} kill points, each made good", story.name);
    note("kill points", kills);
    kills
}

fn first() -> Story {
    Story { name: "first apply of 3 + 3", before: vec![], befallen: false, then: Some(file(3, 3).into()) }
}

#[tokio::test(start_paused = true)]
async fn a_first_apply_killed_at_every_even_poll_ends_in_the_same_cluster() {
    assert!(kill_everywhere(first(), 1, 2).await > 50);
}

#[tokio::test(start_paused = true)]
async fn a_first_apply_killed_at_every_odd_poll_ends_in_the_same_cluster() {
    assert!(kill_everywhere(first(), 0, 2).await > 50);
}

#[tokio::test(start_paused = true)]
async fn a_first_apply_behind_the_masters_killed_at_every_poll_ends_in_the_same_cluster() {
    let story = Story {
        name: "first apply of 3 + 3 behind the masters",
        before: vec![],
        befallen: false,
        then: Some(file_behind(3, 3).into()),
    };
    assert!(kill_everywhere(story, 0, 1).await > 100);
}

#[tokio::test(start_paused = true)]
async fn mending_behind_the_masters_killed_at_every_poll_ends_in_the_same_cluster() {
    let story = Story {
        name: "growth and mending of 3 + 3 behind the masters",
        before: vec![file_behind(3, 2).into()],
        befallen: true,
        then: Some(file_behind(3, 4).into()),
    };
    assert!(kill_everywhere(story, 0, 1).await > 50);
}

#[tokio::test(start_paused = true)]
async fn growth_killed_at_every_poll_ends_in_the_same_cluster() {
    let story = Story {
        name: "growth from 3 + 3 to 3 + 5",
        before: vec![file(3, 3).into()],
        befallen: false,
        then: Some(file(3, 5).into()),
    };
    assert!(kill_everywhere(story, 0, 1).await > 50);
}

#[tokio::test(start_paused = true)]
async fn taking_agents_behind_the_masters_killed_at_every_poll_ends_in_the_same_cluster() {
    let story = Story {
        name: "3 + 3 going behind the masters",
        before: vec![file(3, 3).into()],
        befallen: false,
        then: Some(file_behind(3, 3).into()),
    };
    assert!(kill_everywhere(story, 0, 1).await > 20);
}

#[tokio::test(start_paused = true)]
async fn shrinking_killed_at_every_poll_ends_in_the_same_cluster() {
    let story = Story {
        name: "3 + 5 shrinking to 3 + 3",
        before: vec![file(3, 5).into()],
        befallen: false,
        then: Some(file(3, 3).into()),
    };
    assert!(kill_everywhere(story, 0, 1).await > 20);
}

#[tokio::test(start_paused = true)]
async fn a_removal_by_name_killed_at_every_poll_ends_in_the_same_cluster() {
    let story = Story {
        name: "3 + 3 without agent-1",
        before: vec![file(3, 3).into()],
        befallen: false,
        then: Some(Asked::without(file(3, 2), &["agent-1"])),
    };
    assert!(kill_everywhere(story, 0, 1).await > 10);
}

/// A replacement that is killed is made good by an apply, not by another replacement.
#[tokio::test(start_paused = true)]
async fn a_replaced_agent_killed_at_every_poll_is_made_good_by_an_apply() {
    let story = Story {
        name: "3 + 3 with another agent-2",
        before: vec![file(3, 3).into()],
        befallen: false,
        then: Some(Asked::replacing(file(3, 3), "agent-2")),
    };
    assert!(kill_everywhere_and_run(story, Some(file(3, 3).into()), 0, 1).await > 20);
}

/// Where there are lower numbers that nobody has: the one that was begun to be made anew comes back, and no other.
#[tokio::test(start_paused = true)]
async fn a_replaced_agent_with_free_numbers_below_it_killed_at_every_poll_is_made_good_by_an_apply() {
    let story = Story {
        name: "agents 2, 3 and 5 with another agent-5",
        before: vec![file(3, 5).into(), Asked::without(file(3, 3), &["agent-1", "agent-4"])],
        befallen: false,
        then: Some(Asked::replacing(file(3, 3), "agent-5")),
    };
    assert!(kill_everywhere_and_run(story, Some(file(3, 3).into()), 0, 1).await > 20);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_master_killed_at_every_poll_is_made_good_by_an_apply() {
    let story = Story {
        name: "3 + 1 with another master-3",
        before: vec![file(3, 1).into()],
        befallen: false,
        then: Some(Asked::replacing(file(3, 1), "master-3")),
    };
    assert!(kill_everywhere_and_run(story, Some(file(3, 1).into()), 0, 1).await > 20);
}

#[tokio::test(start_paused = true)]
async fn more_masters_killed_at_every_poll_end_in_the_same_cluster() {
    let story = Story {
        name: "3 + 1 growing to 4 + 1",
        before: vec![file(3, 1).into()],
        befallen: false,
        then: Some(file(4, 1).into()),
    };
    assert!(kill_everywhere(story, 0, 1).await > 20);
}

/// From a majority of two to one of three, by two masters: killed at a moment out of eleven, and at random.
#[tokio::test(start_paused = true)]
async fn three_masters_becoming_five_killed_again_and_again_end_in_the_same_cluster() {
    let story = Story {
        name: "3 + 1 growing to 5 + 1",
        before: vec![file(3, 1).into()],
        befallen: false,
        then: Some(file(5, 1).into()),
    };
    assert!(kill_everywhere(story.clone(), 4, 11).await > 20);
    kill_at_random(story, 200, seeds(12, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn a_destruction_killed_at_every_poll_leaves_nothing() {
    let story =
        Story { name: "destruction of 3 + 3", before: vec![file(3, 3).into()], befallen: false, then: None };
    assert!(kill_everywhere(story, 0, 1).await > 20);
}

#[tokio::test(start_paused = true)]
async fn mending_killed_at_every_poll_ends_in_the_same_cluster() {
    let story = Story {
        name: "mending of 3 + 3",
        before: vec![file(3, 3).into()],
        befallen: true,
        then: Some(file(3, 3).into()),
    };
    assert!(kill_everywhere(story, 0, 1).await > 50);
}

/// How often a cluster is killed at random.
fn crashes(usual: u64) -> u64 {
    number("MESOSTACK_CRASHES").unwrap_or(usual)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// What goes wrong in a zone itself, beside the calls on their way to it.
#[derive(Debug)]
struct Mishaps {
    faults: Faults,
    throttle: Option<Throttle>,
    lag: Duration,
}

impl Mishaps {
    /// None at every other seed.
    fn draw(random: &mut StdRng) -> Self {
        let mut faults = Faults::seeded(random.random());
        let (mut throttle, mut lag) = (None, Duration::ZERO);
        if random.random() {
            let (code, text) = FAILURES[random.random_range(0..FAILURES.len())];
            let fail = JobFault::Fail { code, text: text.to_owned(), done: random.random_bool(0.3) };
            faults = faults.job("*", When::chance(random.random_range(0.0..0.06)), fail);
            if random.random_bool(0.3) {
                let hang = JobFault::Hang { done: random.random() };
                faults = faults.job("*", When::nth(random.random_range(1..120)), hang);
            }
            let error = random.random_range(0.0..0.1);
            let death = When::chance(random.random_range(0.0..0.1));
            let after = Duration::from_secs(random.random_range(1..20));
            // One that is made again knows nothing: of the masters, a majority has to be what it was.
            for mortal in ["mesos-agent*", "mesos-master-2"] {
                faults = faults.machine(mortal, When::chance(error), MachineFault::Error);
            }
            faults = faults.machine("*", death, MachineFault::Dies(after.into()));
            throttle = [None, Some(12), Some(25)][random.random_range(0..3)]
                .map(|calls| Throttle { calls, window: Duration::from_secs(1) });
            lag = Duration::from_millis([0, 1_000, 3_000][random.random_range(0..3)]);
        }
        Self { faults, throttle, lag }
    }
}

/// How jobs fail in clouds that are unwell.
const FAILURES: [(u16, &str); 4] = [
    (530, "Internal error executing command, please contact your system administrator"),
    (533, "Unable to create a deployment for VM instance due to Insufficient capacity"),
    (534, "Unable to contact resource."),
    (536, "The resource is in use"),
];

/// When machines that die have died, and the zone has noticed.
const MOURNED: Duration = Duration::from_secs(60);

/// Kills a story at random moments in bad weather, with jobs that fail or hang, machines that end in `Error` or die, lists
/// that lag and a throttle; up to three times in a row. Then it is run in calm.
async fn kill_at_random(story: Story, longest: usize, seeds: impl Iterator<Item = u64>) {
    let ending = story.ending().await;
    let scene = story.scene().await;
    let (mut kills, mut failures, mut runs, mut mishaps) = (0, 0, 0, 0);
    for seed in seeds {
        runs += 1;
        let mut random = StdRng::seed_from_u64(seed);
        let Mishaps { faults, throttle, lag } = Mishaps::draw(&mut random);
        let troubled = !faults.jobs.is_empty();
        mishaps += usize::from(troubled);
        let bench = scene.fork_with(ZoneConfig { throttle, ..scene.zone.config() }).await;
        bench.zone.set_faults(&faults);
        for _ in 0..random.random_range(1..=3) {
            let weather = Weather {
                seed: random.random(),
                rate: random.random_range(0.0..0.25),
                outlives: random.random(),
                lag,
                ..Weather::default()
            };
            let client = bench.client_over(bench.wire_in(weather));
            let run = bench.attempt(client, story.then.as_ref(), story.file());
            // What the mishaps do to a run shows only when it lives.
            let life = match troubled && random.random_bool(0.4) {
                true => usize::MAX,
                false => random.random_range(1..longest),
            };
            match mortal(life, run).await {
                None => kills += 1,
                Some(Err(_)) => failures += 1,
                Some(Ok(())) => {}
            }
            // A run that was not killed gives its lease back, and the next one does not see what is not shown yet.
            sleep(lag + RESTART + Duration::from_millis(random.random_range(0..4_000))).await;
        }
        bench.zone.set_faults(&Faults::default());
        sleep(MOURNED).await;
        // Jobs that hang do so until the server is started again; ids of its own, or some would be drawn a second time.
        let config = ZoneConfig { seed: Some(seed + 1_000_000), ..bench.zone.config() };
        let bench = bench.fork_with(config).await;
        let calm = story.run(&bench, false).await;
        calm.unwrap_or_else(|error| panic!("{}, seed {seed}: {error}", story.name));
        story.settled(&bench).await;
        sleep(SETTLED).await;
        let found = difference(&census(&bench).await, &ending);
        assert!(found.is_empty(), "{}, seed {seed}:\n{}", story.name, found.join("\n"));
    }
    println!(
        "{}: {runs} times ({mishaps} with mishaps in the zone), {kills} kills and {failures} failed runs, each made good",
        story.name
    );
    note("stories killed at random", runs);
    note("kills at random", kills);
    note("failed runs", failures);
}

/// Seeds of one of two threads.
pub(crate) fn seeds(usual: u64, thread: u64) -> impl Iterator<Item = u64> {
    let first = number("MESOSTACK_SEED").unwrap_or(1);
    (first..first + crashes(usual)).filter(move |seed| seed % 2 == thread)
}

#[tokio::test(start_paused = true)]
async fn three_and_twenty_killed_at_random_in_bad_weather_end_in_the_same_cluster_even_seeds() {
    let story = Story {
        name: "first apply of 3 + 20",
        before: vec![],
        befallen: false,
        then: Some(file(3, 20).into()),
    };
    kill_at_random(story, 260, seeds(24, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn three_and_twenty_killed_at_random_in_bad_weather_end_in_the_same_cluster_odd_seeds() {
    let story = Story {
        name: "first apply of 3 + 20",
        before: vec![],
        befallen: false,
        then: Some(file(3, 20).into()),
    };
    kill_at_random(story, 260, seeds(24, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn growth_and_destruction_killed_at_random_in_bad_weather_end_the_same() {
    let growth = Story {
        name: "growth from 3 + 3 to 3 + 9",
        before: vec![file(3, 3).into()],
        befallen: true,
        then: Some(file(3, 9).into()),
    };
    kill_at_random(growth, 120, seeds(24, 0)).await;
    let behind = Story {
        name: "first apply of 3 + 20 behind the masters",
        before: vec![],
        befallen: false,
        then: Some(file_behind(3, 20).into()),
    };
    kill_at_random(behind, 160, seeds(24, 0)).await;
    let destruction =
        Story { name: "destruction of 3 + 9", before: vec![file(3, 9).into()], befallen: false, then: None };
    kill_at_random(destruction, 60, seeds(24, 1)).await;
}
