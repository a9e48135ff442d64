//! Machines that are there: their states, lists and offerings, and their ends.

use serde_json::Value;

use super::Source::{Read, Recorded};
use super::{behaviours, deployments};
use crate::answer::refusal;
use crate::finding::{Verdict, has, hold, is, lacks, shown, skipped, text};
use crate::stage::{Keep, Stage};

behaviours! { "machines":
    filters "Machines are found by name, state in any case, network, ids and keyword; a part of a name finds none",
        Recorded("listVirtualMachines by network; ids; keyword; state; name partial"), ["deployVirtualMachine"];
    unknown_state "A state that is none finds nothing",
        Recorded("value: state unknown"), [];
    least_details "`details=min` leaves out template, offering, size and interfaces, and keeps name and state",
        Recorded("listVirtualMachines, details min"), ["deployVirtualMachine"];
    no_inside_views "Users see no internal name and no host",
        Recorded("listVirtualMachines; objects, notes"), ["deployVirtualMachine"];
    start_twice "A running machine cannot be started: the job says so",
        Recorded("error: startVirtualMachine, running"), ["startVirtualMachine"];
    stop_twice "Stopping a stopped machine ends well",
        Recorded("stopVirtualMachine, already stopped"), ["stopVirtualMachine"];
    stop_and_start "A stopped machine keeps its address and its volume, and starts again",
        Recorded("stopVirtualMachine; startVirtualMachine"), ["stopVirtualMachine", "startVirtualMachine", "listVolumes"];
    reboot "A running machine is rebooted, a stopped one is not: the job says why",
        Recorded("rebootVirtualMachine; error: rebootVirtualMachine, stopped"), ["rebootVirtualMachine"];
    renamed "The display name changes at once",
        Recorded("updateVirtualMachine"), ["updateVirtualMachine"];
    resized "A stopped machine takes another offering",
        Recorded("changeServiceForVirtualMachine; scaleVirtualMachine"), ["changeServiceForVirtualMachine"];
    resized_running "A running machine takes no other offering that way",
        Read("UserVmManagerImpl, upgrade of stopped instances"), ["changeServiceForVirtualMachine"];
    destroyed "A destroyed machine says so in its job's result, and a user sees it no more",
        Recorded("destroyVirtualMachine; listVirtualMachines, destroyed as user"), ["destroyVirtualMachine"];
    destroyed_keeps_name "A destroyed machine that is not expunged keeps its name",
        Read("UserVmManagerImpl, check of host names"), ["destroyVirtualMachine"];
    expunge_by_user "Users expunge only where the setting lets them: the job says so",
        Recorded("error: destroyVirtualMachine, expunge as user; expungeVirtualMachine as user"), ["destroyVirtualMachine"];
    recover_by_user "Users recover only where the setting lets them",
        Recorded("error: recoverVirtualMachine, as user"), ["destroyVirtualMachine"];
    expunged "An expunged machine is an empty list, and its forwards are gone",
        Recorded("destroyVirtualMachine, expunge true; listPortForwardingRules, after expunge"), ["destroyVirtualMachine"];
    recovered "A root admin recovers a destroyed machine: it is Stopped",
        Recorded("recoverVirtualMachine, admin"), ["destroyVirtualMachine"];
    nics "A machine's network cards are listed, with their addresses",
        Recorded("listNics"), ["listNics"];
    password_reset "A machine's password is reset where its template has passwords, and the job answers it; else the job says why not",
        Read("UserVmManagerImpl, resetVMPassword"), ["resetPasswordForVirtualMachine"];
    moved_running "A running machine is not given to another account",
        Read("UserVmManagerImpl, moveVmToUser; AssignVMCmd"), [];
    moved_to_its_host "A machine is not moved to the host it is on: the job says so",
        Read("VirtualMachineManagerImpl, checkVmMigrationDestination"), [];
}

async fn password_reset(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let machine = stage.stopped(&asleep.network, Keep::Behaviour).await?;
    let of = [("id", text(&machine, "id")?)];
    if machine["passwordenabled"] == true {
        let reset = stage.user.run("resetPasswordForVirtualMachine", &of).await?;
        return has(&reset["virtualmachine"], &["password"]);
    }
    let wanted = "not password enabled";
    stage.user.fails("resetPasswordForVirtualMachine", &of, 431, wanted).await.map(drop)
}

