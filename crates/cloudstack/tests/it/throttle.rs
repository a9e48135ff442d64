//! A server that takes so many calls a second and says nothing of when to come back, on simulated time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloudstack::resource::ListZones;
use cloudstack::{Expect, JobId};
use futures::future::join_all;
use serde_json::json;
use tokio::time::Instant;

use crate::scripted::{Answer, Scripted};

/// Counts calls in windows of a second, as the server does, and refuses what is beyond `most`.
fn throttling(
    most: usize,
    answer: impl Fn(&str) -> Answer + Send + 'static,
) -> (Arc<Scripted>, Arc<AtomicUsize>) {
    let refused = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&refused);
    let (mut window, mut taken) = (Instant::now(), 0);
    let server = Scripted::new(move |seen| {
        if seen.at >= window + Duration::from_secs(1) {
            (window, taken) = (seen.at, 0);
        }
        taken += 1;
        if taken > most {
            counter.fetch_add(1, Ordering::Relaxed);
            return Answer::Refused(429, "The given user has reached his/her account api limit");
        }
        answer(&seen.command)
    });
    (server, refused)
}

#[tokio::test(start_paused = true)]
async fn a_refusal_slows_all_callers_down_to_what_the_server_takes() {
    let (server, refused) = throttling(10, |_| Answer::Ok(json!({})));
    let client = server.client();
    let begun = Instant::now();
    let zones = ListZones::new();
    let calls = (0..200).map(|_| client.list(&zones));
    for result in join_all(calls).await {
        result.expect("every call is answered in the end");
    }
    assert!(
        refused.load(Ordering::Relaxed) <= 16,
        "{refused:?}: only what was under way at the first refusal"
    );
    let took = begun.elapsed();
    assert!(
        (Duration::from_secs(19)..Duration::from_secs(30)).contains(&took),
        "{took:?} for 200 calls, 10 a second"
    );
}

#[tokio::test(start_paused = true)]
async fn looks_at_jobs_keep_to_the_rate_too() {
    let zero = Instant::now();
    let (server, refused) = throttling(3, move |command| match command {
        "queryAsyncJobResult" if zero.elapsed() > Duration::from_secs(30) => {
            Answer::Ok(json!({ "jobstatus": 1, "jobresult": { "success": true } }))
        }
        "queryAsyncJobResult" => Answer::Ok(json!({ "jobstatus": 0 })),
        _ => Answer::Ok(json!({ "count": 2, "asyncjobs": [{ "jobid": "j0", "jobstatus": 0 }] })),
    });
    let client = server.client();
    let deadline = Instant::now() + Duration::from_secs(300);
    let waits = (0..4).map(|n| {
        client.jobs().wait::<cloudstack::Success>(JobId::from(format!("j{n}")), Expect::Brief, deadline)
    });
    for result in join_all(waits).await {
        result.expect("it ended");
    }
    assert!(refused.load(Ordering::Relaxed) <= 4, "{refused:?}");
}
