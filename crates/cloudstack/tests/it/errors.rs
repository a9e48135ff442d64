//! Failed calls: what they are told as, and which are sent again.

use std::time::Duration;

use cloudstack::resource::*;
use cloudstack::{Effect, Error, TransportFailure};
use serde_json::json;
use tokio::time::Instant;

use crate::scripted::{Answer, Scripted};

/// Fails `times` times by `fail`, then succeeds.
fn failing(times: usize, fail: impl Fn() -> Answer + Send + 'static) -> std::sync::Arc<Scripted> {
    let mut left = times;
    Scripted::new(move |_| {
        if left == 0 {
            return Answer::Ok(json!({"network": {"id": "n"}, "jobid": "j"}));
        }
        left -= 1;
        fail()
    })
}

/// How often a read and a write are sent when they keep failing this way, and the write's error.
async fn sendings(fail: impl Fn() -> Answer + Clone + Send + 'static) -> (usize, usize, Error) {
    let reads = failing(100, fail.clone());
    reads.client().raw("listNetworks", Effect::Read, &[]).await.unwrap_err();
    let writes = failing(100, fail);
    let error = writes.client().start(&DeleteNetwork::new("n")).await.unwrap_err();
    (reads.seen().len(), writes.seen().len(), error)
}

#[tokio::test]
async fn a_refusal_keeps_code_class_text_status_and_named_things() {
    let body = r#"{"deployvirtualmachineresponse":{"uuidList":[{"uuid":"v","description":"vmId"}],
        "errorcode":530,"cserrorcode":4250,"errortext":"Internal error"}}"#;
    let server = Scripted::new(move |_| Answer::Raw(530, body));
    let error = server.client().start(&DeployVirtualMachine::new("z", "o")).await.unwrap_err();
    let Error::Api(refusal) = &error else { panic!("{error:?}") };
    assert_eq!((refusal.code, refusal.cs_code, refusal.http_status), (530, Some(4250), 530));
    assert_eq!(refusal.ids[0], "v");
    assert_eq!(error.to_string(), "deployVirtualMachine was refused with code 530/4250: Internal error");
}

