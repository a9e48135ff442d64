//! Builds on a simulated zone, on simulated time: the order of calls, and that no failure, wherever it strikes, leaves
//! anything behind.

use std::{sync::Arc, time::Duration};

use cloudstack::{
    Expect,
    resource::{DeployVirtualMachine, ListServiceOfferings, ListVirtualMachines, VirtualMachineState},
};
use jiff::ToSpan as _;
use remote::Identity;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

mod elsewhere;
mod kept_by_the_cloud;

use self::elsewhere::inhabited_network;
use super::*;
use crate::{
    events::Event,
    image::{
        catalogue,
        error::Error,
        testing::{Cloud, Heard, Machines, Trouble, options, recipe, spec},
    },
};

fn in_a_while() -> Instant {
    Instant::now() + Duration::from_secs(120)
}

/// What `image gc` does with a dead build.
async fn remove(cloud: &Cloud, build: &BuildId) {
    let removed = leftover::remove(&cloud.client, build, in_a_while(), |_| {}).await.unwrap();
    assert_eq!(removed, leftover::Removed::Everything);
}

#[tokio::test(start_paused = true)]
async fn a_build_takes_21_calls_in_the_order_that_waits_least() {
    let cloud = Cloud::open().await;
    let machines = Machines::default();
    let (spec, recipe) = (spec(), recipe().await);
    let built = cloud.builder(&machines).build(&spec, &recipe, &options()).await.unwrap();

    let calls = cloud.door.calls();
    let mut look_ups = calls[..3].to_vec();
    look_ups.sort();
    assert_eq!(look_ups, ["listNetworkOfferings", "listServiceOfferings", "listTemplates"]);
    assert_eq!(calls[3..6], ["createNetwork", "associateIpAddress", "createEgressFirewallRule"]);
    let mut written_down = calls[6..8].to_vec();
    written_down.sort();
    assert_eq!(written_down, ["createFirewallRule", "deployVirtualMachine"]);
    assert_eq!(calls[8..11], ["createPortForwardingRule", "startVirtualMachine", "listVolumes"]);
    assert_eq!(calls[11..13], ["stopVirtualMachine", "createTemplate"]);
    let mut side_by_side = calls[13..16].to_vec();
    side_by_side.sort();
    assert_eq!(side_by_side, ["createTags", "deployVirtualMachine", "destroyVirtualMachine"]);
    assert_eq!(
        calls[16..],
        [
            "createPortForwardingRule",
            "startVirtualMachine",
            "updateTemplate",
            "destroyVirtualMachine",
            "deleteNetwork"
        ]
    );
    assert_eq!(calls.len(), 21);

    assert_eq!(built.left, None);
    assert_eq!(cloud.contents().await, Vec::<String>::new());
    let images = catalogue::list(&cloud.client, "devcloud").await.unwrap();
    assert_eq!(images.len(), 1);
    assert_eq!(
        (images[0].id.clone(), images[0].name.as_str(), images[0].ready),
        (built.template, "mesos", true)
    );
    assert_eq!(images[0].label, built.label);
    assert_eq!(images[0].label.programs["mesos"], "mesos 1.11.0");
}

/// Works in the order they began, those that were promised, and for each what it waits for.
fn told(events: &[Event]) -> (Vec<String>, Vec<(String, Vec<usize>)>) {
    let begun = events.iter().filter_map(|event| match event {
        Event::Started { work, .. } => Some(work.0.to_string()),
        _ => None,
    });
    let promised = events.iter().find_map(|event| match event {
        Event::Graph { steps, .. } => Some(steps),
        _ => None,
    });
    let promised = promised.unwrap().iter().map(|step| (step.work.0.to_string(), step.after.clone()));
    (begun.collect(), promised.collect())
}

