//! Builds in a network that was there before and stays: nothing of it is changed for longer than a build lasts, and its
//! router does as it likes.

use std::sync::Arc;

use cloudstack::{
    Expect, Id,
    resource::{
        AssociateIpAddress, CreateFirewallRule, CreateNetwork, CreatePortForwardingRule,
        DeployVirtualMachine, ListNetworkOfferings, ListNetworks, ListPublicIpAddresses,
        ListServiceOfferings, ListTemplates, ListZones, Protocol, StartVirtualMachine, TemplateFilter,
    },
};
use tokio::sync::Notify;

use super::*;

/// A network of the operator's own, with a machine of his running in it.
pub(super) async fn inhabited_network(cloud: &Cloud) -> Id {
    let machine = network_with_a_machine(cloud).await;
    let start = StartVirtualMachine::new(&machine);
    cloud.client.run(&start, Expect::Long, in_a_while()).await.unwrap();
    machine
}

async fn network_with_a_machine(cloud: &Cloud) -> Id {
    let client = &cloud.client;
    let zone = client.list(&ListZones::new()).await.unwrap().remove(0).id;
    let offering =
        client.list(&ListNetworkOfferings::new().name(&spec().network.offering)).await.unwrap().remove(0).id;
    let network = client.call(&CreateNetwork::new("office", &offering, &zone)).await.unwrap().id;
    let size = client.list(&ListServiceOfferings::new().name("t1.small")).await.unwrap().remove(0).id;
    let template = client
        .list(&ListTemplates::new(TemplateFilter::Executable).name("Debian 12"))
        .await
        .unwrap()
        .remove(0)
        .id;
    let command = DeployVirtualMachine::new(&zone, &size)
        .template_id(&template)
        .network_ids([&network])
        .name("printer")
        .start_vm(false);
    client.run(&command, Expect::Long, in_a_while()).await.unwrap().id
}

fn spec_of_the_office() -> Spec {
    let mut spec = spec();
    spec.image.network = Some("office".into());
    spec
}

/// A zone with the office in it, what is in it, and how many calls that took.
async fn office() -> (Cloud, Vec<String>, usize) {
    let cloud = Cloud::open().await;
    inhabited_network(&cloud).await;
    let before = cloud.contents().await;
    let calls = cloud.door.calls().len();
    (cloud, before, calls)
}

/// The calls of a build in the office when nothing goes wrong.
async fn calls_of_a_build() -> Vec<String> {
    let (cloud, before, calls) = office().await;
    let outcome =
        cloud.builder(&Machines::default()).build(&spec_of_the_office(), &recipe().await, &options()).await;
    assert_eq!(outcome.unwrap().left, None);
    let made = cloud.door.calls().split_off(calls);
    assert_eq!(cloud.contents().await, before);
    made
}

#[tokio::test(start_paused = true)]
async fn what_says_which_ports_are_open_is_there_before_they_are_and_goes_after_them() {
    let calls = calls_of_a_build().await;
    let first = |command: &str| calls.iter().position(|call| call == command).unwrap();
    let last = |command: &str| calls.iter().rposition(|call| call == command).unwrap();
    assert!(first("deployVirtualMachine") < first("createPortForwardingRule"));
    assert!(first("createPortForwardingRule") < first("createFirewallRule"));
    assert!(last("deleteFirewallRule") < last("deletePortForwardingRule"));
    assert!(last("deletePortForwardingRule") < last("destroyVirtualMachine"));
}

