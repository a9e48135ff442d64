//! What commands send.

use std::net::Ipv4Addr;

use cloudstack::resource::*;
use cloudstack::{Command, Details, Effect, Id, IpToNetworkList, Method, TagList, UserData};
use proptest::prelude::*;
use serde_json::json;

use crate::scripted::{Answer, Scripted};

fn sent<C: Command>(command: &C) -> Vec<(String, String)> {
    let parameters = command.parameters();
    parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn is(command: &impl Command, expected: &[(&str, &str)]) {
    let expected: Vec<(String, String)> =
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(sent(command), expected);
}

#[test]
fn a_deployment_sends_lists_maps_and_user_data_as_the_server_reads_them() {
    let command = DeployVirtualMachine::new("z", "o")
        .template_id("t")
        .name("master-1")
        .ip_address(Ipv4Addr::new(172, 16, 0, 20))
        .user_data(UserData::new("#cloud-config\n"))
        .start_vm(false)
        .network_ids(["n1", "n2"])
        .details(Details::from_iter([("cpuNumber", "2"), ("memory", "512")]));
    is(
        &command,
        &[
            ("zoneid", "z"),
            ("serviceofferingid", "o"),
            ("templateid", "t"),
            ("name", "master-1"),
            ("ipaddress", "172.16.0.20"),
            ("userdata", "I2Nsb3VkLWNvbmZpZwo="),
            ("startvm", "false"),
            ("networkids", "n1,n2"),
            ("details[0].cpuNumber", "2"),
            ("details[0].memory", "512"),
        ],
    );
}

#[test]
fn addresses_in_several_networks_are_numbered() {
    let networks =
        IpToNetworkList(vec![(Id::from("n1"), Some(Ipv4Addr::new(10, 0, 0, 5))), (Id::from("n2"), None)]);
    is(
        &DeployVirtualMachine::new("z", "o").ip_to_network_list(networks),
        &[
            ("zoneid", "z"),
            ("serviceofferingid", "o"),
            ("iptonetworklist[0].networkid", "n1"),
            ("iptonetworklist[0].ip", "10.0.0.5"),
            ("iptonetworklist[1].networkid", "n2"),
        ],
    );
}

#[test]
fn tags_are_numbered_and_resources_listed() {
    let ids = vec![Id::from("a"), Id::from("b")];
    is(
        &CreateTags::new(ids.clone(), "Network", TagList::from_iter([("k1", "v1"), ("k2", "v 2")])),
        &[
            ("resourceids", "a,b"),
            ("resourcetype", "Network"),
            ("tags[0].key", "k1"),
            ("tags[0].value", "v1"),
            ("tags[1].key", "k2"),
            ("tags[1].value", "v 2"),
        ],
    );
    is(
        &DeleteTags::new(ids, "Network").tags(TagList::keys(["k1"])),
        &[("resourceids", "a,b"), ("resourcetype", "Network"), ("tags[0].key", "k1")],
    );
}

#[test]
fn rules_name_their_protocol_in_lower_case_and_type_is_type() {
    is(
        &CreateFirewallRule::new("a", Protocol::Tcp)
            .start_port(1222u16)
            .end_port(1224u16)
            .cidr_list(["198.18.0.1/32", "10.0.0.0/8"]),
        &[
            ("ipaddressid", "a"),
            ("protocol", "tcp"),
            ("startport", "1222"),
            ("endport", "1224"),
            ("cidrlist", "198.18.0.1/32,10.0.0.0/8"),
        ],
    );
    is(
        &CreateAffinityGroup::new("masters", HOST_ANTI_AFFINITY),
        &[("name", "masters"), ("type", "host anti-affinity")],
    );
}

#[test]
fn what_is_not_given_is_not_sent() {
    is(&ListVirtualMachines::new(), &[]);
    is(&DeleteNetwork::new("n"), &[("id", "n")]);
}

#[tokio::test]
async fn changes_go_by_post_and_short_reads_by_get() {
    let server = Scripted::new(|seen| match seen.command.as_str() {
        "createNetwork" => Answer::Ok(json!({"network": {"id": "n"}})),
        "deleteNetwork" => Answer::Ok(json!({"jobid": "j"})),
        _ => Answer::Ok(json!({})),
    });
    let client = server.client();
    client.call(&CreateNetwork::new("n", "o", "z")).await.unwrap();
    client.start(&DeleteNetwork::new("n")).await.unwrap();
    client.list(&ListNetworks::new()).await.unwrap();
    let many: Vec<String> = (0..200).map(|n| format!("00000000-0000-4000-8000-{n:012}")).collect();
    client.list(&ListVirtualMachines::new().ids(many)).await.unwrap();
    client.raw("assignSomething", Effect::Write, &[]).await.unwrap();
    let methods: Vec<Method> = server.seen().iter().map(|seen| seen.method).collect();
    assert_eq!(methods, [Method::Post, Method::Post, Method::Get, Method::Post, Method::Post]);
}

#[tokio::test]
async fn requests_are_signed_with_an_expiry_a_server_verifies() {
    use cloudstack::signature::{Encoding, verify};
    use std::sync::Arc;

    let server = Scripted::new(|_| Answer::Ok(json!({})));
    let client = cloudstack::Client::builder(
        "http://cloud.test/client/api".parse().unwrap(),
        cloudstack::Credentials::new("apple", "sesame"),
    )
    .transport(Arc::clone(&server) as Arc<dyn cloudstack::Transport>)
    .clock(|| "2026-11-23T08:00:00Z".parse().unwrap())
    .signature_lifetime(std::time::Duration::from_secs(300))
    .build()
    .unwrap();
    client.raw("listZones", Effect::Read, &[("name", "a~b*c d/é")]).await.unwrap();
    let seen = server.seen().remove(0);
    assert_eq!(seen.get("signatureVersion"), "3");
    assert_eq!(seen.get("expires"), "2026-11-23T08:05:00+0000");
    assert_eq!(seen.get("apiKey"), "apple");
    assert_eq!(seen.get("response"), "json");
    let pairs: Vec<_> = seen.parameters.iter().collect();
    assert_eq!(verify(&pairs, "sesame", seen.get("signature"), &[Encoding::Java]), Some(Encoding::Java));
}

proptest! {
    #[test]
    fn user_data_of_any_bytes_decodes_to_itself(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        use base64::Engine as _;
        let command = DeployVirtualMachine::new("z", "o").user_data(UserData::new(&bytes));
        let (_, sent) = sent(&command).into_iter().find(|(name, _)| name == "userdata").unwrap();
        prop_assert_eq!(base64::engine::general_purpose::STANDARD.decode(sent).unwrap(), bytes);
    }
}
