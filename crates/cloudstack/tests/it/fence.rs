//! A client that may change things only for a time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudstack::resource::{CreateAffinityGroup, ListZones};
use cloudstack::{
    Client, Credentials, Error, Fence, RawReply, SignedRequest, Transport, TransportError, TransportFailure,
    Until,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::scripted::{Answer, Scripted};

fn group() -> CreateAffinityGroup {
    CreateAffinityGroup::new("g", "host anti-affinity")
}

fn until(here: Duration, there: SignedDuration) -> Until {
    Until { here: Instant::now() + here, there: Timestamp::now() + there }
}

#[tokio::test(start_paused = true)]
async fn after_the_fence_no_write_is_sent_and_reads_are() {
    let server = Scripted::new(|seen| match seen.command.as_str() {
        "listZones" => Answer::Ok(json!({})),
        _ => Answer::Ok(json!({"id": "g-1", "jobid": "j-1"})),
    });
    let fence = Fence::new(until(Duration::from_secs(60), SignedDuration::from_secs(60)));
    let client = server.client().behind(fence.clone());
    client.start(&group()).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert!(fence.is_closed());
    let refused = client.start(&group()).await.unwrap_err();
    assert!(matches!(refused, Error::Fenced { .. }) && !refused.is_outcome_unknown(), "{refused}");
    client.list(&ListZones::new()).await.unwrap();
    assert_eq!(server.seen().len(), 2, "the second write was not sent");
    fence.set(until(Duration::from_secs(60), SignedDuration::from_secs(60)));
    client.start(&group()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_write_that_took_too_long_may_still_arrive_and_one_whose_connection_broke_may_not() {
    for (failure, cut_off) in [(TransportFailure::TimedOut, 1), (TransportFailure::Broken, 0)] {
        let server = Scripted::new(move |_| Answer::Lost(failure));
        let fence = Fence::new(until(Duration::from_secs(60), SignedDuration::from_secs(60)));
        let error = server.client().behind(fence.clone()).start(&group()).await.unwrap_err();
        assert!(error.is_outcome_unknown(), "{error}");
        assert_eq!(fence.cut_off(), cut_off, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_repeated_ends_with_the_fence() {
    let server = Scripted::new(|_| Answer::Lost(TransportFailure::NotSent));
    let fence = Fence::new(until(Duration::from_millis(250), SignedDuration::from_secs(60)));
    let refused = server.client().behind(fence).start(&group()).await.unwrap_err();
    assert!(matches!(refused, Error::Fenced { .. }), "{refused}");
    assert!(server.seen().len() < 5, "{}", server.seen().len());
}

#[tokio::test(start_paused = true)]
async fn a_write_s_signature_is_not_valid_after_the_fence_and_a_read_s_is() {
    let server = Scripted::new(|seen| match seen.command.as_str() {
        "listZones" => Answer::Ok(json!({})),
        _ => Answer::Ok(json!({"jobid": "j-1"})),
    });
    let end = until(Duration::from_secs(60), SignedDuration::from_secs(45));
    let client = server.client().behind(Fence::new(end));
    client.start(&group()).await.unwrap();
    client.list(&ListZones::new()).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].get("expires"), end.there.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string());
    assert!(seen[1].get("expires") > seen[0].get("expires"));
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_caller_is_gone_is_counted_until_it_can_arrive_no_more() {
    let server = Scripted::new(|_| Answer::Ok(json!({"jobid": "j-1"})));
    let fence = Fence::new(until(Duration::from_secs(60), SignedDuration::from_secs(60)));
    let client = server.client().behind(fence.clone());
    client.start(&group()).await.unwrap();
    assert_eq!(fence.cut_off(), 0);
    let silent =
        Client::builder("http://cloud.test/client/api".parse().unwrap(), Credentials::new("apple", "sesame"))
            .transport(Arc::new(Silent))
            .build()
            .unwrap()
            .behind(fence.clone());
    let given_up = timeout(Duration::from_secs(5), silent.start(&group())).await;
    assert!(given_up.is_err());
    assert!(timeout(Duration::from_secs(5), silent.list(&ListZones::new())).await.is_err());
    assert_eq!(fence.cut_off(), 1, "the write; a read changes nothing");
}

/// A server that never answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Transport for Silent {
    async fn send(&self, _: SignedRequest) -> Result<RawReply, TransportError> {
        std::future::pending().await
    }
}
