//! Waiting for jobs, on simulated time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloudstack::resource::*;
use cloudstack::{Client, Error, Expect, JobId, Success, TransportFailure};
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::scripted::{Answer, Scripted, Seen};

/// Jobs that end at given times, as a CloudStack server tells of them.
#[derive(Clone, Default)]
struct Jobs(Arc<Mutex<BTreeMap<String, (Instant, Value)>>>);

impl Jobs {
    fn ends_after(&self, job: &str, after: Duration, ended: Value) {
        self.0.lock().unwrap().insert(job.to_owned(), (Instant::now() + after, ended));
    }

    fn answer(&self, seen: &Seen) -> Answer {
        let jobs = self.0.lock().unwrap();
        let now = Instant::now();
        match seen.command.as_str() {
            "queryAsyncJobResult" => match jobs.get(seen.get("jobid")) {
                None => Answer::Refused(431, "Invalid parameter jobid value=x … entity does not exist"),
                Some((end, _)) if *end > now => {
                    Answer::Ok(json!({"jobid": seen.get("jobid"), "jobstatus": 0, "jobresultcode": 0}))
                }
                Some((_, ended)) => Answer::Ok(ended.clone()),
            },
            "listAsyncJobs" => {
                let pending: Vec<&String> =
                    jobs.iter().filter(|(_, (end, _))| *end > now).map(|(job, _)| job).collect();
                let (page, size): (usize, usize) =
                    (seen.get("page").parse().unwrap(), seen.get("pagesize").parse().unwrap());
                let rows: Vec<Value> = pending
                    .iter()
                    .skip((page - 1) * size)
                    .take(size)
                    .map(|job| json!({"jobid": job, "jobstatus": 0}))
                    .collect();
                Answer::Ok(match (pending.is_empty(), rows.is_empty()) {
                    (true, _) => json!({}),
                    (_, true) => json!({"count": pending.len()}),
                    _ => json!({"count": pending.len(), "asyncjobs": rows}),
                })
            }
            other => panic!("unexpected {other}"),
        }
    }
}

fn succeeded(name: &str) -> Value {
    json!({"jobstatus": 1, "jobresultcode": 0, "jobresulttype": "object",
           "jobresult": {"virtualmachine": {"id": name, "name": name, "state": "Running"}}})
}

fn failed() -> Value {
    json!({"jobstatus": 2, "jobresultcode": 530, "jobresulttype": "object",
           "cmd": "org.apache.cloudstack.api.command.user.vm.DeployVMCmd",
           "jobresult": {"errorcode": 533, "errortext": "Unable to create a deployment for VM instance"}})
}

fn server() -> (Jobs, Arc<Scripted>, Client) {
    let jobs = Jobs::default();
    let script = jobs.clone();
    let server = Scripted::new(move |seen| script.answer(seen));
    let client = server.client();
    (jobs, server, client)
}