#[tokio::test(start_paused = true)]
async fn a_build_does_what_its_graph_promises_in_that_order_and_nothing_else() {
    for access in [BuildAccess::Forward, BuildAccess::None] {
        let cloud = Cloud::open().await;
        let machines = Machines::default();
        let (mut spec, recipe) = (spec(), recipe().await);
        spec.image.access = access;
        let heard = Arc::new(Heard::default());
        let builder = Builder { listener: heard.clone(), ..cloud.builder(&machines) };
        let mut options = options();
        if access == BuildAccess::None {
            // Nothing powers the simulated machine off: the first steps have to do.
            options.lifetime = Duration::from_secs(60);
        }
        let _ = builder.build(&spec, &recipe, &options).await;
        let events = heard.0.lock().unwrap().clone();
        let (begun, promised) = told(&events);
        for (at, (name, after)) in promised.iter().enumerate() {
            let place = |name: &String| begun.iter().position(|begun| begun == name);
            let Some(began) = place(name) else {
                assert!(access == BuildAccess::None && at > 2, "{name} was promised");
                continue;
            };
            let before = after.iter().filter_map(|before| place(&promised[*before].0)).max();
            assert!(before.is_none_or(|before| before < began), "{name} began too early");
        }
        assert!(begun.iter().all(|name| promised.iter().any(|(promised, _)| promised == name)), "{begun:?}");
        let jobs = |wanted: &str| {
            let of = |event: &&Event| matches!(event, Event::JobStarted { work, .. } if &*work.0 == wanted);
            events.iter().filter(of).count()
        };
        let expected = if access == BuildAccess::None { 1 } else { 2 };
        assert_eq!(jobs("prepare network"), expected, "an egress rule, and an address where one is needed");
    }
}

#[tokio::test(start_paused = true)]
async fn the_machine_is_told_all_steps_then_stopped_and_the_template_is_tried() {
    let cloud = Cloud::open().await;
    let machines = Machines::default();
    let recipe = recipe().await;
    cloud.builder(&machines).build(&spec(), &recipe, &options()).await.unwrap();
    let told = machines.told();
    assert_eq!(told[..2], ["reach debian:2201", "deliver 0"]);
    assert_eq!(told[2], "policy-rc.d");
    let end = &told[told.len() - 4..];
    assert_eq!(end, ["MANIFEST_HEAD", "BUILD_KEY", "reach debian:2202", "EXPECTED_HOST"]);
    assert_eq!(told.len(), 2 + recipe.step_count() + 2);
}