async fn moved_running(stage: &Stage) -> Verdict {
    let (admin, other) = (stage.admin()?, stage.other()?);
    let account = other.only("listAccounts", "account", &[]).await?;
    let to = [
        ("virtualmachineid", stage.awake().await?.machine.as_str()),
        ("account", text(&account, "name")?),
        ("domainid", text(&account, "domainid")?),
    ];
    // Its words, and the finer code, differ between versions.
    let answer = admin.send("assignVirtualMachine", &to).await?;
    hold(answer.status == 431, "431", answer.summary())?;
    let seen = [("id", stage.awake().await?.machine.as_str())];
    is(&stage.user.only("listVirtualMachines", "virtualmachine", &seen).await?, "state", "Running")
}

async fn moved_to_its_host(stage: &Stage) -> Verdict {
    let admin = stage.admin()?;
    let id = stage.awake().await?.machine.as_str();
    let machine = admin.only("listVirtualMachines", "virtualmachine", &[("id", id)]).await?;
    let to = [("virtualmachineid", id), ("hostid", text(&machine, "hostid")?)];
    admin.fails("migrateVirtualMachine", &to, 431, "is already present on this host").await.map(drop)
}

async fn filters(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let by_id = [("id", asleep.machine.as_str())];
    let machine = stage.user.only("listVirtualMachines", "virtualmachine", &by_id).await?;
    let name = text(&machine, "name")?;
    let found = async |filter: (&str, &str)| {
        let found = stage.user.list("listVirtualMachines", "virtualmachine", &[filter]).await?;
        Ok(found.iter().any(|found| found["id"] == machine["id"]))
    };
    let upper = name.to_uppercase();
    let part = &name[..name.len() - 1];
    for (filter, finds) in [
        (("name", name), true),
        (("name", upper.as_str()), true),
        (("name", part), false),
        (("keyword", part), true),
        (("state", "Stopped"), true),
        (("state", "stopped"), true),
        (("state", "Running"), false),
        (("networkid", asleep.network.as_str()), true),
        (("ids", asleep.machine.as_str()), true),
        (("zoneid", stage.ground.zone.as_str()), true),
        (("templateid", stage.ground.template.as_str()), true),
    ] {
        let word = if finds { "found" } else { "not found" };
        hold(found(filter).await? == finds, format!("{word} by {filter:?}"), "the contrary")?;
    }
    Ok(())
}

async fn unknown_state(stage: &Stage) -> Verdict {
    let none = stage.user.ask("listVirtualMachines", &[("state", "Nonsense")]).await?;
    hold(none == serde_json::json!({}), "{}", none)
}

async fn least_details(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let asked = [("id", asleep.machine.as_str()), ("details", "min")];
    let machine = stage.user.only("listVirtualMachines", "virtualmachine", &asked).await?;
    has(&machine, &["id", "name", "state", "zoneid", "hypervisor", "created"])?;
    lacks(
        &machine,
        &[
            "templateid",
            "templatename",
            "serviceofferingid",
            "cpunumber",
            "memory",
            "rootdeviceid",
            "ipaddress",
        ],
    )?;
    is(&machine, "nic", serde_json::json!([]))?;
    let some = [("id", asleep.machine.as_str()), ("details", "nics,servoff")];
    let some = stage.user.only("listVirtualMachines", "virtualmachine", &some).await?;
    has(&some, &["ipaddress", "serviceofferingid", "memory"])?;
    lacks(&some, &["templateid", "rootdeviceid"])
}

async fn no_inside_views(stage: &Stage) -> Verdict {
    stage.as_normal_user()?;
    let awake = stage.awake().await?;
    let machine = stage.user.only("listVirtualMachines", "virtualmachine", &[("id", &awake.machine)]).await?;
    lacks(&machine, &["instancename", "hostid", "hostname"])
}

async fn start_twice(stage: &Stage) -> Verdict {
    let machine = &stage.awake().await?.machine;
    let said = stage.user.fails("startVirtualMachine", &[("id", machine)], 431, "is already running").await?;
    let begins = format!("The virtual machine {machine} (");
    hold(said.starts_with(&begins), begins, said)
}

async fn stop_twice(stage: &Stage) -> Verdict {
    let machine = &stage.asleep().await?.machine;
    let result = stage.user.run("stopVirtualMachine", &[("id", machine)]).await?;
    is(&result["virtualmachine"], "state", "Stopped")
}

