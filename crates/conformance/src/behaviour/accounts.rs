//! What is told of what happened, and what one account sees of another.

use super::Source::{Read, Recorded};
use super::behaviours;
use crate::answer::refusal;
use crate::finding::{Verdict, differs, has, hold, is, lacks, shown, skipped, text};
use crate::made::Kind;
use crate::stage::{Keep, Stage};

behaviours! { "accounts":
    events "A job leaves events: one when it is scheduled, one when it starts, one when it is completed",
        Recorded("listEvents"), ["listEvents", "stopVirtualMachine"];
    events_tell "An event names its machine, and says in its words what is done to it",
        Recorded("listEvents"), ["listEvents", "stopVirtualMachine"];
    events_at_once "What is done when it is answered leaves an event too, and so does a login",
        Read("NetworkServiceImpl, createGuestNetwork; AccountManagerImpl, authenticateUser"), ["listEvents", "createNetwork"];
    events_of_failure "A job that fails leaves an event of level ERROR",
        Recorded("listEvents, filtered"), ["listEvents"];
    foreign_lists "Another account's id in a list finds nothing",
        Read("AccountManagerImpl, building of search parameters"), ["createNetwork"];
    foreign_writes "Another account's thing is not changed: refused with 531",
        Recorded("error: deployVirtualMachine, other account's network"), ["createNetwork"];
    foreign_jobs "Another account's job is not shown",
        Read("AsyncJobManager, access to jobs"), ["createAffinityGroup"];
    listall_is_own "`listall` shows a user nothing of others",
        Read("AccountManagerImpl, building of search parameters"), ["createNetwork"];
    names_by_account "Two accounts may have a key pair and an affinity group of the same name",
        Read("names are per account"), ["createAffinityGroup", "registerSSHKeyPair"];
    foreign_account "A user that names another account is refused",
        Read("AccountManagerImpl, finalizing of owners"), ["createNetwork"];
    own_standing "An account asks how many calls it has left, if they are counted, and a user for the cloud's identifier",
        Read("GetApiLimitCmd; GetCloudIdentifierCmd"), ["getApiLimit", "getCloudIdentifier", "listUsers"];
    usage_counts "What an account has is counted against its limits",
        Recorded("listAccounts"), ["createNetwork"];
}

async fn events(stage: &Stage) -> Verdict {
    let machine = &stage.asleep().await?.machine;
    stage.user.run("stopVirtualMachine", &[("id", machine)]).await?;
    let filter = [("type", "VM.STOP"), ("page", "1"), ("pagesize", "20")];
    let events = stage.user.list("listEvents", "event", &filter).await?;
    let others = events.iter().any(|event| event["type"] != "VM.STOP");
    hold(!events.is_empty() && !others, "events of that type, and no others", shown(&events))?;
    for state in ["Scheduled", "Started", "Completed"] {
        let there = events.iter().any(|event| event["state"] == state);
        hold(there, format!("an event with the state {state}"), shown(&events))?;
    }
    has(&events[0], &["id", "username", "type", "level", "description", "account", "created", "state"])
}

async fn events_tell(stage: &Stage) -> Verdict {
    let machine = &stage.asleep().await?.machine;
    stage.user.run("stopVirtualMachine", &[("id", machine)]).await?;
    let named = stage.user.only("listVirtualMachines", "virtualmachine", &[("id", machine)]).await?;
    let filter = [("type", "VM.STOP"), ("page", "1"), ("pagesize", "20")];
    let events = stage.user.list("listEvents", "event", &filter).await?;
    for (state, words) in [
        ("Scheduled", "Stopping User Instance with ID: "),
        ("Started", "Stopping Vm. Instance ID: "),
        ("Completed", "Successfully completed stopping Vm. Instance ID: "),
    ] {
        let words = format!("{words}{machine}");
        let told = events.iter().find(|event| event["state"] == state && event["description"] == *words);
        let told = told.ok_or_else(|| differs(format!("{state}: {words:?}"), shown(&events)))?;
        is(told, "resourcetype", "VirtualMachine")?;
        is(told, "resourceid", machine.as_str())?;
        is(told, "resourcename", text(&named, "name")?)?;
        lacks(told, &["archived"])?;
        hold(
            told["parentid"].is_string() == (state != "Scheduled"),
            "`parentid` of what was accepted",
            &told["parentid"],
        )?;
    }
    Ok(())
}

async fn events_at_once(stage: &Stage) -> Verdict {
    stage.network(&[], Keep::Behaviour).await?;
    let mut kinds = vec!["NETWORK.CREATE"];
    if stage.login().is_ok() {
        let answer = super::sessions::log_in(stage, None, None).await?;
        let own = answer.status == 200 && answer.inside()?["account"] == stage.ground.account.as_str();
        kinds.extend(own.then_some("USER.LOGIN"));
    }
    for kind in kinds {
        let filter = [("type", kind), ("page", "1"), ("pagesize", "20")];
        let events = stage.user.list("listEvents", "event", &filter).await?;
        let told = events.iter().any(|event| event["state"] == "Completed" && event["level"] == "INFO");
        hold(told, format!("{kind}: an event with the state Completed"), shown(&events))?;
    }
    Ok(())
}