#[tokio::test(start_paused = true)]
async fn only_the_operators_networks_are_let_in_and_the_build_key_is_no_key_pair_of_the_cloud() {
    let cloud = Cloud::open().await;
    let machines = Machines { unreachable: true, ..Machines::default() };
    let recipe = recipe().await;
    let builder = cloud.builder(&machines);
    let build = tokio::spawn({
        let recipe = recipe.clone();
        async move { builder.build(&spec(), &recipe, &options()).await }
    });
    sleep(Duration::from_secs(60)).await;
    let rules = cloud.client.list(&cloudstack::resource::ListFirewallRules::new()).await.unwrap();
    assert_eq!(rules.len(), 1);
    assert_eq!(rules[0].cidr_list[..], ["198.18.0.1/32"]);
    assert_eq!((rules[0].start_port, rules[0].end_port), (Some(2201), Some(2202)));
    let machine = cloud.client.list(&ListVirtualMachines::new()).await.unwrap().remove(0);
    assert_eq!(machine.key_pairs[..], Vec::<String>::new());
    let error = build.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Deadline { .. } | Error::Machine { .. }), "{error}");
    assert_eq!(cloud.contents().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_call_refused_anywhere_leaves_nothing_behind() {
    let recipe = recipe().await;
    for at in 1..=21 {
        let cloud = Cloud::open().await;
        cloud.door.make(Trouble::Refused(at));
        let outcome = cloud.builder(&Machines::default()).build(&spec(), &recipe, &options()).await;
        cloud.door.make(Trouble::None);
        // Only the last two calls come when the image is finished.
        assert_eq!(outcome.is_ok(), at > 19, "call {at}: {:?}", outcome.err());
        assert_eq!(cloud.contents().await, Vec::<String>::new(), "call {at}");
        let images = catalogue::list(&cloud.client, "devcloud").await.unwrap();
        assert_eq!(images.len(), usize::from(at > 19), "call {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_lost_anywhere_leaves_nothing_behind() {
    let recipe = recipe().await;
    for at in 1..=21 {
        let cloud = Cloud::open().await;
        cloud.door.make(Trouble::Lost(at));
        let outcome = cloud.builder(&Machines::default()).build(&spec(), &recipe, &options()).await;
        cloud.door.make(Trouble::None);
        assert_eq!(cloud.contents().await, Vec::<String>::new(), "call {at}");
        let images = catalogue::list(&cloud.client, "devcloud").await.unwrap();
        assert_eq!(images.len(), usize::from(outcome.is_ok()), "call {at}: {:?}", outcome.err());
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_call_it_ends_early_and_leaves_nothing_behind() {
    let recipe = recipe().await;
    for at in 1..=19 {
        let cloud = Cloud::open().await;
        let builder = cloud.builder(&Machines::default());
        cloud.door.make(Trouble::Cancel(at, builder.stop.clone()));
        let outcome = builder.build(&spec(), &recipe, &options()).await;
        match outcome {
            Err(Error::Cancelled { .. }) => {}
            // The last call of the build was on its way already.
            Ok(_) if at == 19 => {}
            other => panic!("call {at}: {other:?}"),
        }
        assert_eq!(cloud.contents().await, Vec::<String>::new(), "call {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_call_the_next_gc_removes_what_it_left() {
    let recipe = recipe().await;
    for at in 5..=21 {
        let cloud = Cloud::open().await;
        let reached = Arc::new(Notify::new());
        cloud.door.make(Trouble::Tell(at, reached.clone()));
        {
            let builder = cloud.builder(&Machines::default());
            let (spec, options) = (spec(), options());
            let build = builder.build(&spec, &recipe, &options);
            tokio::select! {
                outcome = build => panic!("call {at} was never made: {outcome:?}"),
                () = reached.notified() => {}
            }
        }
        for left in leftover::find(&cloud.client).await.unwrap() {
            let now = left.since.unwrap();
            assert!(!left.is_dead(now + 10.minutes()), "a live build has to be left alone");
            assert!(left.is_dead(now + 21.minutes()));
            assert_eq!(left.holder.as_deref(), Some("tester@here"));
            remove(&cloud, &left.build).await;
        }
        assert_eq!(cloud.contents().await, Vec::<String>::new(), "call {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_is_quoted_and_everything_is_removed() {
    let recipe = recipe().await;
    for mark in ["policy-rc.d", "apt-get -q install", "BUILD_KEY=", "EXPECTED_HOST="] {
        let cloud = Cloud::open().await;
        let machines = Machines { fail: Some(mark), ..Machines::default() };
        let error = cloud.builder(&machines).build(&spec(), &recipe, &options()).await.unwrap_err();
        assert!(error.to_string().contains("exit status 1): as told"), "{error}");
        assert_eq!(cloud.contents().await, Vec::<String>::new());
        assert_eq!(catalogue::list(&cloud.client, "devcloud").await.unwrap(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_build_is_kept_when_told_so_with_the_way_in() {
    let cloud = Cloud::open().await;
    let directory = tempfile::tempdir().unwrap();
    let machines = Machines { fail: Some("BUILD_KEY="), ..Machines::default() };
    let heard = Arc::new(Heard::default());
    let builder = Builder { listener: heard.clone(), ..cloud.builder(&machines) };
    let options =
        Options { on_error: OnError::Keep, key_directory: directory.path().to_owned(), ..options() };
    builder.build(&spec(), &recipe().await, &options).await.unwrap_err();
    let key = directory.path().join(format!("{}.key", options.build.name()));
    Identity::load(&key).unwrap();
    let told = heard.0.lock().unwrap().iter().any(
        |event| matches!(event, Event::Warning { message } if message.contains("ssh -i") && message.contains("-p 2201")),
    );
    assert!(told);
    assert!(!cloud.contents().await.is_empty());
    remove(&cloud, &options.build).await;
    assert_eq!(cloud.contents().await, Vec::<String>::new());
    options.build.forget_key(directory.path()).unwrap();
    assert!(!key.exists());
    // Most builds were never kept.
    options.build.forget_key(directory.path()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn everything_that_does_not_exist_is_told_at_once_and_nothing_is_made() {
    let cloud = Cloud::open().await;
    let mut spec = spec();
    spec.cloud.zone = "devclod".into();
    spec.image.offering = "t1.medim".into();
    spec.image.base = "Debian 13".into();
    let error =
        cloud.builder(&Machines::default()).build(&spec, &recipe().await, &options()).await.unwrap_err();
    let text = error.to_string();
    for part in ["devcloud", "t1.medium", "Debian 12"] {
        assert!(text.contains(&format!("did you mean {part}?")), "{text}");
    }
    assert_eq!(cloud.door.calls().len(), 4);
}

/// Powers machines off that are called so, when they have run for a while, as they would at their work's end.
async fn power_off(cloud: &Cloud, also_when_trying: bool) {
    loop {
        sleep(Duration::from_secs(20)).await;
        for machine in cloud.client.list(&ListVirtualMachines::new()).await.unwrap() {
            let trying = machine.name.ends_with("-try");
            if machine.state == VirtualMachineState::Running && (also_when_trying || !trying) {
                cloud.simulator.power_off(machine.id.as_str().parse().unwrap());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_way_in_user_data_does_the_work_and_power_off_tells_its_end() {
    let cloud = Cloud::open().await;
    let mut spec = spec();
    spec.image.access = BuildAccess::None;
    let machines = Machines::default();
    let builder = cloud.builder(&machines);
    let recipe = recipe().await;
    let options = options();
    let built = tokio::select! {
        built = builder.build(&spec, &recipe, &options) => built.unwrap(),
        () = power_off(&cloud, true) => unreachable!(),
    };
    assert_eq!(machines.told(), Vec::<String>::new());
    assert_eq!(built.manifest, None);
    assert_eq!(built.label.head.recipe, recipe.digest());
    assert_eq!(cloud.contents().await, Vec::<String>::new());
    assert!(
        !cloud.door.calls().iter().any(|call| call == "associateIpAddress" || call == "createFirewallRule")
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_way_in_a_machine_that_only_stopped_makes_no_image() {
    let cloud = Cloud::open().await;
    let mut spec = spec();
    spec.image.access = BuildAccess::None;
    let builder = cloud.builder(&Machines::default());
    let (recipe, options) = (recipe().await, options());
    // The machine made from the template does not find the manifest, so it stays on.
    let error = tokio::select! {
        built = builder.build(&spec, &recipe, &options) => built.unwrap_err(),
        () = power_off(&cloud, false) => unreachable!(),
    };
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
    assert_eq!(cloud.contents().await, Vec::<String>::new());
    assert_eq!(catalogue::list(&cloud.client, "devcloud").await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn an_image_in_use_is_not_deleted_and_its_machines_are_named() {
    let cloud = Cloud::open().await;
    let (spec, recipe) = (spec(), recipe().await);
    let older = cloud.builder(&Machines::default()).build(&spec, &recipe, &options()).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    let newer = cloud.builder(&Machines::default()).build(&spec, &recipe, &options()).await.unwrap();
    inhabited_network(&cloud).await;
    let client = &cloud.client;
    let network = client.list(&cloudstack::resource::ListNetworks::new()).await.unwrap().remove(0);
    let size = client.list(&ListServiceOfferings::new().name("t1.small")).await.unwrap().remove(0).id;
    let command = DeployVirtualMachine::new(&network.zone_id, &size)
        .template_id(&newer.template)
        .network_ids([&network.id])
        .name("mesos-master-1");
    let machine = client.run(&command, Expect::Long, in_a_while()).await.unwrap();

    let images = catalogue::list(client, "devcloud").await.unwrap();
    assert_eq!(images.iter().map(|image| &image.id).collect::<Vec<_>>(), [&newer.template, &older.template]);
    assert!(matches!(catalogue::pick(&images, "mesos", "devcloud"), Err(Error::Ambiguous { .. })));
    assert!(matches!(catalogue::pick(&images, "nomos", "devcloud"), Err(Error::NoSuchImage { .. })));
    assert_eq!(catalogue::outdated(&images).len(), 1);

    let image = catalogue::pick(&images, newer.template.as_str(), "devcloud").unwrap();
    let error = catalogue::delete(client, image, in_a_while()).await.unwrap_err();
    assert!(error.to_string().contains("in use by mesos-master-1"), "{error}");

    assert_eq!(leftover::destroy(client, &machine.id, in_a_while()).await.unwrap(), Gone::ForGood);
    for image in catalogue::list(client, "devcloud").await.unwrap() {
        catalogue::delete(client, &image, in_a_while()).await.unwrap();
    }
    assert_eq!(catalogue::list(client, "devcloud").await.unwrap(), []);
}
