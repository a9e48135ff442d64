//! Whatever is sent to the zone's door, it answers, with a reason where it refuses; nothing is left half made, and nobody
//! reaches what is another account's, also when calls are in flight at once and when the zone is slow, its jobs fail, its
//! machines die or its driver does not do what it is asked; what is answered, and what jobs result in, decodes as `listApis`
//! says. What is sent is made from the zone's own `listApis`, so that a new command is tried
//! without being named here. `DEVCLOUD_FUZZ=2000` sends so many batches instead of a few, and others each time.

mod event;
mod reply;
mod shot;
mod target;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Once;
use std::time::Duration;

use devcloud::{Method, Request};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use serde_json::Value;

use self::event::{Event, any_event};
use self::reply::Answered;
use self::shot::Shot;
pub(crate) use self::target::seen;
use self::target::{MARK, Target};
use crate::{kit, shape};

/// Batches in a usual run, and events in a batch at most, most of them a call each; in a long run there are more.
const BATCHES: u32 = 16;
const CALLS: usize = 60;
const CALLS_OF_A_LONG_RUN: usize = 400;

thread_local! {
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// Counts panics of this thread, which the zone itself would turn into answers.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.with(|panics| panics.set(panics.get() + 1));
            before(panic);
        }));
    });
    PANICS.with(|panics| panics.set(0));
}

fn batches() -> u32 {
    std::env::var("DEVCLOUD_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(BATCHES)
}

/// A usual run is the same each time: what a change breaks is told apart from what was never tried before.
fn runner(cases: u32) -> TestRunner {
    let rng_seed = match std::env::var_os("DEVCLOUD_FUZZ") {
        Some(_) => RngSeed::Random,
        None => RngSeed::Fixed(1),
    };
    let (failure_persistence, max_shrink_iters) = (None, 300);
    TestRunner::new(Config { cases, failure_persistence, max_shrink_iters, rng_seed, ..Config::default() })
}

pub(crate) fn on_a_paused_clock<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(work)
}

/// How often each kind of answer came.
#[derive(Default)]
struct Tally(BTreeMap<Answered, u64>);

impl Tally {
    #[expect(clippy::print_stdout, reason = "how much was tried is what a run is for")]
    fn print(&self, what: &str) {
        let all: u64 = self.0.values().sum();
        let each: Vec<String> = self.0.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        println!("{what}: {all} calls in {} batches: {}", batches(), each.join(", "));
    }
}

/// Calls told at most where a batch fails: what is shrunk no further is no story to be read.
const STORY: usize = 40;

/// Has a batch happen and looks whether the zone still hangs together; a failure tells what was sent, in order.
async fn batch(events: &[Event], as_admin: bool, tally: &RefCell<Tally>) -> Result<(), TestCaseError> {
    let mut story = Vec::new();
    let outcome = happen_and_look(events, as_admin, tally, &mut story).await;
    outcome.map_err(|error| {
        let left = story.len().saturating_sub(STORY);
        let story = story[left..].join("\n  ");
        TestCaseError::fail(format!("{error}\nwhat was sent, after {left} more:\n  {story}"))
    })
}

/// Sends calls that are in flight at once, and checks each one's answer.
async fn send(
    target: &Target,
    shots: &[Shot],
    as_admin: bool,
    tally: &RefCell<Tally>,
    story: &mut Vec<String>,
    jobs: &mut Vec<(String, String)>,
) -> Result<(), TestCaseError> {
    let sent: Vec<_> = shots.iter().map(|shot| (shot, shot.aim(target, as_admin))).collect();
    let answers = sent.iter().map(|(_, sent)| {
        let day = Duration::from_secs(86_400);
        tokio::time::timeout(day, target.world.zone.handle(sent.request.clone()))
    });
    let answers = futures::future::join_all(answers).await;
    for ((nth, (shot, sent)), reply) in sent.iter().enumerate().zip(answers) {
        let told = format!("{shot:?} was sent as {sent:?}");
        let Ok(reply) = reply else { return Err(TestCaseError::fail(format!("no answer: {told}"))) };
        let beside = if nth == 0 { "" } else { "at once: " };
        story.push(format!("{beside}{} {}", reply.status, sent.told()));
        let answered = reply::check(&reply).map_err(|why| TestCaseError::fail(format!("{why}: {told}")))?;
        *tally.borrow_mut().0.entry(answered).or_default() += 1;
        let text = String::from_utf8_lossy(&reply.body);
        if !as_admin {
            prop_assert!(!text.contains(MARK), "another account's thing is told: {text}: {told}");
        }
        target.learn(&kit::json_of(&reply));
        if answered == Answered::Done && reply.content_type.starts_with("application/json") {
            let (command, inside) = (sent.command(), kit::inside(&reply));
            shape::check(command, &inside);
            if let Some(job) = inside["jobid"].as_str().filter(|_| command != "queryAsyncJobResult") {
                jobs.push((command.to_owned(), job.to_owned()));
            }
        }
        prop_assert_eq!(PANICS.with(Cell::get), 0, "a panic by {}", told);
    }
    Ok(())
}