fn after(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

async fn wait(client: &Client, job: &str, expect: Expect, seconds: u64) -> Result<VirtualMachine, Error> {
    client.jobs().wait(JobId::from(job), expect, after(seconds)).await
}

/// The most looks in any second. Results that are fetched because a list told of a job's end are not looks.
fn most_in_a_second(times: &[Instant]) -> usize {
    times
        .iter()
        .map(|from| times.iter().filter(|at| *at >= from && **at < *from + Duration::from_secs(1)).count())
        .max()
        .unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn a_brief_job_is_noticed_within_a_fraction_of_a_second_in_few_looks() {
    for milliseconds in [10, 60, 100, 200, 500, 900] {
        let (jobs, server, client) = server();
        jobs.ends_after("j", Duration::from_millis(milliseconds), succeeded("m"));
        let begun = Instant::now();
        wait(&client, "j", Expect::Brief, 60).await.unwrap();
        let late = begun.elapsed().saturating_sub(Duration::from_millis(milliseconds));
        assert!(
            late <= Duration::from_millis(120).max(Duration::from_millis(milliseconds) * 6 / 5),
            "{late:?} after {milliseconds} ms"
        );
        assert!(server.seen().len() <= 6, "{} looks for {milliseconds} ms", server.seen().len());
        let first = server.seen()[0].at - begun;
        assert!(first >= Duration::from_millis(40) && first <= Duration::from_millis(60), "{first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_job_costs_few_looks_and_is_noticed_late_by_a_small_part() {
    for (seconds, looks) in [(2, 5), (10, 14), (30, 39), (120, 90), (600, 200)] {
        let (jobs, server, client) = server();
        jobs.ends_after("j", Duration::from_secs(seconds), succeeded("m"));
        let begun = Instant::now();
        wait(&client, "j", Expect::Long, 3600).await.unwrap();
        let late = begun.elapsed() - Duration::from_secs(seconds);
        assert!(
            late <= Duration::from_millis(1200).max(Duration::from_secs(seconds) / 20),
            "{late:?} after {seconds} s"
        );
        let sent = server.seen().len();
        assert!(sent <= looks, "{sent} looks for {seconds} s");
        assert_eq!(client.counts().polls(), sent as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn many_long_jobs_are_looked_at_by_one_list_and_never_more_than_five_times_a_second() {
    let (jobs, server, client) = server();
    let waits = (0..200u64).map(|n| {
        let job = format!("j{n}");
        jobs.ends_after(&job, Duration::from_millis(3000 + 217 * n), succeeded(&job));
        let client = client.clone();
        async move {
            let machine = wait(&client, &job, Expect::Long, 600).await.unwrap();
            assert_eq!(machine.name, job, "each waiter gets its own job's result");
        }
    });
    let begun = Instant::now();
    join_all(waits).await;
    assert!(begun.elapsed() < Duration::from_millis(3000 + 217 * 199 + 2500));
    let seen = server.seen();
    let lists: Vec<Instant> = seen.iter().filter(|s| s.command == "listAsyncJobs").map(|s| s.at).collect();
    assert!(most_in_a_second(&lists) <= 5, "{}", most_in_a_second(&lists));
    let asked = seen.iter().filter(|s| s.command == "queryAsyncJobResult").count();
    // One fetch a job, and single looks only once few are left.
    assert!(asked < 200 + 30, "{asked} single looks");
    assert!(lists.len() < 130, "{} lists", lists.len());
}

#[tokio::test(start_paused = true)]
async fn a_few_long_jobs_are_bounded_as_well() {
    let (jobs, server, client) = server();
    let waits = (0..4).map(|n| {
        let job = format!("j{n}");
        jobs.ends_after(&job, Duration::from_secs(20 + n), succeeded(&job));
        let client = client.clone();
        async move { wait(&client, &job, Expect::Long, 600).await.unwrap() }
    });
    join_all(waits).await;
    let times: Vec<Instant> = server.seen().iter().map(|s| s.at).collect();
    // About a list a second while there are several, and a fetch each.
    assert!(times.len() <= 40, "{} looks", times.len());
    assert!(most_in_a_second(&times) <= 5, "{}", most_in_a_second(&times));
}

#[tokio::test(start_paused = true)]
async fn a_failed_job_gives_code_text_job_and_command() {
    let (jobs, _server, client) = server();
    jobs.ends_after("j", Duration::from_secs(1), failed());
    let error = wait(&client, "j", Expect::Brief, 60).await.unwrap_err();
    let Error::Job { command, code, text, job } = &error else { panic!("{error:?}") };
    assert_eq!((command.as_str(), *code, job.as_str()), ("DeployVMCmd", 533, "j"));
    assert_eq!(text, "Unable to create a deployment for VM instance");
    assert!(error.is_capacity() && !error.is_outcome_unknown());
}

#[tokio::test(start_paused = true)]
async fn running_a_command_starts_it_once_and_names_it_in_a_failure() {
    let jobs = Jobs::default();
    let script = jobs.clone();
    let server = Scripted::new(move |seen| {
        if seen.command == "deleteNetwork" {
            let ended = json!({"jobstatus": 2, "jobresult": {"errorcode": 530, "errortext": "Failed to delete network"}});
            script.ends_after("j", Duration::from_secs(2), ended);
            return Answer::Ok(json!({"jobid": "j"}));
        }
        script.answer(seen)
    });
    let error = server.client().run(&DeleteNetwork::new("n"), Expect::Brief, after(60)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the job of deleteNetwork failed with code 530: Failed to delete network (job j)"
    );
    assert_eq!(server.seen().iter().filter(|seen| seen.command == "deleteNetwork").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_result_without_a_wrapper_is_success() {
    let (jobs, _server, client) = server();
    jobs.ends_after("j", Duration::ZERO, json!({"jobstatus": 1, "jobresult": {"success": true}}));
    let success: Success = client.jobs().wait(JobId::from("j"), Expect::Brief, after(5)).await.unwrap();
    assert!(success.success);
}

#[tokio::test(start_paused = true)]
async fn a_destruction_s_empty_result_is_read() {
    let (jobs, _server, client) = server();
    let empty = json!({"virtualmachine": {"securitygroup": [], "nic": [], "affinitygroup": [], "tags": []}});
    jobs.ends_after("j", Duration::ZERO, json!({"jobstatus": 1, "jobresult": empty}));
    let machine = wait(&client, "j", Expect::Brief, 5).await.unwrap();
    assert!(machine.id.is_empty() && machine.nic.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_lets_go_of_the_job_and_names_it() {
    let (jobs, server, client) = server();
    jobs.ends_after("j", Duration::from_secs(100), succeeded("m"));
    let begun = Instant::now();
    let error = wait(&client, "j", Expect::Long, 10).await.unwrap_err();
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
    assert!(matches!(&error, Error::Deadline { job, .. } if job.as_str() == "j"));
    assert!(error.to_string().contains("10.0 s (job j); it goes on in the cloud"), "{error}");
    assert!(error.is_outcome_unknown());
    // Nobody waits any more, so nobody looks any more.
    sleep(Duration::from_secs(3)).await;
    let looks = server.seen().len();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(server.seen().len(), looks);
    // It can be waited for again.
    assert_eq!(wait(&client, "j", Expect::Long, 60).await.unwrap().id, "m");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_disturbs_no_other_wait_for_the_same_job() {
    let (jobs, _server, client) = server();
    jobs.ends_after("j", Duration::from_secs(5), succeeded("m"));
    let stays = tokio::spawn({
        let client = client.clone();
        async move { wait(&client, "j", Expect::Long, 60).await }
    });
    timeout(Duration::from_secs(1), wait(&client, "j", Expect::Long, 60)).await.unwrap_err();
    assert_eq!(stays.await.unwrap().unwrap().id, "m");
}

#[tokio::test(start_paused = true)]
async fn looks_that_fail_for_a_passing_reason_are_borne() {
    let jobs = Jobs::default();
    let script = jobs.clone();
    let down_from = Instant::now() + Duration::from_secs(2);
    let down_to = down_from + Duration::from_secs(40);
    let mut turn = 0;
    let server = Scripted::new(move |seen| {
        if Instant::now() >= down_from && Instant::now() < down_to {
            turn += 1;
            return match turn % 4 {
                0 => Answer::Lost(TransportFailure::Broken),
                1 => Answer::Lost(TransportFailure::NotSent),
                2 => Answer::Raw(503, "<html>starting</html>"),
                _ => Answer::Refused(530, "Internal error"),
            };
        }
        script.answer(seen)
    });
    let client = server.client();
    let waits = (0..8).map(|n| {
        let job = format!("j{n}");
        jobs.ends_after(&job, Duration::from_secs(10 + n), succeeded(&job));
        let client = client.clone();
        async move { wait(&client, &job, Expect::Long, 600).await.unwrap() }
    });
    let begun = Instant::now();
    join_all(waits).await;
    assert!(begun.elapsed() < Duration::from_secs(50), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_job_the_server_does_not_know_fails_at_once() {
    let (_jobs, server, client) = server();
    let begun = Instant::now();
    let error = wait(&client, "none", Expect::Brief, 600).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_jobs_cannot_be_listed_each_is_asked_for() {
    let jobs = Jobs::default();
    let script = jobs.clone();
    let server = Scripted::new(move |seen| match seen.command.as_str() {
        "listAsyncJobs" => Answer::Refused(432, "The API [listAsyncJobs] does not exist or is not available"),
        _ => script.answer(seen),
    });
    let client = server.client();
    let waits = (0..12).map(|n| {
        let job = format!("j{n}");
        jobs.ends_after(&job, Duration::from_secs(4), succeeded(&job));
        let client = client.clone();
        async move { wait(&client, &job, Expect::Long, 600).await.unwrap() }
    });
    join_all(waits).await;
    assert_eq!(server.seen().iter().filter(|seen| seen.command == "listAsyncJobs").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn jobs_a_list_does_not_show_are_not_taken_for_ended() {
    let jobs = Jobs::default();
    let script = jobs.clone();
    let server = Scripted::new(move |seen| match seen.command.as_str() {
        "listAsyncJobs" => Answer::Ok(json!({})),
        _ => script.answer(seen),
    });
    let client = server.client();
    let waits = (0..6).map(|n| {
        let job = format!("j{n}");
        jobs.ends_after(&job, Duration::from_secs(8), succeeded(&job));
        let client = client.clone();
        async move { assert_eq!(wait(&client, &job, Expect::Long, 600).await.unwrap().id, job.as_str()) }
    });
    join_all(waits).await;
}

#[test]
fn a_poller_that_goes_down_with_its_runtime_is_replaced() {
    let (jobs, _server, client) = server();
    let first = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let second = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let waiting = second.spawn({
        let client = client.clone();
        async move {
            // The poller is begun by the first runtime.
            while !format!("{:?}", client.jobs()).contains("waited_for: 1") {
                tokio::task::yield_now().await;
            }
            wait(&client, "j", Expect::Brief, 30).await
        }
    });
    first.block_on(async {
        jobs.ends_after("j", Duration::from_millis(300), succeeded("m"));
        let _ = timeout(Duration::from_millis(100), wait(&client, "j", Expect::Brief, 30)).await;
    });
    drop(first);
    assert_eq!(second.block_on(waiting).unwrap().unwrap().id, "m");
}