async fn stop_and_start(stage: &Stage) -> Verdict {
    let machine = &stage.awake().await?.machine;
    let look = async || stage.user.only("listVirtualMachines", "virtualmachine", &[("id", machine)]).await;
    let root = [("virtualmachineid", machine.as_str()), ("type", "ROOT")];
    let before = look().await?;
    let volume = stage.user.only("listVolumes", "volume", &root).await?;
    let stopped = stage.user.run("stopVirtualMachine", &[("id", machine)]).await?;
    is(&stopped["virtualmachine"], "state", "Stopped")?;
    let listed =
        stage.user.until("listVirtualMachines", "virtualmachine", machine, ("state", "Stopped")).await?;
    lacks(&listed, &["hostcontrolstate"])?;
    // Off, its interface is in no VLAN.
    lacks(&listed["nic"][0], &["broadcasturi", "isolationuri"])?;
    let started = stage.user.run("startVirtualMachine", &[("id", machine)]).await?;
    is(&started["virtualmachine"], "state", "Running")?;
    let after =
        stage.user.until("listVirtualMachines", "virtualmachine", machine, ("state", "Running")).await?;
    hold(
        after["nic"][0]["ipaddress"] == before["nic"][0]["ipaddress"],
        format!("the address {}", before["nic"][0]["ipaddress"]),
        &after["nic"][0]["ipaddress"],
    )?;
    let same = stage.user.only("listVolumes", "volume", &root).await?;
    hold(same["id"] == volume["id"], "the same volume", &same)
}

async fn reboot(stage: &Stage) -> Verdict {
    let awake = stage.awake().await?;
    let result = stage.user.run("rebootVirtualMachine", &[("id", &awake.machine)]).await?;
    has(&result["virtualmachine"], &["id", "name", "state"])?;
    stage.user.until("listVirtualMachines", "virtualmachine", &awake.machine, ("state", "Running")).await?;
    let asleep = stage.asleep().await?;
    let wanted = "is not running, unable to reboot it";
    stage.user.fails("rebootVirtualMachine", &[("id", &asleep.machine)], 431, wanted).await.map(drop)
}

async fn renamed(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let name = stage.name();
    let inside =
        stage.user.ask("updateVirtualMachine", &[("id", &asleep.machine), ("displayname", &name)]).await?;
    is(&inside["virtualmachine"], "displayname", name.as_str())?;
    let listed = stage.user.only("listVirtualMachines", "virtualmachine", &[("id", &asleep.machine)]).await?;
    is(&listed, "displayname", name)?;
    hold(listed["name"] != listed["displayname"], "the name as it was", &listed["name"])
}

fn other_offering(stage: &Stage) -> Verdict<&str> {
    stage.ground.other_offering.as_deref().ok_or_else(|| skipped("the server has one offering alone"))
}

async fn resized(stage: &Stage) -> Verdict {
    let other = other_offering(stage)?;
    let asleep = stage.asleep().await?;
    let machine = stage.stopped(&asleep.network, Keep::Behaviour).await?;
    let change = [("id", text(&machine, "id")?), ("serviceofferingid", other)];
    let inside = stage.user.ask("changeServiceForVirtualMachine", &change).await?;
    is(&inside["virtualmachine"], "serviceofferingid", other)
}

async fn resized_running(stage: &Stage) -> Verdict {
    let other = other_offering(stage)?;
    let awake = stage.awake().await?;
    let change = [("id", awake.machine.as_str()), ("serviceofferingid", other)];
    let answer = stage.user.send("changeServiceForVirtualMachine", &change).await?;
    let (_, inside) = answer.envelope()?;
    let right = answer.status == 431 && text(&inside, "errortext")?.contains("in state Running");
    hold(right, "431 and \"in state Running\"", answer.summary())
}

/// A machine in the sleeping network, destroyed but not expunged.
async fn destroyed_machine(stage: &Stage) -> Verdict<(Value, String)> {
    let asleep = stage.asleep().await?;
    let machine = stage.stopped(&asleep.network, Keep::Behaviour).await?;
    let id = text(&machine, "id")?.to_owned();
    let result = stage.user.run("destroyVirtualMachine", &[("id", &id), ("expunge", "false")]).await?;
    Ok((result["virtualmachine"].clone(), id))
}

async fn destroyed(stage: &Stage) -> Verdict {
    let (machine, id) = destroyed_machine(stage).await?;
    is(&machine, "state", "Destroyed")?;
    is(&machine, "id", id.as_str())?;
    if stage.ground.root_admin || stage.ground.users_see_destroyed {
        return Ok(());
    }
    let none = stage.user.ask("listVirtualMachines", &[("id", &id)]).await?;
    hold(none == serde_json::json!({}), "{}", none)
}

