//! Terraform's provider: a resource a test, from its creation by way of reading and changing it to its removal.

mod compute;
mod networking;
mod storage;

use serde_json::Value;

use super::{Client, ISOLATED, Is, Way, reads};
use crate::kit::{self, World, text};

/// A zone, its client, and a network that a machine may be in.
struct Ground {
    world: World,
    client: Client,
    zone: String,
    network: String,
}

async fn ground() -> Ground {
    let world = kit::world().await;
    let client = Client::of(&world, Way::Go);
    let zone = client.list("listZones", "zone", &[]).await.remove(0);
    reads(&zone, &[("id", Is::Text), ("name", Is::Text), ("networktype", Is::Text)], &[]);
    let zone = client.id_of("listZones", "zone", &text(&zone["name"]), &[]).await;
    let network = network(&client, &zone, "subnet").await;
    Ground { world, client, zone, network }
}

async fn network(client: &Client, zone: &str, name: &str) -> String {
    let offering = client.id_of("listNetworkOfferings", "networkoffering", ISOLATED, &[]).await;
    let offered = client.by_id("listNetworkOfferings", "networkoffering", &offering, &[]).await;
    reads(&offered.expect("the offering"), &[("specifyipranges", Is::Flag), ("name", Is::Text)], &[]);
    let wanted = [
        ("displaytext", name),
        ("gateway", "172.16.0.1"),
        ("name", name),
        ("netmask", "255.255.255.0"),
        ("networkofferingid", offering.as_str()),
        ("zoneid", zone),
    ];
    text(&client.call("createNetwork", &wanted).await["network"]["id"])
}

impl Ground {
    async fn address(&self) -> String {
        let wanted = [("networkid", self.network.as_str()), ("zoneid", self.zone.as_str())];
        text(&self.client.job("associateIpAddress", &wanted).await["id"])
    }

    /// A machine as the provider makes one.
    async fn machine(&self, name: &str, more: &[(&str, &str)]) -> Value {
        let of = [("zoneid", self.zone.as_str())];
        let offering = self.client.id_of("listServiceOfferings", "serviceoffering", "t1.small", &of).await;
        let executable = [("templatefilter", "executable"), of[0]];
        let template = self.client.id_of("listTemplates", "template", "Debian 12", &executable).await;
        let wanted = [
            ("displayname", name),
            ("name", name),
            ("networkids", self.network.as_str()),
            ("serviceofferingid", offering.as_str()),
            ("startvm", "true"),
            ("templateid", template.as_str()),
            ("zoneid", self.zone.as_str()),
        ];
        self.client.job("deployVirtualMachine", &[&wanted, more].concat()).await
    }

    async fn machine_by_id(&self, id: &str) -> Option<Value> {
        self.client.by_id("listVirtualMachines", "virtualmachine", id, &[]).await
    }

    async fn destroy(&self, machine: &str) {
        self.client.job("destroyVirtualMachine", &[("expunge", "true"), ("id", machine)]).await;
    }
}