#[tokio::test]
async fn a_refusal_is_sorted_by_what_to_do_about_it() {
    async fn refused(code: u16, text: &'static str) -> Error {
        let server = Scripted::new(move |_| Answer::Refused(code, text));
        server.client().start(&DeleteNetwork::new("n")).await.unwrap_err()
    }
    let gone = "Unable to execute API command deletenetwork due to invalid value. Invalid parameter id value=n due to \
                incorrect long value format, or entity does not exist or due to incorrect parameter annotation";
    assert!(refused(431, gone).await.is_not_found());
    assert!(!refused(431, "Invalid gateway").await.is_not_found());
    assert!(!refused(530, gone).await.is_not_found());
    assert!(refused(537, "The range specified, 22-22, conflicts with rule 7").await.is_conflict());
    assert!(
        refused(431, "The vm with hostName m already exists in the network domain: d").await.is_conflict()
    );
    assert!(refused(530, "tag k already on Network with id n").await.is_conflict());
    assert!(!refused(530, "Failed to delete network").await.is_conflict());
    assert!(refused(401, "unable to verify user credentials").await.is_unauthorized());
    assert!(refused(531, "no").await.is_forbidden() && refused(432, "no").await.is_forbidden());
    assert!(refused(535, "Maximum amount of resources").await.is_limit());
    assert!(refused(533, "no room").await.is_capacity() && refused(536, "used").await.is_in_use());
    assert!(refused(530, "Account does not have permission for expunging.").await.is_forbidden());
    assert!(!refused(530, "Internal error").await.is_forbidden());
    assert!(
        refused(431, "Unable to delete template [t] because there are [1] VM instances using it.")
            .await
            .is_in_use()
    );
    assert!(!refused(431, "Not all specified keypairs exist").await.is_conflict());
    for code in [401, 431, 530, 537] {
        assert!(!refused(code, "x").await.is_outcome_unknown(), "a refusal of the API is an outcome");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_tolerated_by_reads_and_unknown_for_writes() {
    for kind in [TransportFailure::Broken, TransportFailure::TimedOut] {
        let (reads, writes, error) = sendings(move || Answer::Lost(kind)).await;
        assert_eq!((reads, writes), (5, 1));
        assert!(matches!(&error, Error::UnknownOutcome { command, .. } if command == "deleteNetwork"));
        assert!(error.is_outcome_unknown());
        assert!(error.to_string().contains("look whether it was done"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_never_left_is_sent_again_even_when_it_changes_something() {
    let (reads, writes, error) = sendings(|| Answer::Lost(TransportFailure::NotSent)).await;
    assert_eq!((reads, writes), (5, 5));
    assert!(matches!(error, Error::Transport { .. }));
    assert!(!error.is_outcome_unknown());
}

#[tokio::test(start_paused = true)]
async fn throttled_calls_wait_out_the_window_and_are_sent_again() {
    let text = "The given user has reached his/her account api limit, please retry after 700 ms.";
    let server = failing(2, move || Answer::Refused(429, text));
    let begun = Instant::now();
    server.client().start(&DeleteNetwork::new("n")).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen[1].at - seen[0].at >= Duration::from_millis(800));
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_page_from_something_between_is_unknown_only_for_a_write_and_only_with_5xx() {
    let page = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";
    let (reads, writes, error) = sendings(move || Answer::Raw(502, page)).await;
    assert_eq!((reads, writes), (5, 1));
    assert!(error.is_outcome_unknown());
    assert!(error.to_string().contains("502 Bad Gateway nginx"), "{error}");

    for status in [404, 413, 414] {
        let (reads, writes, error) = sendings(move || Answer::Raw(status, "<h1>Bad Message</h1>")).await;
        assert_eq!((reads, writes), (1, 1));
        assert!(matches!(&error, Error::NotTheApi { excerpt, .. } if excerpt == "Bad Message"));
        assert!(!error.is_outcome_unknown());
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_with_status_200_is_not_taken_for_an_answer() {
    for body in ["<html>Log in to the hotel</html>", "", "[]", "{}", r#"{"a":{},"b":{}}"#, r#"{"a":1}"#] {
        let (reads, writes, error) = sendings(move || Answer::Raw(200, body)).await;
        assert_eq!((reads, writes), (1, 1));
        assert!(matches!(&error, Error::Decode { .. }), "{body}: {error}");
        assert!(error.is_outcome_unknown());
    }
}

#[tokio::test(start_paused = true)]
async fn internal_errors_of_reads_are_asked_about_once_more_and_refusals_not_at_all() {
    let (reads, writes, _) = sendings(|| Answer::Refused(530, "Internal error executing command")).await;
    assert_eq!((reads, writes), (2, 1));
    let (reads, writes, _) = sendings(|| Answer::Refused(503, "not ready")).await;
    assert_eq!((reads, writes), (5, 1));
    for code in [401, 430, 431, 432, 531, 533, 535, 537] {
        let (reads, writes, _) = sendings(move || Answer::Refused(code, "no")).await;
        assert_eq!((reads, writes), (1, 1), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn waits_between_sendings_grow_and_are_not_the_same_for_everybody() {
    let gaps = |seed| async move {
        let server = failing(4, || Answer::Lost(TransportFailure::Broken));
        let client = cloudstack::Client::builder(
            "http://cloud.test/client/api".parse().unwrap(),
            cloudstack::Credentials::new("apple", "sesame"),
        )
        .transport(server.clone())
        .jitter_seed(seed)
        .build()
        .unwrap();
        client.raw("listNetworks", Effect::Read, &[]).await.unwrap();
        let seen = server.seen();
        seen.windows(2).map(|two| two[1].at - two[0].at).collect::<Vec<_>>()
    };
    let (one, other) = (gaps(1).await, gaps(2).await);
    for gaps in [&one, &other] {
        assert_eq!(gaps.len(), 4);
        for (n, gap) in gaps.iter().enumerate() {
            let bound = Duration::from_millis(200 << n);
            assert!(*gap >= bound / 2 && *gap <= bound + Duration::from_millis(2), "{gap:?} of {bound:?}");
        }
    }
    assert_ne!(one, other);
}

#[tokio::test(start_paused = true)]
async fn calls_are_spaced_when_a_rate_is_set() {
    let server = Scripted::new(|_| Answer::Ok(json!({})));
    let client = cloudstack::Client::builder(
        "http://cloud.test/client/api".parse().unwrap(),
        cloudstack::Credentials::new("apple", "sesame"),
    )
    .transport(server.clone())
    .calls_per_second(10.0)
    .build()
    .unwrap();
    let calls = (0..21).map(|_| client.raw("listNetworks", Effect::Read, &[]));
    futures::future::join_all(calls).await;
    let seen = server.seen();
    let took = seen.last().unwrap().at - seen[0].at;
    assert!(took >= Duration::from_millis(1990), "{took:?}");
    assert_eq!(client.counts().total(), 21);
}

#[derive(Debug)]
struct Silent;

#[async_trait::async_trait]
impl cloudstack::Transport for Silent {
    async fn send(
        &self,
        _: cloudstack::SignedRequest,
    ) -> Result<cloudstack::RawReply, cloudstack::TransportError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_never_answers_is_given_up_in_time() {
    let client = cloudstack::Client::builder(
        "http://cloud.test/client/api".parse().unwrap(),
        cloudstack::Credentials::new("apple", "sesame"),
    )
    .transport(std::sync::Arc::new(Silent))
    .call_timeout(Duration::from_secs(30))
    .build()
    .unwrap();
    let begun = Instant::now();
    let error = client.start(&DeleteNetwork::new("n")).await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    assert_eq!(begun.elapsed(), Duration::from_secs(30));
}
