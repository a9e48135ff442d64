//! What cannot be had at once: machines that end in `Error` are mended in the same run, and what stays away keeps nothing
//! else away.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use cloudstack::{
    Client, Effect, Expect, RawReply, SignedRequest, Transport, TransportError,
    resource::{DeployVirtualMachine, DestroyVirtualMachine, ListVirtualMachines, VirtualMachineState},
};
use devcloud::{
    ZoneConfig,
    faults::{Faults, JobFault, MachineFault, When, Wire},
    simulator::{Capacity, Latencies},
};
use mesostack::{
    cluster::{Applied, Context, StepError, Unfinished, apply, host_key_tag},
    events::Event,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    life::Heard,
    zone::{Asked, Bench, file, file_behind},
};

impl Bench {
    /// A run that does not reach its end.
    async fn falls_short(&self, file: &str) -> Unfinished {
        self.apply_over(self.client(), file).await.expect_err("it cannot reach its end")
    }

    /// A run, and after how long so many events of that kind had happened.
    async fn apply_until(
        &self,
        asked: impl Into<Asked>,
        event: impl Fn(&Event) -> bool,
        count: usize,
    ) -> (Result<Applied, Unfinished>, Duration) {
        let client = self.client();
        let (plan, desired, observed) = self.plan(&client, asked).await;
        let heard = Arc::new(Heard::default());
        let context = Context { listener: heard.clone(), ..self.context(client, desired, observed) };
        let began = Instant::now();
        let over = CancellationToken::new();
        let happened = async {
            while !over.is_cancelled()
                && heard.0.lock().expect("no panic").iter().filter(|heard| event(heard)).count() < count
            {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            began.elapsed()
        };
        let run = async {
            let applied = apply(&plan, &context).await;
            over.cancel();
            applied
        };
        tokio::join!(run, happened)
    }

    /// The nodes the next run still has to do something about.
    async fn to_do(&self, file: &str) -> BTreeSet<String> {
        let (plan, ..) = self.plan(&self.client(), file).await;
        assert!(plan.obstacles.is_empty(), "{plan}");
        plan.steps.iter().filter_map(|step| step.action.host_name()).map(str::to_owned).collect()
    }
}

fn names(unfinished: &Unfinished) -> Vec<&str> {
    unfinished.missing.iter().map(|missing| missing.node.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_start_ends_in_error_is_made_again_in_the_same_run() {
    for (name, file) in [
        ("mesos-agent-1", file(1, 2)),
        ("mesos-master-1", file(1, 2)),
        ("mesos-master-2", file(3, 1)),
        ("mesos-agent-2", file_behind(2, 2)),
        ("mesos*", file(2, 2)),
    ] {
        let bench = Bench::new().await;
        bench.zone.set_faults(&Faults::seeded(1).machine(name, When::nth(1), MachineFault::Error));
        bench.apply(&file).await;
        bench.assert_whole(&file).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_ends_in_error_twice_is_made_a_third_time() {
    let bench = Bench::new().await;
    let twice = When::At([1, 2].into());
    bench.zone.set_faults(&Faults::seeded(1).machine("mesos-master-1", twice, MachineFault::Error));
    bench.apply(&file(3, 1)).await;
    bench.assert_whole(&file(3, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_leaves_a_wreck_is_made_again_in_the_same_run() {
    for (code, text) in [
        (530, "Failed to deploy Virtual Machine"),
        (533, "Unable to create a deployment for VM instance due to Insufficient capacity"),
        (534, "Unable to contact resource."),
        (431, "Unable to acquire Guest IP address for network"),
    ] {
        for file in [file(1, 2), file_behind(1, 2)] {
            let bench = Bench::new().await;
            let fault = JobFault::fail(code, text);
            bench.zone.set_faults(&Faults::seeded(1).job("deployVirtualMachine", When::nth(2), fault));
            bench.apply(&file).await;
            bench.assert_whole(&file).await;
        }
    }
}

/// Somebody takes an agent's address after it was looked for: the cloud keeps a record of each deployment that it refuses.
#[tokio::test(start_paused = true)]
async fn a_deployment_that_the_cloud_refuses_inside_leaves_nothing_behind_that_is_ours() {
    let bench = Bench::new().await;
    bench.apply(&file(1, 1)).await;
    let (client, soon) = (bench.client(), Instant::now() + Duration::from_secs(600));
    let (plan, desired, observed) = bench.plan(&client, &file(1, 2)).await;
    let wanted =
        desired.machines.iter().find(|wanted| wanted.host_name == "mesos-agent-2").expect("it is wanted");
    let (network, like) = (bench.network().await.expect("a network"), observed.machines[0].clone());
    let taking = DeployVirtualMachine::new(&network.zone_id, &like.offering.id)
        .template_id(&like.template.id)
        .name("theirs")
        .ip_address(wanted.node.address)
        .network_ids([&network.id]);
    let theirs = client.run(&taking, Expect::Long, soon).await.expect("a machine").id;
    // Another's refused deployment of the same name is not ours.
    let refused = DeployVirtualMachine::new(&network.zone_id, &like.offering.id)
        .template_id(&like.template.id)
        .name("mesos-agent-2")
        .ip_address(wanted.node.address)
        .network_ids([&network.id]);
    client.run(&refused, Expect::Long, soon).await.expect_err("the address is taken");
    let in_error = ListVirtualMachines::new().state(VirtualMachineState::Error);
    let other = client.list(&in_error).await.expect("a list");
    assert_eq!(other.len(), 1);

    let unfinished = apply(&plan, &bench.context(client.clone(), desired, observed)).await;
    let unfinished = unfinished.expect_err("its address is taken");
    assert_eq!(names(&unfinished), ["mesos-agent-2"], "{unfinished}");
    let left: Vec<_> =
        client.list(&in_error).await.expect("a list").into_iter().map(|left| left.id).collect();
    assert_eq!(left, [other[0].id.clone()], "three deployments were refused, and the record of none is left");

    let gone = DestroyVirtualMachine::new(&theirs).expunge(true);
    // An expunged machine's result names nothing.
    drop(client.run(&gone, Expect::Long, soon).await);
    bench.apply(&file(1, 2)).await;
    bench.assert_whole(&file(1, 2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_was_done_though_its_job_failed_is_taken_as_it_is() {
    for (which, file) in [(1, file(1, 1)), (2, file_behind(1, 1))] {
        let bench = Bench::new().await;
        let fault = JobFault::Fail { code: 530, text: "timed out".to_owned(), done: true };
        bench.zone.set_faults(&Faults::seeded(1).job("deployVirtualMachine", When::nth(which), fault));
        let applied = bench.apply(&file).await;
        assert_eq!(applied.calls_by_command["deployVirtualMachine"], 2, "one a machine");
        bench.assert_whole(&file).await;
    }
}

#[tokio::test(start_paused = true)]
async fn growth_mends_what_ends_in_error_while_the_router_stands() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 1)).await;
    bench.zone.set_faults(&Faults::seeded(1).machine("mesos-agent-3", When::nth(1), MachineFault::Error));
    bench.apply(&file(3, 4)).await;
    bench.assert_whole(&file(3, 4)).await;
}

#[tokio::test(start_paused = true)]
async fn an_old_machine_that_stopped_and_does_not_start_again_is_made_anew_with_a_new_key() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 2)).await;
    let key = async |name: &str| {
        let (_, _, observed) = bench.plan(&bench.client(), &file(3, 2)).await;
        observed.tag(&host_key_tag(name)).expect("a key").to_owned()
    };
    let (master, agent) = (key("mesos-master-2").await, key("mesos-agent-1").await);
    for name in ["mesos-master-2", "mesos-agent-1"] {
        bench.simulator.power_off(bench.machine(name).await.as_str().parse().expect("an id"));
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    bench.zone.set_faults(&Faults::seeded(1).machine("mesos*", When::At([1, 2].into()), MachineFault::Error));
    bench.apply(&file(3, 2)).await;
    bench.assert_whole(&file(3, 2)).await;
    assert_ne!((master, agent), (key("mesos-master-2").await, key("mesos-agent-1").await));
}

#[tokio::test(start_paused = true)]
async fn one_of_fifty_agents_that_cannot_be_had_keeps_nothing_else_away() {
    let bench = Bench::new().await;
    bench.zone.set_faults(&Faults::seeded(1).machine("mesos-agent-7", When::Always, MachineFault::Error));
    let unfinished = bench.falls_short(&file(3, 50)).await;
    assert_eq!(names(&unfinished), ["mesos-agent-7"], "{unfinished}");
    assert_eq!(unfinished.failures.len(), 1, "{:?}", unfinished.failures);
    assert!(unfinished.to_string().contains("without mesos-agent-7"), "{unfinished}");
    assert!(unfinished.missing[0].why.contains("start mesos-agent-7"), "{:?}", unfinished.missing);
    assert_eq!(bench.nodes.changes().len(), 52, "all others are set up");
    assert_eq!(bench.to_do(&file(3, 50)).await, ["mesos-agent-7".to_owned()].into(), "and marked");
    let machines = bench.client().list(&ListVirtualMachines::new()).await.expect("a list");
    assert_eq!(machines.len(), 52, "no wreck is left in the next run's way");
    bench.zone.set_faults(&Faults::default());
    bench.apply(&file(3, 50)).await;
    bench.assert_whole(&file(3, 50)).await;
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_room_for_all_the_others_are_a_cluster() {
    let capacity = Capacity { machines: Some(6), ..Capacity::default() };
    let bench = Bench::built(ZoneConfig::simulated_time(), Latencies::default(), capacity).await;
    let unfinished = bench.falls_short(&file(3, 5)).await;
    assert_eq!(unfinished.missing.len(), 2, "{unfinished}");
    assert!(unfinished.failures.iter().all(|failure| failure.to_string().contains("533")));
    let missing = names(&unfinished).into_iter().map(str::to_owned).collect();
    assert_eq!(bench.to_do(&file(3, 5)).await, missing);
}

#[tokio::test(start_paused = true)]
async fn a_lost_minority_of_masters_is_no_reason_not_to_wait_for_health_and_a_majority_is() {
    let bench = Bench::new().await;
    bench.zone.set_faults(&Faults::seeded(1).machine("mesos-master-3", When::Always, MachineFault::Error));
    let unfinished = bench.falls_short(&file(3, 2)).await;
    assert_eq!(names(&unfinished), ["mesos-master-3"], "{unfinished}");
    assert_eq!(bench.to_do(&file(3, 2)).await, ["mesos-master-3".to_owned()].into());

    let bench = Bench::new().await;
    let two = Faults::seeded(1).machine("mesos-master-2", When::Always, MachineFault::Error).machine(
        "mesos-master-3",
        When::Always,
        MachineFault::Error,
    );
    bench.zone.set_faults(&two);
    let unfinished = bench.falls_short(&file(3, 2)).await;
    let no_quorum =
        |error: &StepError| matches!(error, StepError::NoQuorum { there: 1, masters: 3, needed: 2 });
    assert!(unfinished.failures.iter().any(|failure| no_quorum(&failure.error)), "{:?}", unfinished.failures);
    assert_eq!(bench.to_do(&file(3, 2)).await.len(), 5, "nothing is marked");
    bench.zone.set_faults(&Faults::default());
    bench.apply(&file(3, 2)).await;
    bench.assert_whole(&file(3, 2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_not_set_up_or_not_healthy_keeps_no_other_from_being_marked() {
    let bench = Bench::new().await;
    bench.nodes.deaf.lock().expect("no panic").insert("agent-1".to_owned());
    bench.nodes.ailing.lock().expect("no panic").insert("agent-2".to_owned());
    let unfinished = bench.falls_short(&file(3, 3)).await;
    assert_eq!(names(&unfinished), ["mesos-agent-1", "mesos-agent-2"], "{unfinished}");
    assert_eq!(bench.to_do(&file(3, 3)).await, ["mesos-agent-1", "mesos-agent-2"].map(str::to_owned).into());
    bench.nodes.deaf.lock().expect("no panic").clear();
    bench.nodes.ailing.lock().expect("no panic").clear();
    bench.apply(&file(3, 3)).await;
    bench.assert_whole(&file(3, 3)).await;
}

#[tokio::test(start_paused = true)]
async fn how_a_run_fell_short_is_told_as_json() {
    let bench = Bench::new().await;
    bench.zone.set_faults(&Faults::seeded(1).machine("mesos-agent-1", When::Always, MachineFault::Error));
    let told = serde_json::to_value(bench.falls_short(&file(1, 1)).await).expect("JSON");
    assert_eq!(told["missing"][0]["node"], "mesos-agent-1");
    assert_eq!(told["failures"][0]["step"], "start mesos-agent-1");
    assert!(told["failures"][0]["error"].as_str().expect("a text").contains("530"), "{told}");
    assert_eq!((&told["interrupted"], &told["detached"]), (&false.into(), &serde_json::json!([])));
}

#[tokio::test(start_paused = true)]
async fn nodes_that_never_answer_keep_no_place_that_others_wait_for() {
    let bench = Bench::new().await;
    let deaf = (1..=40).map(|number| format!("agent-{number}"));
    bench.nodes.deaf.lock().expect("no panic").extend(deaf);
    let began = Instant::now();
    let unfinished = bench.falls_short(&(file_behind(3, 100) + "[parallel]\nnodes = 10\n")).await;
    assert_eq!(unfinished.missing.len(), 40, "{unfinished}");
    // One deadline, not four of them one after another.
    assert!(began.elapsed() < Duration::from_secs(1_300), "{:?}", began.elapsed());
    assert_eq!(bench.to_do(&file_behind(3, 100)).await.len(), 40);
}

#[tokio::test(start_paused = true)]
async fn nodes_that_do_not_become_healthy_keep_no_other_from_being_looked_at() {
    let bench = Bench::new().await;
    let ailing = ["agent-1", "agent-2"].map(str::to_owned);
    bench.nodes.ailing.lock().expect("no panic").extend(ailing);
    let file = file(1, 5) + "[parallel]\nnodes = 2\n";
    let ready = |event: &Event| matches!(event, Event::NodeReady { .. });
    let (applied, ready) = bench.apply_until(file.as_str(), ready, 4).await;
    let unfinished = applied.expect_err("two are not healthy");
    assert_eq!(names(&unfinished), ["mesos-agent-1", "mesos-agent-2"], "{unfinished}");
    assert_eq!(bench.to_do(&file).await, ["mesos-agent-1", "mesos-agent-2"].map(str::to_owned).into());
    assert!(ready < Duration::from_secs(200), "the others were found healthy after {ready:?} only");
}

#[tokio::test(start_paused = true)]
async fn agents_whose_tasks_do_not_end_keep_neither_each_other_nor_set_ups_waiting() {
    let bench = Bench::new().await;
    let few = "[parallel]\nnodes = 1\n";
    bench.nodes.deaf.lock().expect("no panic").insert("agent-4".to_owned());
    bench.falls_short(&(file(1, 4) + few)).await;
    bench.nodes.deaf.lock().expect("no panic").clear();
    let busy = ["agent-1", "agent-2", "agent-3"].map(str::to_owned);
    bench.nodes.busy.lock().expect("no panic").extend(busy);
    let began = Instant::now();
    let asked = Asked::without(file(1, 1) + few, &["agent-1", "agent-2", "agent-3"]);
    let set_up =
        |event: &Event| matches!(event, Event::Done { work, .. } if *work.0 == *"set up mesos-agent-4");
    let (applied, set_up) = bench.apply_until(asked, set_up, 1).await;
    applied.expect("a smaller cluster");
    assert!(set_up < Duration::from_secs(60), "agent-4 was set up after {set_up:?} only");
    assert!(began.elapsed() < Duration::from_secs(400), "one deadline, not three: {:?}", began.elapsed());
}

/// A cloud that gives a machine another address than the one asked for.
#[derive(Debug)]
struct Astray {
    wire: Arc<Wire>,
    client: Client,
    /// How many machines it still does so to.
    left: AtomicUsize,
}

#[async_trait]
impl Transport for Astray {
    async fn send(&self, request: SignedRequest) -> Result<RawReply, TransportError> {
        let less = |left: usize| left.checked_sub(1);
        if request.command != "deployVirtualMachine"
            || self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err()
        {
            return self.wire.send(request).await;
        }
        const ENVELOPE: [&str; 6] =
            ["command", "response", "signatureVersion", "expires", "apiKey", "signature"];
        let pairs = url::form_urlencoded::parse(request.form.as_bytes()).into_owned();
        let pairs = pairs.filter(|(name, _)| !ENVELOPE.contains(&name.as_str()));
        let elsewhere = pairs.map(|(name, value)| match name.as_str() {
            "ipaddress" => (name, "172.16.0.222".to_owned()),
            _ => (name, value),
        });
        let pairs = elsewhere.collect::<Vec<_>>();
        let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>();
        let reply = self.client.raw(&request.command, Effect::Write, &pairs).await.expect("a deployment");
        let body = serde_json::json!({ "deployvirtualmachineresponse": reply }).to_string().into_bytes();
        Ok(RawReply { status: 200, content_type: Some("application/json".to_owned()), body })
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_was_given_another_address_is_made_again_and_not_for_ever() {
    for (times, well) in [(1, true), (2, true), (9, false)] {
        let bench = Bench::new().await;
        let (wire, client) = (Arc::new(Wire::to(&bench.zone)), bench.client());
        let astray = Astray { wire, client, left: AtomicUsize::new(times) };
        let ended = bench.apply_over(bench.client_over(Arc::new(astray)), &file(1, 0)).await;
        assert_eq!(ended.is_ok(), well, "{times} times astray: {ended:?}");
        if let Err(unfinished) = ended {
            let why = &unfinished.missing[0].why;
            assert!(why.contains("it was given 172.16.0.222 instead of 172.16.0.20"), "{why}");
            bench.apply(&file(1, 0)).await;
        }
        bench.assert_whole(&file(1, 0)).await;
    }
}
