//! What the zone's history says of what was done, whoever did it and however it was called.

use devcloud::Request;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::kit::{self, Caller, borrowed, text};

/// Type, state, level and text of the events of this type, as they happened.
async fn told(caller: &Caller, kind: &str) -> Vec<(String, String, String)> {
    let found = caller.call("listEvents", &[("type", kind)]).await;
    let events = found["event"].as_array().cloned().unwrap_or_default();
    let line = |event: &Value| (text(&event["state"]), text(&event["level"]), text(&event["description"]));
    events.iter().map(line).collect()
}

fn line(state: &str, level: &str, words: String) -> (String, String, String) {
    (state.to_owned(), level.to_owned(), words)
}

#[tokio::test(start_paused = true)]
async fn a_machine_s_events_have_the_words_that_a_real_server_has() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    let id = [("id", machine.as_str())];
    user.run("stopVirtualMachine", &id).await;
    assert_eq!(
        told(&user, "VM.STOP").await,
        [
            line("Scheduled", "INFO", format!("Stopping User Instance with ID: {machine}")),
            line("Started", "INFO", format!("Stopping Vm. Instance ID: {machine}")),
            line("Completed", "INFO", format!("Successfully completed stopping Vm. Instance ID: {machine}")),
        ]
    );
    user.run("startVirtualMachine", &id).await;
    assert_eq!(user.fails("startVirtualMachine", &id).await.0, 431);
    let failed = user.call("listEvents", &[("type", "VM.START"), ("level", "ERROR")]).await;
    let failed = &failed["event"][0];
    assert_eq!(failed["description"], json!(format!("Error while starting Vm. Instance ID: {machine}")));
    assert_eq!(failed["resourcetype"], json!("VirtualMachine"));
    assert_eq!((&failed["resourceid"], &failed["resourcename"]), (&json!(machine), &json!("m")));
    assert!(failed["parentid"].is_string() && failed.get("archived").is_none(), "{failed}");
    let begun = user.call("listEvents", &[("startid", failed["parentid"].as_str().expect("an id"))]).await;
    let states = begun["event"].as_array().expect("events").iter().map(|event| text(&event["state"]));
    assert_eq!(states.collect::<Vec<_>>(), ["Scheduled", "Started", "Completed"]);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_is_not_started_is_only_accepted() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[("startvm", "false")]).await;
    let volume = text(&user.only("listVolumes", "volume", &[]).await["id"]);
    let made = format!(
        "Successfully created entity for creating ROOT volume. Volume Type: ROOTVolume ID: {volume} Instance ID: {machine}"
    );
    assert_eq!(told(&user, "VOLUME.CREATE").await, [line("Created", "INFO", made)]);
    assert_eq!(
        told(&user, "VM.CREATE").await,
        [line("Scheduled", "INFO", format!("Starting Instance with ID: {machine}"))]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_done_at_once_leaves_one_event_whether_it_went_well_or_not() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    assert_eq!(
        told(&user, "NETWORK.CREATE").await,
        [line(
            "Completed",
            "INFO",
            format!("Successfully completed creating network. Network ID: {network}")
        )]
    );
    let made = user.call("listEvents", &[("resourceid", &network), ("resourcetype", "Network")]).await;
    assert_eq!(made["event"][0]["resourcename"], json!("n"));
    user.call("createSSHKeyPair", &[("name", "k")]).await;
    assert_eq!(user.refused("createSSHKeyPair", &[("name", "k")]).await.0, 431);
    let pairs = told(&user, "REGISTER.SSH.KEYPAIR").await;
    let levels: Vec<&str> = pairs.iter().map(|(_, level, _)| level.as_str()).collect();
    assert_eq!(levels, ["INFO", "ERROR"], "{pairs:?}");
    // What is refused before it is tried leaves none.
    assert_eq!(user.refused("createSSHKeyPair", &[]).await.0, 431);
    assert_eq!(told(&user, "REGISTER.SSH.KEYPAIR").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_left_no_row_is_told_by_its_kind_alone() {
    let world = kit::world().await;
    let user = world.user();
    let group = [("name", "g"), ("type", "host anti-affinity")];
    user.run("createAffinityGroup", &group).await;
    user.run("deleteAffinityGroup", &group[..1]).await;
    let gone = user.call("listEvents", &[("type", "AG.DELETE")]).await;
    let gone = gone["event"].as_array().expect("events");
    assert_eq!(gone.len(), 2, "{gone:?}");
    for event in gone {
        assert_eq!(event["resourcetype"], json!("AffinityGroup"));
        assert!(event.get("resourceid").is_none() && event.get("resourcename").is_none(), "{event}");
    }
    assert_eq!(gone[0]["description"], json!("Deleting Affinity Group with ID: null"));
}

/// An admin's work on a user's machine: its acceptance is in the user's list, its end in the admin's.
#[tokio::test(start_paused = true)]
async fn an_acceptance_is_told_to_whose_thing_it_is() {
    let world = kit::world().await;
    let (user, admin) = (world.user(), world.admin());
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    admin.run("stopVirtualMachine", &[("id", &machine)]).await;
    let states = async |caller: &Caller| {
        told(caller, "VM.STOP").await.into_iter().map(|(state, ..)| state).collect::<Vec<_>>()
    };
    assert_eq!(states(&user).await, ["Scheduled"]);
    assert_eq!(states(&admin).await, ["Started", "Completed"]);
    let accepted = user.call("listEvents", &[("type", "VM.STOP")]).await;
    assert_eq!(accepted["event"][0]["username"], json!("admin"));
}

#[tokio::test(start_paused = true)]
async fn who_comes_in_and_goes_out_is_told() {
    let world = kit::world().await;
    let keys = world.zone.credentials("mesostack").expect("keys");
    let form = [
        ("command", "login"),
        ("username", "mesostack"),
        ("password", keys.password.expose_secret()),
        ("response", "json"),
    ];
    let form = cloudstack::signature::form(&form);
    let reply = world.zone.handle(Request::post(form)).await;
    let cookies = reply.headers.iter().filter(|(name, _)| *name == "Set-Cookie");
    let cookies: Vec<&str> = cookies.filter_map(|(_, value)| value.split(';').next()).collect();
    let logout = Request { cookie: Some(cookies.join("; ")), ..Request::get("command=logout&response=json") };
    assert_eq!(world.zone.handle(logout).await.status, 200);
    let user = world.user();
    assert_eq!(
        told(&user, "USER.LOGIN").await,
        [line("Completed", "INFO", "user has logged in from IP Address 127.0.0.1".to_owned())]
    );
    assert_eq!(
        told(&user, "USER.LOGOUT").await,
        [line("Completed", "INFO", "user has logged out".to_owned())]
    );
    let types = user.call("listEventTypes", &[]).await;
    let types: Vec<String> =
        types["eventtype"].as_array().expect("types").iter().map(|one| text(&one["name"])).collect();
    for known in ["USER.LOGIN", "VM.START", "NETWORK.CREATE", "CREATE_TAGS"] {
        assert!(types.iter().any(|name| name == known), "{known}");
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_found_by_how_long_ago_they_were() {
    let world = kit::world().await;
    let user = world.user();
    user.network("early").await;
    tokio::time::sleep(std::time::Duration::from_secs(100)).await;
    user.network("late").await;
    let names = async |parameters: &[(String, String)]| {
        let found = user.call("listEvents", &borrowed(parameters, &[("type", "NETWORK.CREATE")])).await;
        let events = found["event"].as_array().cloned().unwrap_or_default();
        events.iter().map(|event| text(&event["resourcename"])).collect::<Vec<_>>()
    };
    let span = |entry: &str, duration: &str| {
        [("entrytime".to_owned(), entry.to_owned()), ("duration".to_owned(), duration.to_owned())]
    };
    assert_eq!(names(&span("1000", "50")).await, ["early"]);
    assert_eq!(names(&span("50", "0")).await, ["late"]);
    assert_eq!(user.refused("listEvents", &[("entrytime", "5"), ("duration", "5")]).await.0, 431);
}