async fn destroyed_keeps_name(stage: &Stage) -> Verdict {
    let (machine, _) = destroyed_machine(stage).await?;
    let wanted = refusal(431, 4350, "already exists in the network domain: ");
    deployments::refused(stage, &[("name", text(&machine, "name")?)], "", wanted).await.map(drop)
}

fn where_users_may_not(stage: &Stage) -> Verdict {
    stage.as_normal_user()?;
    if stage.ground.users_expunge { Err(skipped("users may expunge and recover here")) } else { Ok(()) }
}

async fn expunge_by_user(stage: &Stage) -> Verdict {
    where_users_may_not(stage)?;
    let asleep = stage.asleep().await?;
    let machine = stage.stopped(&asleep.network, Keep::Behaviour).await?;
    let id = text(&machine, "id")?;
    let wanted = "Account does not have permission for expunging.";
    stage.user.fails("destroyVirtualMachine", &[("id", id), ("expunge", "true")], 530, wanted).await?;
    if !stage.ground.commands.contains("expungeVirtualMachine") {
        return Ok(());
    }
    stage.user.run("destroyVirtualMachine", &[("id", id)]).await?;
    let wanted =
        "Expunging a vm can only be done by an Admin. Or when the allow.user.expunge.recover.vm key is set.";
    stage.user.fails("expungeVirtualMachine", &[("id", id)], 530, wanted).await.map(drop)
}

async fn recover_by_user(stage: &Stage) -> Verdict {
    where_users_may_not(stage)?;
    if !stage.ground.commands.contains("recoverVirtualMachine") {
        return Err(skipped("not offered by this server: recoverVirtualMachine"));
    }
    let (_, id) = destroyed_machine(stage).await?;
    let wanted =
        "Recovering a vm can only be done by an Admin. Or when the allow.user.expunge.recover.vm key is set.";
    stage.user.refused("recoverVirtualMachine", &[("id", &id)], refusal(531, 4365, wanted)).await.map(drop)
}

async fn expunged(stage: &Stage) -> Verdict {
    let admin = if stage.ground.may_expunge() { None } else { Some(stage.admin()?) };
    let asleep = stage.asleep().await?;
    let machine = stage.stopped(&asleep.network, Keep::Behaviour).await?;
    let id = text(&machine, "id")?;
    let forward = [
        ("ipaddressid", asleep.address.as_str()),
        ("protocol", "tcp"),
        ("publicport", "2299"),
        ("privateport", "22"),
        ("virtualmachineid", id),
        ("openfirewall", "false"),
    ];
    let forward = stage.user.run("createPortForwardingRule", &forward).await?["portforwardingrule"].clone();
    match admin {
        None => {
            stage.user.run("destroyVirtualMachine", &[("id", id), ("expunge", "true")]).await?;
        }
        Some(admin) => {
            stage.user.run("destroyVirtualMachine", &[("id", id)]).await?;
            is(&admin.run("expungeVirtualMachine", &[("id", id)]).await?, "success", true)?;
        }
    }
    let none = stage.user.ask("listVirtualMachines", &[("id", id)]).await?;
    hold(none == serde_json::json!({}), "{}", none)?;
    let left = [("ipaddressid", asleep.address.as_str())];
    let left = stage.user.list("listPortForwardingRules", "portforwardingrule", &left).await?;
    hold(!left.iter().any(|rule| rule["id"] == forward["id"]), "its forward is gone", shown(&left))
}

async fn recovered(stage: &Stage) -> Verdict {
    let admin = stage.admin()?;
    let (_, id) = destroyed_machine(stage).await?;
    let inside = admin.ask("recoverVirtualMachine", &[("id", &id)]).await?;
    is(&inside["virtualmachine"], "state", "Stopped")?;
    is(&stage.user.only("listVirtualMachines", "virtualmachine", &[("id", &id)]).await?, "state", "Stopped")
}

async fn nics(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let nic = stage.user.only("listNics", "nic", &[("virtualmachineid", &asleep.machine)]).await?;
    is(&nic, "networkid", asleep.network.as_str())?;
    is(&nic, "isdefault", true)?;
    has(&nic, &["id", "ipaddress", "netmask", "gateway", "macaddress"])
}
