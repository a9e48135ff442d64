//! What a look at the cloud takes, and what it says beforehand: rounds, pages, limits, addresses, ports.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use cloudstack::{
    Client, Expect, RawReply, SignedRequest, Transport, TransportError,
    resource::{Algorithm, CreateLoadBalancerRule, DeletePortForwardingRule, ListPortForwardingRules},
};
use devcloud::{InProcess, Limits, ZoneConfig};
use mesostack::cluster::validate;
use tokio::time::{Instant, sleep};

use crate::zone::{Asked, Bench, file};

/// How long a call is under way, there and back.
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// A way to the zone on which every call takes the same time, and some commands are not for this caller.
#[derive(Debug)]
struct Steady {
    zone: InProcess,
    forbidden: &'static [&'static str],
}

#[async_trait]
impl Transport for Steady {
    async fn send(&self, request: SignedRequest) -> Result<RawReply, TransportError> {
        sleep(ROUND_TRIP).await;
        let asks_for = |command: &&&str| request.form.as_str().contains(&format!("command={command}&"));
        match self.forbidden.iter().find(asks_for) {
            Some(command) => {
                let body = format!(
                    r#"{{"errorresponse":{{"errorcode":432,"cserrorcode":9999,"errortext":"The API [{command}] does not exist or is not available for the account."}}}}"#
                );
                let content_type = Some("application/json".to_owned());
                Ok(RawReply { status: 432, content_type, body: body.into_bytes() })
            }
            None => self.zone.send(request).await,
        }
    }
}

fn client(bench: &Bench, forbidden: &'static [&'static str]) -> Client {
    bench.client_over(Arc::new(Steady { zone: InProcess::new(bench.zone.clone()), forbidden }))
}

async fn limited(limits: Limits) -> Bench {
    Bench::with(ZoneConfig { limits, ..ZoneConfig::simulated_time() }).await
}

/// The messages of a plan that is refused.
async fn refused(bench: &Bench, text: &str) -> Vec<String> {
    let (plan, ..) = bench.plan(&bench.client(), text).await;
    assert!(plan.is_empty(), "{plan}");
    plan.obstacles.into_iter().map(|obstacle| obstacle.message).collect()
}

#[tokio::test(start_paused = true)]
async fn a_plan_without_changes_takes_twelve_calls_in_the_time_of_two_round_trips() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 3)).await;
    let client = client(&bench, &[]);
    let began = Instant::now();
    let (plan, ..) = bench.plan(&client, &file(3, 3)).await;
    assert!(plan.is_empty() && plan.obstacles.is_empty(), "{plan}");
    assert_eq!(client.counts().total(), 12, "{:?}", client.counts());
    assert_eq!(began.elapsed(), 2 * ROUND_TRIP);
}

#[tokio::test(start_paused = true)]
async fn a_look_at_an_empty_zone_takes_two_round_trips_with_limits_and_addresses() {
    let bench = Bench::new().await;
    let client = client(&bench, &[]);
    let began = Instant::now();
    let (plan, ..) = bench.plan(&client, &file(3, 3)).await;
    assert!(!plan.is_empty() && plan.obstacles.is_empty(), "{plan}");
    assert_eq!(client.counts().total(), 8, "{:?}", client.counts());
    assert_eq!(began.elapsed(), 2 * ROUND_TRIP);
}

#[tokio::test(start_paused = true)]
async fn more_than_a_page_of_machines_and_forwards_takes_one_more_call_each() {
    let bench = Bench::new().await;
    let file = file(3, 510).replace("[image]", "[network]\nrange = \"172.16.0.0/22\"\n[image]");
    bench.apply(&file).await;
    let client = client(&bench, &[]);
    let began = Instant::now();
    let (plan, _, observed) = bench.plan(&client, &file).await;
    assert!(plan.is_empty() && plan.obstacles.is_empty() && plan.drift.is_empty(), "{plan}");
    assert_eq!((observed.machines.len(), observed.forwards.len()), (513, 513));
    assert_eq!(client.counts().total(), 14, "{:?}", client.counts());
    assert_eq!(began.elapsed(), 2 * ROUND_TRIP, "further pages are asked for side by side");
}

