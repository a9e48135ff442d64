//! The typed client against the zone: in process on a paused clock, and over a socket.

use std::sync::Arc;
use std::time::Duration;

use cloudstack::resource::{
    DeployVirtualMachine, ListNetworkOfferings, ListServiceOfferings, ListTemplates, ListVirtualMachines,
    ListZones, StartVirtualMachine, TemplateFilter, VirtualMachine,
};
use cloudstack::{Client, Credentials, Effect, Expect};
use devcloud::{InProcess, Keys};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::kit::{self, text};

fn credentials(keys: &Keys) -> Credentials {
    Credentials { api_key: keys.api_key.clone().into(), secret_key: keys.secret_key.clone() }
}

async fn deploy_one(client: &Client) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let zone = client.list(&ListZones::new()).await.expect("zones").remove(0);
    let offerings = client.list(&ListServiceOfferings::new()).await.expect("offerings");
    let small = offerings.iter().find(|offering| offering.name == "t1.small").expect("t1.small").clone();
    let template =
        client.list(&ListTemplates::new(TemplateFilter::Executable)).await.expect("templates").remove(0);
    let networks = client.list(&ListNetworkOfferings::new()).await.expect("network offerings");
    let isolated =
        networks.iter().find(|offering| offering.name.starts_with("DefaultIsolated")).expect("isolated");
    let parameters =
        [("name", "n"), ("zoneid", zone.id.as_str()), ("networkofferingid", isolated.id.as_str())];
    let made = client.raw("createNetwork", Effect::Write, &parameters).await.expect("a network");
    let network = text(&made["network"]["id"]);
    let deploy = DeployVirtualMachine::new(zone.id.clone(), small.id.clone())
        .template_id(template.id.clone())
        .network_ids([network])
        .name("machine-1")
        .start_vm(false);
    let started = client.start(&deploy).await.expect("a machine");
    let machine: VirtualMachine =
        client.jobs().wait(started.job, Expect::Brief, deadline).await.expect("deployed");
    assert_eq!(Some(&machine.id), started.id.as_ref());
    let machine =
        client.run(&StartVirtualMachine::new(machine.id), Expect::Long, deadline).await.expect("started");
    assert_eq!(machine.state.to_string(), "Running");
    let again = client.run(&StartVirtualMachine::new(machine.id), Expect::Long, deadline).await;
    assert_eq!(again.expect_err("it runs").code(), Some(431));
    assert_eq!(client.list(&ListVirtualMachines::new()).await.expect("machines").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_typed_client_works_in_process_on_a_paused_clock() {
    let world = kit::world().await;
    let endpoint = "http://zone.invalid/client/api".parse().expect("a URL");
    let zone = world.zone.clone();
    let client = Client::builder(endpoint, credentials(&world.user().keys))
        .transport(Arc::new(InProcess::new(zone.clone())))
        .clock(move || zone.now())
        .build()
        .expect("a client");
    deploy_one(&client).await;
}

#[tokio::test]
async fn the_typed_client_works_over_a_socket() {
    let config = devcloud::ZoneConfig { strict_signatures: true, ..Default::default() };
    let world = kit::world_with(config, devcloud::simulator::Latencies::NONE, Default::default()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(devcloud::serve(world.zone.clone(), listener, shutdown.clone()));
    let endpoint = format!("http://{address}/client/api").parse().expect("a URL");
    let client = Client::builder(endpoint, credentials(&world.user().keys)).build().expect("a client");
    deploy_one(&client).await;
    drop(client);
    shutdown.cancel();
    served.await.expect("no panic").expect("served to the end");
}