/// Has a batch happen, waits for its jobs, and looks whether the zone still hangs together.
async fn happen_and_look(
    events: &[Event],
    as_admin: bool,
    tally: &RefCell<Tally>,
    story: &mut Vec<String>,
) -> Result<(), TestCaseError> {
    // What can't be helped by the jobs themselves is by whoever looks after the zone, and nothing else is.
    let trouble = |event: &Event| matches!(event, Event::Weather(_) | Event::Fails(..));
    let watch = events.iter().any(trouble).then_some(Duration::from_secs(5));
    let target = Target::looked_after(watch).await;
    let before = target.victims_view().await;
    let mut jobs = Vec::new();
    for event in events {
        match event {
            Event::Calls(shots) => send(&target, shots, as_admin, tally, story, &mut jobs).await?,
            Event::Pause(time) => tokio::time::sleep(Duration::from_millis(*time)).await,
            Event::Weather(weather) => event::set_weather(&target, *weather),
            Event::Fails(operation, times) => target.world.driver.fail(*operation, *times),
        }
        if !matches!(event, Event::Calls(_)) {
            story.push(format!("{event:?}"));
        }
    }
    target.until_quiet().await.map_err(TestCaseError::fail)?;
    event::calm_down(&target).await;
    target.until_quiet().await.map_err(TestCaseError::fail)?;
    prop_assert_eq!(PANICS.with(Cell::get), 0, "a panic in a job");
    for (command, job) in jobs {
        // Jobs of accounts that were removed went with them.
        let look = target.observer.ask("queryAsyncJobResult", &[("jobid", &job)]).await;
        let look = kit::inside(&look);
        if look["jobstatus"] == 1 {
            shape::check(&command, &look["jobresult"]);
            let keys = look["jobresult"].as_object().map(serde_json::Map::len);
            prop_assert_eq!(keys, Some(1), "{}: clients take the first key: {}", command, look);
        }
    }
    if !as_admin {
        let after = target.victims_view().await;
        let changed: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
        prop_assert!(before.len() == after.len() && changed.is_empty(), "another's view: {:#?}", changed);
    }
    let seen = target.seen().await;
    let defects = seen.defects();
    prop_assert!(defects.is_empty(), "{:#?}", defects);
    target.driver_agrees(&seen).await.map_err(TestCaseError::fail)?;
    let reopened = target.reopened().await;
    let differences = seen.differences(&reopened);
    prop_assert!(differences.is_empty(), "the records are not the model: {:#?}", differences);
    Ok(())
}

fn fire(as_admin: bool, what: &str) {
    count_panics();
    let tally = RefCell::default();
    let calls = if batches() > BATCHES { CALLS_OF_A_LONG_RUN } else { CALLS };
    let outcome = runner(batches()).run(&proptest::collection::vec(any_event(), 1..calls), |events| {
        PANICS.with(|panics| panics.set(0));
        on_a_paused_clock(batch(&events, as_admin, &tally))
    });
    tally.borrow().print(what);
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn no_calls_of_a_user_break_the_zone_or_reach_another_account() {
    fire(false, "a user's calls");
}

#[test]
fn no_calls_of_a_root_admin_break_the_zone() {
    fire(true, "a root admin's calls");
}

/// Lists of what is the zone's and nobody's: whose they are asked for changes nothing in them.
fn of_the_zone(list: &str) -> bool {
    matches!(list, "listDiskOfferings" | "listDomains" | "listServiceOfferings")
}

/// Every parameter of every command is given every id of another account that fits it. As on the real server a list finds
/// nothing, and a write is refused without a word about the thing.
#[test]
fn another_account_s_ids_lead_nowhere_in_any_parameter_of_any_command() {
    count_panics();
    on_a_paused_clock(async {
        let target = Target::open().await;
        let before = target.victims_view().await;
        let (mut tried, mut leaks) = (0, Vec::new());
        for (api, parameters) in target.foreign() {
            let borrowed: Vec<(&str, &str)> =
                parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let reply = target.world.user().send(&api, &borrowed).await;
            reply::check(&reply).unwrap_or_else(|why| panic!("{why}: {api} {parameters:?}"));
            let inside = kit::inside(&reply);
            tried += 1;
            if inside.to_string().contains(MARK) {
                leaks.push(format!("{api} {parameters:?} tells {inside}"));
            }
            if let Some(job) = inside["jobid"].as_str().filter(|_| reply.status == 200) {
                let ended = target.world.user().wait(job).await;
                if ended.to_string().contains(MARK) {
                    leaks.push(format!("{api} {parameters:?} tells {ended}"));
                }
            } else if reply.status == 200 && api.starts_with("list") {
                let found = inside.as_object().is_some_and(|found| {
                    found.values().filter_map(Value::as_array).any(|found| !found.is_empty())
                });
                if found && !of_the_zone(&api) {
                    leaks.push(format!("{api} {parameters:?} finds {inside}"));
                }
            }
        }
        assert!(leaks.is_empty(), "{leaks:#?}");
        assert_eq!(target.victims_view().await, before);
        assert!(tried > 100, "{tried}");
        println!("another account's ids: {tried} calls");
    });
    assert_eq!(PANICS.with(Cell::get), 0);
}

/// Bytes that are no request of any client.
#[test]
fn no_bytes_at_the_door_go_without_an_answer() {
    count_panics();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let target = runtime.block_on(Target::open());
    let count = Cell::new(0_u64);
    let bytes =
        (any::<String>(), any::<Vec<u8>>(), any::<Option<String>>(), any::<Option<String>>(), 0_usize..3);
    let outcome = runner(64 * batches()).run(&bytes, |(query, body, content_type, cookie, method)| {
        let mut request = Request::post("");
        request.method = [Method::Get, Method::Post, Method::Other][method];
        (request.query, request.body, request.cookie) = (query, body, cookie);
        request.content_type = content_type.or(request.content_type);
        let reply = runtime.block_on(target.world.zone.handle(request));
        let answered = reply::check(&reply).map_err(TestCaseError::fail)?;
        prop_assert_ne!(answered, Answered::Done);
        prop_assert_eq!(PANICS.with(Cell::get), 0);
        count.set(count.get() + 1);
        Ok(())
    });
    println!("bytes at the door: {} requests", count.get());
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