#[tokio::test(start_paused = true)]
async fn limits_that_would_be_met_are_told_together_before_anything_is_made() {
    let limits = Limits { machines: 4, processors: 5, networks: 0, public_addresses: 0, ..Limits::NONE };
    let bench = limited(limits).await;
    let told = refused(&bench, &file(3, 3)).await;
    let about = ["virtual machines", "processors", "networks", "public addresses"];
    assert_eq!(told.len(), about.len(), "{told:?}");
    for (message, about) in told.iter().zip(about) {
        assert!(message.contains(about), "{message}");
    }
    let desired = bench.desired(file(3, 3));
    let validation = validate(&bench.client(), &desired).await.unwrap();
    let validated = validation.problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>();
    assert_eq!(validated, told, "validate says the same");
    bench.assert_empty().await;
}

#[tokio::test(start_paused = true)]
async fn growing_counts_what_is_there_and_no_change_needs_no_limits() {
    let bench = limited(Limits { machines: 6, volumes: 6, ..Limits::NONE }).await;
    bench.apply(&file(3, 3)).await;
    bench.assert_whole(&file(3, 3)).await;
    let told = refused(&bench, &file(3, 5)).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|message| message.contains("2 too many")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn primary_storage_that_would_be_too_much_is_told_beforehand() {
    let bench = Bench::new().await;
    let (.., observed) = bench.plan(&bench.client(), &file(3, 3)).await;
    let image = observed.catalogue.template.as_ref().expect("an image");
    let needed = 6 * observed.catalogue.template_sizes[&image.id];
    assert!(needed > 0);
    let enough = i64::try_from(needed).expect("few");
    let bench = limited(Limits { primary_storage_gib: enough - 1, ..Limits::NONE }).await;
    let told = refused(&bench, &file(3, 3)).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("GiB of primary storage") && told[0].ends_with(", 1 too many"), "{told:?}");
    let bench = limited(Limits { primary_storage_gib: enough, ..Limits::NONE }).await;
    bench.apply(&file(3, 3)).await;
    // A machine that is made anew gives back what it had.
    bench.apply(Asked::replacing(file(3, 3), "agent-1")).await;
    bench.assert_whole(&file(3, 3)).await;
}

#[tokio::test(start_paused = true)]
async fn a_zone_without_a_free_public_address_is_told_beforehand() {
    let mut config = ZoneConfig::simulated_time();
    config.public.last = config.public.first;
    let bench = Bench::with(config).await;
    let other = file(1, 0).replace("[cluster]", "[network]\nname = \"theirs\"\n[cluster]\nname = \"theirs\"");
    bench.apply(&other).await;
    let told = refused(&bench, &file(1, 1)).await;
    assert_eq!(told, ["the zone has no free public address, and the network needs one"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_role_may_not_see_is_a_remark() {
    let bench = Bench::new().await;
    let client = client(&bench, &["listAccounts", "listPublicIpAddresses"]);
    let (plan, ..) = bench.plan(&client, &file(1, 1)).await;
    assert!(!plan.is_empty() && plan.obstacles.is_empty(), "{plan}");
    assert_eq!(plan.remarks.len(), 2, "{:?}", plan.remarks);
    assert!(plan.remarks[0].starts_with("the account's limits are not known: "), "{:?}", plan.remarks);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_load_balancer_rule_on_a_node_s_port_is_told_beforehand() {
    let bench = Bench::new().await;
    bench.apply(&file(1, 1)).await;
    let client = bench.client();
    let deadline = || Instant::now() + Duration::from_secs(60);
    let forwards = client.list(&ListPortForwardingRules::new()).await.unwrap();
    let of_agent = forwards.iter().find(|forward| forward.public_port == 2222).unwrap();
    client.run(&DeletePortForwardingRule::new(&of_agent.id), Expect::Brief, deadline()).await.unwrap();
    let theirs =
        CreateLoadBalancerRule::new("theirs", &of_agent.ip_address_id, 2222u16, 22u16, Algorithm::RoundRobin)
            .network_id(&of_agent.network_id)
            .open_firewall(false);
    client.run(&theirs, Expect::Brief, deadline()).await.unwrap();
    let told = refused(&bench, &file(1, 1)).await;
    assert_eq!(told, ["public port 2222 leads elsewhere than to mesos-agent-1"]);
}
