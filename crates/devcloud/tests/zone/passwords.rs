//! Passwords of machines: when one is made, who is answered it, and that the guest is told it.

use devcloud::driver::Password;
use serde_json::{Value, json};

use crate::kit::{self, Caller, World, text};

/// A template of the user's own whose guests take a password.
async fn template(user: &Caller, network: &str) -> String {
    let builder = user.deploy(network, "builder", &[]).await;
    user.run("stopVirtualMachine", &[("id", &builder)]).await;
    let volume = [("virtualmachineid", builder.as_str())];
    let volume = text(&user.only("listVolumes", "volume", &volume).await["id"]);
    let os = [("description", "Debian GNU/Linux 12 (64-bit)")];
    let os = text(&user.only("listOsTypes", "ostype", &os).await["id"]);
    let wanted = [
        ("name", "t"),
        ("ostypeid", os.as_str()),
        ("volumeid", volume.as_str()),
        ("passwordenabled", "true"),
    ];
    text(&user.run("createTemplate", &wanted).await.0["id"])
}

/// Deploys from this template: the job's result.
async fn deployed(user: &Caller, network: &str, template: &str, name: &str, more: &[(&str, &str)]) -> Value {
    let mut machine = user.machine(network, name).await;
    machine.retain(|(name, _)| name != "templateid");
    machine.push(("templateid".to_owned(), template.to_owned()));
    user.run("deployVirtualMachine", &kit::borrowed(&machine, more)).await.1["virtualmachine"].clone()
}

/// What the router of the network would tell the machine.
fn told(world: &World, network: &str, machine: &str) -> Option<String> {
    let router = world.driver.router(network.parse().expect("an id")).expect("a router");
    let guest = router.guests.iter().find(|guest| guest.machine.to_string() == machine).expect("a guest");
    guest.password.as_ref().map(|password| password.expose().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_password_is_made_for_machines_of_such_templates_answered_once_and_told_to_the_guest() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let template = template(&user, &network).await;
    let machine = deployed(&user, &network, &template, "m", &[]).await;
    let (id, password) = (text(&machine["id"]), text(&machine["password"]));
    assert_eq!(machine["passwordenabled"], json!(true));
    assert!(
        password.len() >= 6 && password.chars().all(|letter| letter.is_ascii_alphanumeric()),
        "{password}"
    );
    assert_eq!(told(&world, &network, &id), Some(password.clone()));
    let listed = user.only("listVirtualMachines", "virtualmachine", &[("id", &id)]).await;
    assert_eq!(listed.get("password"), None, "no list shows it");
    user.run("stopVirtualMachine", &[("id", &id)]).await;
    let started = user.run("startVirtualMachine", &[("id", &id)]).await.1["virtualmachine"].clone();
    assert_eq!(started.get("password"), None, "it was answered");
    assert!(!format!("{:?}", Password::new(password.as_str())).contains(&password));
    let plain =
        user.run("deployVirtualMachine", &kit::borrowed(&user.machine(&network, "plain").await, &[])).await;
    assert_eq!(plain.1["virtualmachine"].get("password"), None);
    assert_eq!(told(&world, &network, &text(&plain.0["id"])), None);
}

#[tokio::test(start_paused = true)]
async fn a_machine_deployed_without_being_started_has_its_password_answered_by_its_first_start() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let template = template(&user, &network).await;
    let given = [("startvm", "false"), ("password", "correct-horse")];
    let machine = deployed(&user, &network, &template, "m", &given).await;
    assert_eq!(machine.get("password"), None);
    let id = text(&machine["id"]);
    let started = user.run("startVirtualMachine", &[("id", &id)]).await.1["virtualmachine"].clone();
    assert_eq!(started["password"], json!("correct-horse"));
    assert_eq!(told(&world, &network, &id).as_deref(), Some("correct-horse"));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_machine_s_password_is_reset_and_a_new_disk_gets_a_new_one() {
    let world = kit::two_accounts().await;
    let user = world.user();
    let network = user.network("n").await;
    let template = template(&user, &network).await;
    let machine = deployed(&user, &network, &template, "m", &[]).await;
    let (id, first) = (text(&machine["id"]), text(&machine["password"]));
    let (code, why) = user.fails("resetPasswordForVirtualMachine", &[("id", &id)]).await;
    assert_eq!(code, 431);
    assert!(why.ends_with("should be stopped to do password reset"), "{why}");
    user.run("stopVirtualMachine", &[("id", &id)]).await;
    let reset = user.run("resetPasswordForVirtualMachine", &[("id", &id)]).await.1["virtualmachine"].clone();
    let second = text(&reset["password"]);
    assert_ne!(first, second);
    assert_eq!(told(&world, &network, &id), Some(second.clone()), "at its next start");
    let given = [("id", id.as_str()), ("password", "correct-horse")];
    let reset = user.run("resetPasswordForVirtualMachine", &given).await.1["virtualmachine"].clone();
    assert_eq!(reset["password"], json!("correct-horse"));
    let nonsense = [("id", id.as_str()), ("password", "two\nlines")];
    assert_eq!(user.fails("resetPasswordForVirtualMachine", &nonsense).await.0, 431);
    user.run("startVirtualMachine", &[("id", &id)]).await;
    let restored =
        user.run("restoreVirtualMachine", &[("virtualmachineid", &id)]).await.1["virtualmachine"].clone();
    let third = text(&restored["password"]);
    assert!(![first, second, "correct-horse".to_owned()].contains(&third));
    assert_eq!(told(&world, &network, &id), Some(third));
    let other = world.caller("other");
    assert_eq!(other.refused("resetPasswordForVirtualMachine", &[("id", &id)]).await.0, 531);
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_template_has_no_passwords_gets_none() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[("startvm", "false")]).await;
    let (code, why) = user.fails("resetPasswordForVirtualMachine", &[("id", &machine)]).await;
    assert_eq!(code, 431);
    assert!(why.ends_with("the template is not password enabled"), "{why}");
}
