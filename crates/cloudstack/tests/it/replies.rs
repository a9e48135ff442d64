//! What replies are read as, in the shapes that real servers give them.

use cloudstack::resource::*;
use cloudstack::{Effect, Error};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::scripted::{Answer, Scripted};

async fn ask<C: cloudstack::SyncCommand>(command: &C, inner: Value) -> Result<C::Reply, Error> {
    Scripted::new(move |_| Answer::Ok(inner.clone())).client().call(command).await
}

async fn list<C: cloudstack::ListCommand>(command: &C, inner: Value) -> Result<Vec<C::Item>, Error> {
    Scripted::new(move |_| Answer::Ok(inner.clone())).client().list(command).await
}

#[tokio::test]
async fn a_machine_is_read_with_its_interfaces_groups_and_tags() {
    let machines = list(
        &ListVirtualMachines::new(),
        json!({"count": 1, "virtualmachine": [{
            "id": "v", "name": "vm1", "state": "Running", "zoneid": "z", "cpunumber": 1, "memory": 512,
            "nic": [{"id": "c", "networkid": "n", "ipaddress": "10.1.5.50", "netmask": "255.255.255.0",
                     "isdefault": true, "macaddress": "02:02:00:d0:00:01", "deviceid": "0", "secondaryip": []}],
            "ipaddress": "10.1.5.50", "keypairs": "kp1,kp2", "isos": [], "securitygroup": [],
            "affinitygroup": [{"id": "g", "name": "ag1", "description": "keep apart", "account": "alice"}],
            "tags": [{"key": "env", "value": "test", "resourcetype": "UserVm", "resourceid": "v"}],
            "details": {"deployvm": "true", "n": 3}, "created": "2026-11-23T00:44:37+0000",
            "a field of the future": {"x": [1]}
        }]}),
    )
    .await
    .unwrap();
    let machine = &machines[0];
    assert_eq!(machine.id, "v");
    assert_eq!(machine.state, VirtualMachineState::Running);
    assert_eq!(machine.nic[0].ip_address, Some([10, 1, 5, 50].into()));
    assert_eq!(machine.nic[0].device_id, Some(0));
    assert_eq!(&machine.key_pairs[..], ["kp1", "kp2"]);
    assert_eq!(machine.affinity_group[0].name, "ag1");
    assert_eq!(machine.tags[0].value, "test");
    assert_eq!(machine.details["n"], "3");
    assert_eq!(machine.created.unwrap().to_string(), "2026-11-23T00:44:37Z");
}

#[tokio::test]
async fn numbers_may_be_texts_and_truth_values_words() {
    let rules = list(
        &ListPortForwardingRules::new(),
        json!({"count": "1", "portforwardingrule": [{"id": 7, "protocol": "TCP", "publicport": "1222",
               "publicendport": 1222, "privateport": 22.0, "ipaddress": "", "cidrlist": "", "vmguestip": null}]}),
    )
    .await
    .unwrap();
    assert_eq!(rules[0].id, "7");
    assert_eq!(rules[0].protocol, Protocol::Tcp);
    assert_eq!(
        (rules[0].public_port, rules[0].public_end_port, rules[0].private_port),
        (1222, Some(1222), 22)
    );
    assert_eq!((rules[0].ip_address, rules[0].vm_guest_ip), (None, None));
    assert!(rules[0].cidr_list.is_empty());
    let success = ask(&DeleteSshKeyPair::new("k"), json!({"success": "true"})).await.unwrap();
    assert!(success.success);
}

#[tokio::test]
async fn ranges_come_apart_at_commas_and_blanks() {
    for text in ["10.0.0.0/8,192.168.0.0/16", "10.0.0.0/8 192.168.0.0/16", "10.0.0.0/8, 192.168.0.0/16"] {
        let rules =
            list(&ListFirewallRules::new(), json!({"firewallrule": [{"cidrlist": text}]})).await.unwrap();
        assert_eq!(&rules[0].cidr_list[..], ["10.0.0.0/8", "192.168.0.0/16"]);
    }
}

