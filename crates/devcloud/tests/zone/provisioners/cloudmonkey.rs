//! cloudmonkey: its list of commands, whatever is called of them, and its login.

use serde_json::{Value, json};

use super::{Client, ISOLATED, Is, Way, reads};
use crate::kit::{self, inside, json_of, text};

#[tokio::test(start_paused = true)]
async fn cloudmonkey_learns_every_command() {
    let world = kit::world().await;
    let client = Client::of(&world, Way::Cloudmonkey);
    let apis = client.list("listApis", "api", &[("listall", "true")]).await;
    for api in &apis {
        reads(
            api,
            &[
                ("name", Is::Text),
                ("description", Is::Text),
                ("isasync", Is::Flag),
                ("related", Is::Text),
                ("params", Is::List),
                ("response", Is::List),
            ],
            &[("since", Is::Text)],
        );
        for parameter in api["params"].as_array().expect("parameters") {
            let read = [("name", Is::Text), ("type", Is::Text), ("required", Is::Flag)];
            reads(parameter, &read, &[("related", Is::Text), ("length", Is::Number)]);
            reads(parameter, &[("description", Is::Text)], &[]);
        }
        for field in api["response"].as_array().expect("fields") {
            reads(field, &[("name", Is::Text)], &[("type", Is::Text)]);
        }
    }
    // Values are completed by what a list of related commands shows.
    let names: Vec<&str> = apis.iter().filter_map(|api| api["name"].as_str()).collect();
    let parameter = |command: &str, name: &str| -> Value {
        let api = apis.iter().find(|api| api["name"] == command).expect("the command");
        let of = api["params"].as_array().expect("parameters");
        of.iter().find(|parameter| parameter["name"] == name).expect("the parameter").clone()
    };
    for (command, name, list) in [
        ("deployVirtualMachine", "templateid", "listTemplates"),
        ("deployVirtualMachine", "serviceofferingid", "listServiceOfferings"),
        ("deployVirtualMachine", "zoneid", "listZones"),
        ("stopVirtualMachine", "id", "listVirtualMachines"),
        ("createNetwork", "networkofferingid", "listNetworkOfferings"),
        ("createPortForwardingRule", "ipaddressid", "listPublicIpAddresses"),
    ] {
        let parameter = parameter(command, name);
        let related = text(&parameter["related"]);
        assert!(related.split(',').any(|other| other == list), "{command} {name}: {related}");
        assert!(names.contains(&list));
    }
}

#[tokio::test(start_paused = true)]
async fn cloudmonkey_does_the_usual() {
    let world = kit::world().await;
    let client = Client::of(&world, Way::Cloudmonkey);
    let zone = client.id_of("listZones", "zone", "devcloud", &[("filter", "id,name")]).await;
    client.call("createSSHKeyPair", &[("name", "pair")]).await;
    let offering = client.id_of("listNetworkOfferings", "networkoffering", ISOLATED, &[]).await;
    let network = [
        ("displaytext", "n"),
        ("name", "n"),
        ("networkofferingid", offering.as_str()),
        ("zoneid", zone.as_str()),
    ];
    let network = text(&client.call("createNetwork", &network).await["network"]["id"]);
    let caller = &client.caller;
    let mut machine = caller.machine(&network, "m").await;
    machine
        .extend([("keypair", "pair"), ("userdata", "aGVsbG8=")].map(|(n, v)| (n.to_owned(), v.to_owned())));
    let machine = client.job("deployVirtualMachine", &kit::borrowed(&machine, &[])).await;
    let id = text(&machine["id"]);
    let address = text(&client.job("associateIpAddress", &[("networkid", &network)]).await["id"]);
    client.job("createPortForwardingRule", &kit::ssh_forward(&address, &id)).await;
    client.job("stopVirtualMachine", &[("id", &id)]).await;
    // Every answer's key ends so, or the program does not find it.
    for command in ["listVirtualMachines", "listVolumes", "listCapabilities", "listAsyncJobs", "listApis"] {
        let answer = json_of(&client.send(command, &[]).await);
        let key = answer.as_object().and_then(|whole| whole.keys().next().cloned()).unwrap_or_default();
        assert!(key.ends_with("response"), "{command}: {key}");
    }
    client.job("destroyVirtualMachine", &[("expunge", "true"), ("id", &id)]).await;
    client.does("deleteNetwork", &[("id", &network)]).await;
    client.done("deleteSSHKeyPair", &[("name", "pair")]).await;
    // A refusal is told by code, finer code and text.
    let reply = client.send("createNetwork", &[("name", "n")]).await;
    let refused = inside(&reply);
    reads(&refused, &[("errorcode", Is::Number), ("cserrorcode", Is::Number), ("errortext", Is::Text)], &[]);
    assert_eq!((reply.status, &refused["errorcode"]), (431, &json!(431)));
}
