//! Jobs: their shapes, their queues, their results.

use std::time::Duration;

use devcloud::simulator::Latencies;
use devcloud::{ZoneConfig, simulator::Capacity};
use serde_json::json;
use tokio::time::Instant;

use crate::kit::{self, text};

#[tokio::test(start_paused = true)]
async fn a_job_is_pending_and_then_ended_and_its_result_stays() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let parameters = user.machine(&network, "m").await;
    let begun = user.call("deployVirtualMachine", &kit::borrowed(&parameters, &[])).await;
    let (id, job) = (text(&begun["id"]), text(&begun["jobid"]));
    let pending = user.call("queryAsyncJobResult", &[("jobid", &job)]).await;
    assert_eq!(pending["jobstatus"], json!(0));
    assert_eq!(pending["cmd"], json!("org.apache.cloudstack.api.command.user.vm.DeployVMCmd"));
    assert_eq!(
        (&pending["jobinstancetype"], &pending["jobinstanceid"]),
        (&json!("VirtualMachine"), &json!(id))
    );
    for absent in ["jobresult", "jobresulttype", "completed"] {
        assert!(pending.get(absent).is_none(), "{absent}");
    }
    let listed = user.only("listVirtualMachines", "virtualmachine", &[]).await;
    assert_eq!((&listed["jobid"], &listed["jobstatus"]), (&json!(job), &json!(0)));
    let ended = user.wait(&job).await;
    assert_eq!((&ended["jobresulttype"], &ended["jobresultcode"]), (&json!("object"), &json!(0)));
    assert_eq!(ended["jobresult"].as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(user.wait(&job).await, ended, "asked again, the answer is the same");
    let events = user.call("listEvents", &[("type", "VM.CREATE")]).await;
    let states: Vec<String> =
        events["event"].as_array().expect("events").iter().map(|one| text(&one["state"])).collect();
    assert_eq!(states, ["Scheduled", "Started", "Completed"], "a page is told as it happened");
}

#[tokio::test(start_paused = true)]
async fn a_root_admin_s_job_has_the_admin_s_class() {
    let world = kit::world().await;
    let admin = world.admin();
    let network = admin.network("n").await;
    let parameters = admin.machine(&network, "m").await;
    let begun =
        admin.call("deployVirtualMachine", &kit::borrowed(&parameters, &[("startvm", "false")])).await;
    let ended = admin.wait(&text(&begun["jobid"])).await;
    assert_eq!(ended["cmd"], json!("org.apache.cloudstack.api.command.admin.vm.DeployVMCmdByAdmin"));
}

/// Twenty rules into one network: at once, they queue behind each other's heartbeats; one by one, they don't.
#[tokio::test(start_paused = true)]
async fn many_rules_at_once_are_slower_than_one_by_one() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let address = user.address(&network).await;
    let rule = |port: u16| {
        let (user, address) = (user.clone(), address.clone());
        async move {
            let port = port.to_string();
            let parameters =
                [("ipaddressid", address.as_str()), ("protocol", "tcp"), ("startport", port.as_str())];
            user.run("createFirewallRule", &parameters).await;
        }
    };
    let began = Instant::now();
    futures::future::join_all((1000..1020).map(rule)).await;
    let at_once = began.elapsed();
    let began = Instant::now();
    for port in 2000..2020 {
        rule(port).await;
    }
    let one_by_one = began.elapsed();
    assert!(at_once > Duration::from_secs(30) && at_once < Duration::from_secs(42), "{at_once:?}");
    assert!(one_by_one < Duration::from_secs(3), "{one_by_one:?}");
}

#[tokio::test(start_paused = true)]
async fn machines_start_side_by_side() {
    let (start, raise) = (Duration::from_secs(10).into(), Duration::from_secs(5).into());
    let latencies = Latencies { start, raise, ..Latencies::NONE };
    let world = kit::world_with(ZoneConfig::simulated_time(), latencies, Capacity::default()).await;
    let user = world.user();
    let network = user.network("n").await;
    let mut machines = Vec::new();
    for number in 0..10 {
        machines.push(user.deploy(&network, &format!("m{number}"), &[("startvm", "false")]).await);
    }
    let began = Instant::now();
    futures::future::join_all(machines.iter().map(|id| {
        let user = user.clone();
        async move { user.run("startVirtualMachine", &[("id", id)]).await }
    }))
    .await;
    assert!(began.elapsed() < Duration::from_secs(16), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn jobs_on_one_machine_follow_each_other() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[("startvm", "false")]).await;
    let start = text(&user.call("startVirtualMachine", &[("id", &machine)]).await["jobid"]);
    let stop = text(&user.call("stopVirtualMachine", &[("id", &machine)]).await["jobid"]);
    let again = text(&user.call("startVirtualMachine", &[("id", &machine)]).await["jobid"]);
    for (job, state) in [(start, "Running"), (stop, "Stopped"), (again, "Running")] {
        assert_eq!(user.wait(&job).await["jobresult"]["virtualmachine"]["state"], json!(state));
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_s_key_can_be_on_a_thing_once() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let tag = |key: &'static str, value: &'static str| {
        [
            ("resourceids", network.as_str()),
            ("resourcetype", "network"),
            ("tags[0].key", key),
            ("tags[0].value", value),
        ]
    };
    user.run("createTags", &tag("lease", "me")).await;
    let (code, why) = user.fails("createTags", &tag("lease", "you")).await;
    assert_eq!((code, why), (530, format!("tag lease already on Network with id {network}")));
    let listed = user.only("listTags", "tag", &[("resourceid", &network), ("key", "lease")]).await;
    assert_eq!(listed["value"], json!("me"));
    assert_eq!(
        user.call("listNetworks", &[("tags[0].key", "lease"), ("tags[0].value", "me")]).await["count"],
        json!(1)
    );
    assert_eq!(
        user.call("listNetworks", &[("tags[0].key", "lease"), ("tags[0].value", "you")]).await,
        json!({})
    );
    let (code, why) = user.fails("deleteTags", &tag("lease", "you")).await;
    assert_eq!((code, why.as_str()), (530, "Failed to delete tags"));
    user.run("deleteTags", &tag("lease", "me")[..3]).await;
    assert_eq!(user.call("listTags", &[]).await, json!({}));
    let bad = [
        ("resourceids", network.as_str()),
        ("resourcetype", "Nonsense"),
        ("tags[0].key", "k"),
        ("tags[0].value", "v"),
    ];
    assert_eq!(user.fails("createTags", &bad).await, (431, "Invalid resource type Nonsense".to_owned()));
}

/// Many keys in one call: all of them or none.
#[tokio::test(start_paused = true)]
async fn tags_of_one_call_come_together_or_not_at_all() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let base = [("resourceids", network.as_str()), ("resourcetype", "Network")];
    let with = |tags: &[(&'static str, &'static str)]| [&base[..], tags].concat();
    user.run("createTags", &with(&[("tags[0].key", "b"), ("tags[0].value", "1")])).await;
    let both =
        with(&[("tags[0].key", "a"), ("tags[0].value", "1"), ("tags[1].key", "b"), ("tags[1].value", "2")]);
    assert_eq!(user.fails("createTags", &both).await.0, 530);
    assert_eq!(user.call("listTags", &[]).await["count"], json!(1));
}
