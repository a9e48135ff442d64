//! What is told of what happened, and what one account sees of another.

use super::Source::{Read, Recorded};
use super::behaviours;
use super::small_things::PUBLIC_KEY;
use crate::answer::refusal;
use crate::finding::{Verdict, has, hold, is, shown, skipped, text};
use crate::made::Kind;
use crate::stage::{Keep, Stage};

behaviours! { "accounts":
    events "A job leaves events: one when it is scheduled, one when it starts, one when it is completed",
        Recorded("listEvents"), ["listEvents", "stopVirtualMachine"];
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

async fn events_of_failure(stage: &Stage) -> Verdict {
    let machine = &stage.awake().await?.machine;
    stage.user.fails("startVirtualMachine", &[("id", machine)], 431, "is already running").await?;
    let filter = [("type", "VM.START"), ("level", "ERROR"), ("page", "1"), ("pagesize", "20")];
    let events = stage.user.list("listEvents", "event", &filter).await?;
    let ours = events.iter().find(|event| {
        event["resourceid"] == machine.as_str()
            || event["description"].as_str().is_some_and(|text| text.contains(machine.as_str()))
    });
    let event = ours.ok_or_else(|| crate::finding::differs("an event about the machine", shown(&events)))?;
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
        caller.ask("registerSSHKeyPair", &[("name", &name), ("publickey", PUBLIC_KEY)]).await?;
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