#[tokio::test(start_paused = true)]
async fn a_call_refused_anywhere_leaves_the_network_as_it_was() {
    let (recipe, calls) = (recipe().await, calls_of_a_build().await);
    let published = calls.iter().position(|call| call == "updateTemplate").unwrap() + 1;
    for at in 1..=calls.len() {
        let (cloud, before, earlier) = office().await;
        cloud.door.make(Trouble::Refused(earlier + at));
        let outcome =
            cloud.builder(&Machines::default()).build(&spec_of_the_office(), &recipe, &options()).await;
        cloud.door.make(Trouble::None);
        assert_eq!(outcome.is_ok(), at > published, "{} {at}: {:?}", calls[at - 1], outcome.err());
        assert_eq!(cloud.contents().await, before, "{} {at}", calls[at - 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_lost_anywhere_leaves_the_network_as_it_was() {
    let (recipe, calls) = (recipe().await, calls_of_a_build().await);
    for at in 1..=calls.len() {
        let (cloud, before, earlier) = office().await;
        cloud.door.make(Trouble::Lost(earlier + at));
        let outcome =
            cloud.builder(&Machines::default()).build(&spec_of_the_office(), &recipe, &options()).await;
        cloud.door.make(Trouble::None);
        assert_eq!(cloud.contents().await, before, "{} {at}: {:?}", calls[at - 1], outcome.err());
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_call_it_leaves_the_network_as_it_was() {
    let (recipe, calls) = (recipe().await, calls_of_a_build().await);
    for at in 1..=calls.len() {
        let (cloud, before, earlier) = office().await;
        let builder = cloud.builder(&Machines::default());
        cloud.door.make(Trouble::Cancel(earlier + at, builder.stop.clone()));
        let outcome = builder.build(&spec_of_the_office(), &recipe, &options()).await;
        assert!(matches!(outcome, Ok(_) | Err(Error::Cancelled { .. })), "{at}: {outcome:?}");
        assert_eq!(cloud.contents().await, before, "{} {at}", calls[at - 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_call_the_next_gc_leaves_the_network_as_it_was() {
    let (recipe, calls) = (recipe().await, calls_of_a_build().await);
    for at in 1..=calls.len() {
        let (cloud, before, earlier) = office().await;
        let reached = Arc::new(Notify::new());
        cloud.door.make(Trouble::Tell(earlier + at, reached.clone()));
        {
            let builder = cloud.builder(&Machines::default());
            let (spec, options) = (spec_of_the_office(), options());
            tokio::select! {
                outcome = builder.build(&spec, &recipe, &options) => panic!("call {at} was never made: {outcome:?}"),
                () = reached.notified() => {}
            }
        }
        for left in leftover::find(&cloud.client).await.unwrap() {
            remove(&cloud, &left.build).await;
        }
        assert_eq!(cloud.contents().await, before, "{} {at}", calls[at - 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_build_that_fails_leaves_all_as_it_was_by_whatever_way_it_came_in() {
    for (access, mark) in [
        (BuildAccess::Forward, Some("BUILD_KEY=")),
        (BuildAccess::Guest, None),
        (BuildAccess::Guest, Some("BUILD_KEY=")),
    ] {
        let (cloud, before, _) = office().await;
        let mut spec = spec_of_the_office();
        spec.image.access = access;
        let machines = Machines { fail: mark, ..Machines::default() };
        let outcome = cloud.builder(&machines).build(&spec, &recipe().await, &options()).await;
        assert_eq!(outcome.is_ok(), mark.is_none(), "{:?}", outcome.err());
        assert_eq!(cloud.contents().await, before, "{access:?} {mark:?}");
        let port = machines.told()[0].rsplit(':').next().unwrap().parse::<u16>().unwrap();
        match access {
            BuildAccess::Guest => assert_eq!(port, 22),
            _ => assert!((50_000..60_000).contains(&port), "{port}"),
        }
    }
}

/// Two ports of the office's address lead to the printer: they have become somebody else's.
#[tokio::test(start_paused = true)]
async fn ports_that_lead_elsewhere_are_not_closed() {
    let cloud = Cloud::open().await;
    let printer = inhabited_network(&cloud).await;
    let client = &cloud.client;
    let address = client.list(&ListPublicIpAddresses::new()).await.unwrap().remove(0);
    let rule = CreateFirewallRule::new(&address.id, Protocol::Tcp).start_port(50_000u16).end_port(50_001u16);
    client.run(&rule, Expect::Brief, in_a_while()).await.unwrap();
    let forward = CreatePortForwardingRule::new(&address.id, Protocol::Tcp, 50_000u16, &printer, 9100u16)
        .open_firewall(false);
    client.run(&forward, Expect::Brief, in_a_while()).await.unwrap();
    let before = cloud.contents().await;
    let ip = address.ip_address.unwrap();
    leftover::close(client, &BuildId::random(), ip, 50_000, in_a_while()).await.unwrap();
    assert_eq!(cloud.contents().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_router_that_begins_to_start_at_any_call_is_waited_for() {
    let (spec, recipe) = (spec_of_the_office(), recipe().await);
    let mut at = 1;
    loop {
        let cloud = Cloud::open().await;
        let printer = network_with_a_machine(&cloud).await;
        let client = &cloud.client;
        let network = client.list(&ListNetworks::new()).await.unwrap().remove(0).id;
        let address = AssociateIpAddress::new().network_id(&network);
        client.run(&address, Expect::Brief, in_a_while()).await.unwrap();
        let before = cloud.contents().await;

        let earlier = cloud.door.calls().len();
        let reached = Arc::new(Notify::new());
        cloud.door.make(Trouble::Tell(earlier + at, reached.clone()));
        let somebody = async {
            reached.notified().await;
            client.start(&StartVirtualMachine::new(&printer)).await.unwrap();
        };
        let builder = cloud.builder(&Machines::default());
        let options = options();
        let (built, ()) = tokio::join!(builder.build(&spec, &recipe, &options), somebody);
        assert_eq!(built.unwrap().left, None, "call {at}");
        assert_eq!(cloud.contents().await, before, "call {at}");
        // From here on the build's own machine is what wakes the network.
        if cloud.door.calls()[earlier + at - 1] == "startVirtualMachine" {
            break;
        }
        at += 1;
    }
    assert!(at > 8, "{at}");
}