async fn own_standing(stage: &Stage) -> Verdict {
    let answer = stage.user.send("getApiLimit", &[]).await?;
    if answer.status == 200 {
        let limit = answer.inside()?["apilimit"].clone();
        has(&limit, &["accountid", "account", "apiIssued", "apiAllowed", "expireAfter"])?;
        is(&limit, "account", stage.ground.account.as_str())?;
    } else {
        let wanted = refusal(432, 9999, "This api is only available when api.throttling.enabled = true.");
        answer.refused(wanted)?;
    }
    let users = stage.user.list("listUsers", "user", &[]).await?;
    let own = users.iter().find(|user| user["account"] == stage.ground.account.as_str());
    let user = text(own.unwrap_or(&serde_json::Value::Null), "id")?;
    let inside = stage.user.ask("getCloudIdentifier", &[("userid", user)]).await?;
    text(&inside["cloudidentifier"], "cloudidentifier").map(drop)
}

async fn events_of_failure(stage: &Stage) -> Verdict {
    let machine = &stage.awake().await?.machine;
    stage.user.fails("startVirtualMachine", &[("id", machine)], 431, "is already running").await?;
    let filter = [("type", "VM.START"), ("level", "ERROR"), ("page", "1"), ("pagesize", "20")];
    let events = stage.user.list("listEvents", "event", &filter).await?;
    let ours = events.iter().find(|event| {
        event["resourceid"] == machine.as_str()
            || event["description"].as_str().is_some_and(|text| text.contains(machine.as_str()))
    });
    let event = ours.ok_or_else(|| differs("an event about the machine", shown(&events)))?;
    is(event, "level", "ERROR")?;
    is(event, "state", "Completed")
}

/// The other account, if it is a normal one.
fn other(stage: &Stage) -> Verdict<&crate::caller::Caller> {
    stage.as_normal_user()?;
    stage.other()
}

async fn foreign_lists(stage: &Stage) -> Verdict {
    let other = other(stage)?;
    let asleep = stage.asleep().await?;
    for (command, id) in [
        ("listNetworks", &asleep.network),
        ("listVirtualMachines", &asleep.machine),
        ("listPublicIpAddresses", &asleep.address),
    ] {
        let none = other.ask(command, &[("id", id)]).await?;
        hold(none == serde_json::json!({}), format!("{command}: {{}}"), none)?;
    }
    Ok(())
}

async fn foreign_writes(stage: &Stage) -> Verdict {
    let other = other(stage)?;
    let asleep = stage.asleep().await?;
    for (command, id) in [
        ("deleteNetwork", &asleep.network),
        ("startVirtualMachine", &asleep.machine),
        ("destroyVirtualMachine", &asleep.machine),
    ] {
        let answer = other.send(command, &[("id", id)]).await?;
        hold(answer.status == 531, format!("{command}: 531"), answer.summary())?;
    }
    let name = stage.name();
    let wanted = refusal(531, 4365, "permission");
    other.refused("deployVirtualMachine", &stage.machine_in(&asleep.network, &name), wanted).await?;
    let kept = stage.user.only("listVirtualMachines", "virtualmachine", &[("id", &asleep.machine)]).await?;
    is(&kept, "state", "Stopped")
}

async fn foreign_jobs(stage: &Stage) -> Verdict {
    let other = other(stage)?;
    let name = stage.name();
    let group = [("name", name.as_str()), ("type", "host anti-affinity")];
    let begun = stage.user.begin("createAffinityGroup", &group).await?;
    stage.made(Kind::AffinityGroup, begun.id.as_deref().unwrap_or_default(), &name, Keep::Behaviour);
    stage.user.outcome(&begun.job).await?;
    let answer = other.send("queryAsyncJobResult", &[("jobid", &begun.job)]).await?;
    hold(matches!(answer.status, 431 | 531), "531", answer.summary())
}

async fn listall_is_own(stage: &Stage) -> Verdict {
    let other = other(stage)?;
    let asleep = stage.asleep().await?;
    let networks = other.list("listNetworks", "network", &[("listall", "true")]).await?;
    let seen = networks.iter().any(|network| network["id"] == asleep.network.as_str());
    hold(!seen, "none of another account", "the other's network")
}

async fn names_by_account(stage: &Stage) -> Verdict {
    let other = other(stage)?;
    let name = stage.name();
    for caller in [&stage.user, other] {
        caller.ask("registerSSHKeyPair", &[("name", &name), ("publickey", &stage.key.text)]).await?;
        caller.run("createAffinityGroup", &[("name", &name), ("type", "host anti-affinity")]).await?;
    }
    for caller in [&stage.user, other] {
        caller.ask("deleteSSHKeyPair", &[("name", &name)]).await?;
        caller.run("deleteAffinityGroup", &[("name", &name)]).await?;
    }
    Ok(())
}

async fn foreign_account(stage: &Stage) -> Verdict {
    let other = other(stage)?;
    let account = other.only("listAccounts", "account", &[]).await?;
    let name = stage.name();
    let parameters = [
        ("name", name.as_str()),
        ("zoneid", &stage.ground.zone),
        ("networkofferingid", &stage.ground.network_offering),
        ("account", text(&account, "name")?),
        ("domainid", text(&account, "domainid")?),
    ];
    let answer = stage.user.send("createNetwork", &parameters).await?;
    hold(answer.status == 531, "531", answer.summary())
}

async fn usage_counts(stage: &Stage) -> Verdict {
    stage.as_normal_user()?;
    let count = async || {
        let account = stage.user.only("listAccounts", "account", &[]).await?;
        account["networktotal"].as_u64().ok_or_else(|| skipped("the server counts no networks"))
    };
    let before = count().await?;
    stage.network(&[], Keep::Behaviour).await?;
    let after = count().await?;
    hold(after == before + 1, before + 1, after)
}
