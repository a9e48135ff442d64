//! Templates made of machines, and machines made of them.

use devcloud::simulator::Operation;
use serde_json::json;

use crate::kit::{self, Caller, text};

async fn os_type(user: &Caller) -> String {
    let wanted = [("description", "Debian GNU/Linux 12 (64-bit)")];
    text(&user.only("listOsTypes", "ostype", &wanted).await["id"])
}

async fn volume(user: &Caller, machine: &str) -> String {
    text(&user.only("listVolumes", "volume", &[("virtualmachineid", machine)]).await["id"])
}

#[tokio::test(start_paused = true)]
async fn a_stopped_machine_s_disk_becomes_a_template_that_machines_are_made_from() {
    let world = kit::world().await;
    let user = world.user();
    let os = os_type(&user).await;
    let network = user.network("n").await;
    let builder = user.deploy(&network, "builder", &[]).await;
    let volume = volume(&user, &builder).await;
    let wanted = [
        ("name", "mesos"),
        ("displaytext", "Mesos"),
        ("ostypeid", os.as_str()),
        ("volumeid", volume.as_str()),
    ];
    let masked = "Internal error executing command, please contact your system administrator";
    assert_eq!(
        user.refused("createTemplate", &wanted).await,
        (530, Some(4250), masked.to_owned()),
        "it runs"
    );
    user.run("stopVirtualMachine", &[("id", &builder)]).await;
    let begun = user.call("createTemplate", &wanted).await;
    let (id, job) = (text(&begun["id"]), text(&begun["jobid"]));
    let own = [("templatefilter", "self")];
    let making = user.only("listTemplates", "template", &own).await;
    assert_eq!((&making["isready"], &making["status"]), (&json!(false), &json!("Processing")));
    let deploy: Vec<(String, String)> = user
        .machine(&network, "node")
        .await
        .into_iter()
        .map(|(name, value)| if name == "templateid" { (name, id.clone()) } else { (name, value) })
        .collect();
    let refused = user.send("deployVirtualMachine", &kit::borrowed(&deploy, &[])).await;
    assert_eq!(refused.status, 530, "not ready yet");
    let left = user.only("listVirtualMachines", "virtualmachine", &[("name", "node")]).await;
    let told = json!([{ "uuid": left["id"], "description": "virtualmachineid" }]);
    assert_eq!((&kit::inside(&refused)["uuidList"], &left["state"]), (&told, &json!("Error")));
    user.run("destroyVirtualMachine", &[("id", &text(&left["id"]))]).await;
    let made = user.wait(&job).await["jobresult"]["template"].clone();
    assert_eq!(
        (&made["isready"], &made["status"], &made["ispublic"]),
        (&json!(true), &json!("Download Complete"), &json!(false))
    );
    for required in ["hypervisor", "format", "ostypename", "displaytext", "size"] {
        assert!(made.get(required).is_some(), "{required}");
    }
    let (node, _) = user.run("deployVirtualMachine", &kit::borrowed(&deploy, &[])).await;
    let node = text(&node["id"]);
    let machine = world.driver.machine(node.parse().expect("an id")).expect("it runs");
    assert_eq!(machine.layers.len(), 2);
    let (code, why) = user.fails("deleteTemplate", &[("id", &id)]).await;
    assert_eq!(code, 431);
    assert!(why.ends_with("because there are [1] VM instances using it."), "{why}");
    user.run("deleteTemplate", &[("id", &id), ("forced", "true")]).await;
    assert_eq!(world.driver.layers().len(), 1, "a layer stays while a machine stands on it");
    user.run("destroyVirtualMachine", &[("id", &node), ("expunge", "true")]).await;
    assert_eq!(world.driver.layers().len(), 1, "the builder's own disk stands on it too");
    user.run("destroyVirtualMachine", &[("id", &builder), ("expunge", "true")]).await;
    assert!(world.driver.layers().is_empty());
    assert_eq!(user.call("listTemplates", &own).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn filters_show_what_they_say() {
    let world = kit::world().await;
    let user = world.user();
    for (filter, count) in [
        ("featured", 1),
        ("executable", 1),
        ("self", 0),
        ("selfexecutable", 0),
        ("community", 0),
        ("shared", 0),
    ] {
        let found = user.call("listTemplates", &[("templatefilter", filter)]).await;
        assert_eq!(found.get("count").and_then(serde_json::Value::as_u64).unwrap_or(0), count, "{filter}");
    }
    assert_eq!(
        user.refused("listTemplates", &[("templatefilter", "all")]).await.2,
        "Filter all can be specified by admin only"
    );
    assert_eq!(user.refused("listTemplates", &[("templatefilter", "nonsense")]).await.0, 431);
    assert_eq!(
        user.refused("listTemplates", &[]).await.2,
        "Unable to execute API command listtemplates due to missing parameter templatefilter"
    );
    let template = user.template_id().await;
    let (code, why) = user.fails("deleteTemplate", &[("id", &template)]).await;
    assert_eq!(
        (code, why.as_str()),
        (530, "Domain Admin and regular users can modify only their own Public Templates")
    );
    assert_eq!(user.refused("updateTemplate", &[("id", &template), ("name", "mine")]).await.0, 531);
}

#[tokio::test(start_paused = true)]
async fn a_capture_that_fails_leaves_no_template() {
    let world = kit::world().await;
    let user = world.user();
    let os = os_type(&user).await;
    let network = user.network("n").await;
    let builder = user.deploy(&network, "builder", &[]).await;
    user.run("stopVirtualMachine", &[("id", &builder)]).await;
    let volume = volume(&user, &builder).await;
    let wanted = [("name", "mesos"), ("ostypeid", os.as_str()), ("volumeid", volume.as_str())];
    world.driver.fail(Operation::Capture, 1);
    assert_eq!(user.fails("createTemplate", &wanted).await.0, 530);
    assert_eq!(user.call("listTemplates", &[("templatefilter", "self")]).await, json!({}));
    user.run("createTemplate", &wanted).await;
}

#[tokio::test(start_paused = true)]
async fn a_restored_machine_has_a_new_disk_and_its_old_address() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    let before = volume(&user, &machine).await;
    let reply = user.send("restoreVirtualMachine", &[("virtualmachineid", &machine)]).await;
    assert!(kit::json_of(&reply).get("restorevmresponse").is_some());
    let job = text(&kit::inside(&reply)["jobid"]);
    let restored = user.wait(&job).await["jobresult"]["virtualmachine"].clone();
    assert_eq!((&restored["state"], &restored["ipaddress"]), (&json!("Running"), &json!("172.16.0.2")));
    assert_ne!(volume(&user, &machine).await, before);
    assert_eq!(user.call("listVolumes", &[("id", &before)]).await, json!({}));
}