#[tokio::test]
async fn nothing_found_is_an_empty_list_in_all_its_shapes() {
    for inner in [json!({}), json!({"count": 7}), json!({"count": 0, "zone": []}), json!({"zone": []})] {
        assert!(list(&ListZones::new(), inner).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_wrapping_member_s_name_does_not_matter() {
    let capability = json!({"capability": {"cloudstackversion": "4.23.0.0", "supportELB": "false"}});
    let capabilities = ask(&ListCapabilities::new(), capability).await.unwrap();
    assert_eq!(capabilities.cloudstack_version, "4.23.0.0");
    let registered = json!({"count": 1, "template": [{"id": "t", "isready": false}]});
    let command = RegisterTemplate::new("n", "QCOW2", "KVM", "http://h/x.qcow2", "o", "z");
    assert_eq!(ask(&command, registered).await.unwrap()[0].id, "t");
    let network = json!({"network": {"id": "n", "state": "Allocated", "egressdefaultpolicy": false}});
    let network = ask(&CreateNetwork::new("n", "o", "z"), network).await.unwrap();
    assert_eq!((network.state, network.egress_default_policy), (NetworkState::Allocated, Some(false)));
}

#[tokio::test]
async fn irregular_top_level_keys_are_no_hindrance() {
    for body in [
        r#"{"updatevirtualmachineresponse":{"jobid":"j"}}"#,
        r#"{"createLBStickinessPolicy":{"jobid":"j"}}"#,
        r#"{"null":{"jobid":"j"}}"#,
    ] {
        let server = Scripted::new(move |_| Answer::Raw(200, body));
        let started = server.client().start(&UpdateVmAffinityGroup::new("v")).await.unwrap();
        assert_eq!(started.job.as_str(), "j");
        assert_eq!(started.id, None);
    }
}

#[tokio::test]
async fn a_new_private_key_is_given_and_not_shown() {
    let reply = json!({"keypair": {"name": "k", "fingerprint": "aa:bb", "privatekey": "-----BEGIN"}});
    let pair = ask(&CreateSshKeyPair::new("k"), reply).await.unwrap();
    assert_eq!(pair.private_key.as_ref().unwrap().expose_secret(), "-----BEGIN");
    assert!(!format!("{pair:?}").contains("BEGIN"));
}

#[tokio::test]
async fn a_word_this_version_does_not_know_is_kept() {
    let reply = json!({"network": [{"state": "Hibernating"}, {}]});
    let networks = list(&ListNetworks::new(), reply).await.unwrap();
    assert_eq!(networks[0].state, NetworkState::Other("Hibernating".to_owned()));
    assert_eq!(networks[1].state, NetworkState::default());
}

#[tokio::test]
async fn the_field_that_does_not_decode_is_named_by_its_path() {
    let reply = json!({"count": 2, "virtualmachine": [{}, {"nic": [{"ipaddress": "10.1.5.500"}]}]});
    let error = list(&ListVirtualMachines::new(), reply).await.unwrap_err();
    let Error::Decode { command, path, problem, .. } = &error else { panic!("{error}") };
    assert_eq!(command, "listVirtualMachines");
    assert_eq!(path, "virtualmachine[1].nic[0].ipaddress");
    assert!(problem.contains("an IPv4 address"), "{problem}");
    assert!(!error.is_outcome_unknown());

    let error = ask(&CreateNetwork::new("n", "o", "z"), json!({"network": {"id": {}}})).await.unwrap_err();
    assert!(error.is_outcome_unknown(), "a network was made all the same");
    assert!(error.to_string().contains("`network.id`"), "{error}");
}

#[tokio::test]
async fn an_untyped_call_gives_what_is_inside() {
    let server = Scripted::new(|_| Answer::Ok(json!({"count": 1, "event": [{"id": "e"}]})));
    let reply = server.client().raw("listEvents", Effect::Read, &[("level", "ERROR")]).await.unwrap();
    assert_eq!(reply["event"][0]["id"], "e");
    assert_eq!(server.seen()[0].get("level"), "ERROR");
}

#[tokio::test]
async fn a_started_job_gives_the_new_thing_s_id_and_its_own() {
    let server = Scripted::new(|_| Answer::Ok(json!({"id": "v", "jobid": "j"})));
    let client = server.client();
    let started = client.start(&DeployVirtualMachine::new("z", "o")).await.unwrap();
    assert_eq!((started.id.unwrap().as_str(), started.job.as_str()), ("v", "j"));
    assert_eq!((client.counts().jobs, client.counts().of("deployVirtualMachine")), (1, 1));

    let server = Scripted::new(|_| Answer::Ok(json!({"success": true})));
    let error = server.client().start(&DeleteNetwork::new("n")).await.unwrap_err();
    assert!(matches!(&error, Error::Decode { path, .. } if path == "jobid"), "{error}");
}
