//! Machines: their names, addresses and states, and what is refused at once or by their jobs.

use serde_json::Value;

use super::Source::{Read, Recorded};
use super::behaviours;
use crate::answer::{UNKNOWN, refusal};
use crate::finding::{Verdict, has, hold, is, lacks, shown, skipped, text};
use crate::made::Kind;
use crate::stage::{Keep, Stage};

behaviours! { "machines":
    deployed_asleep "A machine deployed without being started is Stopped and has its address already",
        Recorded("deployVirtualMachine, startvm false"), ["deployVirtualMachine"];
    listed_from_the_start "A machine is listed as soon as its job is known, Stopped or Starting, with its address",
        Recorded("deployVirtualMachine, timeline"), ["deployVirtualMachine"];
    runs "A started machine is Running, with its network card, whose number is a text",
        Recorded("deployVirtualMachine; startVirtualMachine"), ["deployVirtualMachine"];
    own_address "A machine gets the address it asks for",
        Recorded("deployVirtualMachine; iptonetworklist"), ["deployVirtualMachine"];
    ip_to_network "The address may be said with the network, as a map",
        Recorded("deployVirtualMachine, iptonetworklist"), ["deployVirtualMachine"];
    address_malformed "An address that is none is refused",
        Recorded("error: deployVirtualMachine, ip malformed"), ["deployVirtualMachine"];
    address_impossible "An address outside the network, its gateway, its broadcast or one in use is refused with 530",
        Recorded("error: deployVirtualMachine, ip outside CIDR; is gateway; is broadcast; in use"), ["deployVirtualMachine"];
    names_checked "A name that is no host name is refused with the rules for one",
        Recorded("error: deployVirtualMachine, bad hostname; hostname too long"), ["deployVirtualMachine"];
    names_unique "A name is taken once in a network",
        Recorded("error: deployVirtualMachine, duplicate name"), ["deployVirtualMachine"];
    names_unique_by_case "The same name in other letters is another name",
        Recorded("deployVirtualMachine, duplicate name, other case"), ["deployVirtualMachine"];
    names_not_unique_elsewhere "Another network may have a machine of the same name",
        Read("UserVmManagerImpl, check of host names"), ["deployVirtualMachine"];
    named_by_itself "A machine without a name is called VM- and its id",
        Recorded("deployVirtualMachine, no name"), ["deployVirtualMachine"];
    unknown_parts "An unknown offering, template, network or affinity group is named in the refusal",
        Recorded("error: deployVirtualMachine, unknown offering; template; network; affinity"), ["deployVirtualMachine"];
    unknown_key_pair "An unknown key pair is refused",
        Recorded("error: deployVirtualMachine, unknown keypair"), ["deployVirtualMachine"];
    no_template "A machine without a template is refused with 530",
        Recorded("error: deployVirtualMachine, no template"), ["deployVirtualMachine"];
    which_network "Without a network, and with several to choose from, the network has to be said",
        Recorded("error: deployVirtualMachine, no network"), ["deployVirtualMachine"];
    user_data_kept "User data comes back as it was given, and is not in lists unless asked for",
        Recorded("getVirtualMachineUserData; listVirtualMachines, userdata"), ["getVirtualMachineUserData"];
    user_data_base64 "User data that is not base64 is refused",
        Recorded("error: deployVirtualMachine, userdata not base64"), ["deployVirtualMachine"];
    user_data_too_long "User data beyond the setting is refused, with the setting",
        Recorded("error: deployVirtualMachine, userdata too long, 40000, POST"), ["deployVirtualMachine"];
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
        Read("UserVmManagerImpl, moveVmToUser"), [];
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
    // What it says about the state differs between versions.
    admin.refused("assignVirtualMachine", &to, refusal(431, 4350, "unning")).await.map(drop)
}

async fn moved_to_its_host(stage: &Stage) -> Verdict {
    let admin = stage.admin()?;
    let id = stage.awake().await?.machine.as_str();
    let machine = admin.only("listVirtualMachines", "virtualmachine", &[("id", id)]).await?;
    let to = [("virtualmachineid", id), ("hostid", text(&machine, "hostid")?)];
    admin.fails("migrateVirtualMachine", &to, 431, "is already present on this host").await.map(drop)
}

async fn deployed_asleep(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let machine = stage.stopped(&asleep.network, Keep::Behaviour).await?;
    is(&machine, "state", "Stopped")?;
    is(&machine, "templateid", stage.ground.template.as_str())?;
    is(&machine, "serviceofferingid", stage.ground.offering.as_str())?;
    is(&machine, "displayname", text(&machine, "name")?)?;
    text(&machine["nic"][0], "ipaddress")?;
    for list in ["nic", "tags", "affinitygroup", "securitygroup"] {
        hold(machine[list].is_array(), format!("`{list}` as a list"), &machine)?;
    }
    lacks(&machine, &["hostcontrolstate", "password"])
}

async fn listed_from_the_start(stage: &Stage) -> Verdict {
    let awake = stage.awake().await?;
    let name = stage.name();
    let begun = stage.user.begin("deployVirtualMachine", &stage.machine_in(&awake.network, &name)).await?;
    let id = begun.id.unwrap_or_default();
    stage.made(Kind::Machine, &id, &name, Keep::Behaviour);
    let machine = stage.user.only("listVirtualMachines", "virtualmachine", &[("id", &id)]).await?;
    let state = text(&machine, "state")?;
    hold(matches!(state, "Stopped" | "Starting" | "Running"), "Stopped, Starting or Running", state)?;
    let address = text(&machine["nic"][0], "ipaddress")?.to_owned();
    let end = stage.user.outcome(&begun.job).await?;
    is(&end, "jobstatus", 1)?;
    is(&end["jobresult"]["virtualmachine"]["nic"][0], "ipaddress", address)
}

async fn runs(stage: &Stage) -> Verdict {
    let awake = stage.awake().await?;
    let machine = stage.user.only("listVirtualMachines", "virtualmachine", &[("id", &awake.machine)]).await?;
    is(&machine, "state", "Running")?;
    has(&machine, &["cpunumber", "memory", "created", "zonename", "templatename", "hypervisor", "haenable"])?;
    is(&machine, "rootdevicetype", "ROOT")?;
    let nic = &machine["nic"][0];
    is(nic, "networkid", awake.network.as_str())?;
    is(nic, "isdefault", true)?;
    is(nic, "deviceid", "0")?;
    has(nic, &["id", "ipaddress", "netmask", "gateway", "macaddress", "traffictype", "type"])
}

async fn own_address(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let more = [("startvm", "false"), ("ipaddress", "10.97.0.77")];
    let machine = stage.machine(&asleep.network, &more, Keep::Behaviour).await?;
    is(&machine["nic"][0], "ipaddress", "10.97.0.77")
}

async fn ip_to_network(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let name = stage.name();
    let parameters = [
        ("name", name.as_str()),
        ("zoneid", &stage.ground.zone),
        ("serviceofferingid", &stage.ground.offering),
        ("templateid", &stage.ground.template),
        ("startvm", "false"),
        ("iptonetworklist[0].networkid", &asleep.network),
        ("iptonetworklist[0].ip", "10.97.0.78"),
    ];
    let begun = stage.user.begin("deployVirtualMachine", &parameters).await?;
    stage.made(Kind::Machine, begun.id.as_deref().unwrap_or_default(), &name, Keep::Behaviour);
    let end = stage.user.outcome(&begun.job).await?;
    is(&end["jobresult"]["virtualmachine"]["nic"][0], "ipaddress", "10.97.0.78")
}

/// The refusal of a machine in the sleeping network with these parameters beside, or instead.
async fn refused(
    stage: &Stage,
    more: &[(&str, &str)],
    without: &str,
    wanted: crate::answer::Refusal,
) -> Verdict<String> {
    let asleep = stage.asleep().await?;
    // Some refusals leave a record in Error: it is found by its name in the end.
    let name = stage.name();
    let mut parameters = stage.machine_in(&asleep.network, &name);
    parameters.retain(|(name, _)| *name != without && !more.iter().any(|(other, _)| other == name));
    parameters.extend(more);
    stage.user.refused("deployVirtualMachine", &parameters, wanted).await
}

async fn address_malformed(stage: &Stage) -> Verdict {
    let wanted = refusal(431, 4350, "Invalid specified IPv4 address 10.97.0.999");
    refused(stage, &[("ipaddress", "10.97.0.999")], "", wanted).await.map(drop)
}

async fn address_impossible(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let machine =
        stage.user.only("listVirtualMachines", "virtualmachine", &[("id", &asleep.machine)]).await?;
    let taken = text(&machine["nic"][0], "ipaddress")?;
    let wanted = match stage.ground.root_admin {
        true => refusal(530, 0, "Unable to acquire Guest IP address for network"),
        false => {
            refusal(530, 0, "Internal error executing command, please contact your system administrator")
        }
    };
    for address in ["10.9.9.9", "10.97.0.1", "10.97.0.255", taken] {
        refused(stage, &[("ipaddress", address)], "", wanted).await?;
    }
    Ok(())
}

async fn names_checked(stage: &Stage) -> Verdict {
    let wanted = refusal(
        431,
        9999,
        "Invalid value provided for API arg: name - it can contain ASCII letters 'a' through 'z', the digits '0' \
         through '9', and the hyphen ('-'), must be between 1 and 63 characters long",
    );
    let long = format!("{}{}", stage.prefix, "x".repeat(64));
    for name in ["under_score", "-dash", "1digit", long.as_str()] {
        refused(stage, &[("name", name)], "", wanted).await?;
    }
    Ok(())
}

async fn names_unique(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let machine =
        stage.user.only("listVirtualMachines", "virtualmachine", &[("id", &asleep.machine)]).await?;
    let name = text(&machine, "name")?;
    let wanted = refusal(431, 4350, "already exists in the network domain: ");
    let said = refused(stage, &[("name", name)], "", wanted).await?;
    let begins = format!("The vm with hostName {name} already exists");
    hold(said.starts_with(&begins), begins, said)
}

async fn names_unique_by_case(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let machine =
        stage.user.only("listVirtualMachines", "virtualmachine", &[("id", &asleep.machine)]).await?;
    let upper = text(&machine, "name")?.to_uppercase();
    let mut parameters = stage.machine_in(&asleep.network, &upper);
    parameters.push(("startvm", "false"));
    let begun = stage.user.begin("deployVirtualMachine", &parameters).await?;
    stage.made(Kind::Machine, begun.id.as_deref().unwrap_or_default(), &upper, Keep::Behaviour);
    is(&stage.user.outcome(&begun.job).await?, "jobstatus", 1)
}

async fn names_not_unique_elsewhere(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let machine =
        stage.user.only("listVirtualMachines", "virtualmachine", &[("id", &asleep.machine)]).await?;
    let name = text(&machine, "name")?;
    // A domain of its own: the name has to be unique in the network's domain.
    let network = stage.network(&[("networkdomain", "elsewhere.internal")], Keep::Behaviour).await?;
    let mut parameters = stage.machine_in(text(&network, "id")?, name);
    parameters.push(("startvm", "false"));
    let begun = stage.user.begin("deployVirtualMachine", &parameters).await?;
    stage.made(Kind::Machine, begun.id.as_deref().unwrap_or_default(), name, Keep::Behaviour);
    is(&stage.user.outcome(&begun.job).await?, "jobstatus", 1)
}

async fn named_by_itself(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let mut parameters = stage.machine_in(&asleep.network, "");
    parameters.retain(|(name, _)| *name != "name");
    parameters.push(("startvm", "false"));
    let begun = stage.user.begin("deployVirtualMachine", &parameters).await?;
    let id = begun.id.unwrap_or_default();
    stage.made(Kind::Machine, &id, &id, Keep::Behaviour);
    let end = stage.user.outcome(&begun.job).await?;
    is(&end["jobresult"]["virtualmachine"], "name", format!("VM-{id}"))
}

async fn unknown_parts(stage: &Stage) -> Verdict {
    let nothing = "00000000-0000-0000-0000-000000000000";
    for part in ["serviceofferingid", "templateid", "networkids", "affinitygroupids"] {
        let said = refused(stage, &[(part, nothing)], "", UNKNOWN).await?;
        hold(said.contains(&format!("Invalid parameter {part} value={nothing}")), part, said)?;
    }
    Ok(())
}

async fn unknown_key_pair(stage: &Stage) -> Verdict {
    let wanted = refusal(431, 4350, "Not all specified keypairs exist");
    refused(stage, &[("keypair", &stage.name())], "", wanted).await.map(drop)
}

async fn no_template(stage: &Stage) -> Verdict {
    stage.as_normal_user()?;
    let wanted =
        refusal(530, 4250, "Internal error executing command, please contact your system administrator");
    refused(stage, &[], "templateid", wanted).await.map(drop)
}

async fn which_network(stage: &Stage) -> Verdict {
    // There have to be two.
    stage.asleep().await?;
    stage.network(&[], Keep::Behaviour).await?;
    let wanted = refusal(431, 4350, "More than 1 default Isolated networks are found for Account");
    refused(stage, &[], "networkids", wanted).await.map(drop)
}

/// `#cloud-config`, in base64.
const USER_DATA: &str = "I2Nsb3VkLWNvbmZpZwo=";

async fn user_data_kept(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let more = [("startvm", "false"), ("userdata", USER_DATA)];
    let machine = stage.machine(&asleep.network, &more, Keep::Behaviour).await?;
    let id = text(&machine, "id")?;
    let inside = stage.user.ask("getVirtualMachineUserData", &[("virtualmachineid", id)]).await?;
    is(&inside["virtualmachineuserdata"], "userdata", USER_DATA)?;
    is(&inside["virtualmachineuserdata"], "virtualmachineid", id)?;
    lacks(&stage.user.only("listVirtualMachines", "virtualmachine", &[("id", id)]).await?, &["userdata"])?;
    let asked = [("id", id), ("userdata", "true")];
    is(&stage.user.only("listVirtualMachines", "virtualmachine", &asked).await?, "userdata", USER_DATA)
}

async fn user_data_base64(stage: &Stage) -> Verdict {
    let wanted = refusal(431, 4350, "User data is not base64 encoded.");
    refused(stage, &[("userdata", "#not base64!")], "", wanted).await.map(drop)
}

async fn user_data_too_long(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let long = "QUFB".repeat(40_000 / 4);
    let name = stage.name();
    let mut parameters = stage.machine_in(&asleep.network, &name);
    parameters.extend([("startvm", "false"), ("userdata", &long)]);
    let answer = stage.user.send("deployVirtualMachine", &parameters).await?;
    if answer.status == 200 {
        return Err(skipped("this server's setting lets longer user data through"));
    }
    answer.refused(refusal(431, 4350, "User data has exceeded configurable max length: ")).map(drop)
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
    refused(stage, &[("name", text(&machine, "name")?)], "", wanted).await.map(drop)
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
    if stage.ground.may_expunge() {
        stage.user.run("destroyVirtualMachine", &[("id", id), ("expunge", "true")]).await?;
    } else {
        let admin = stage.admin()?;
        stage.user.run("destroyVirtualMachine", &[("id", id)]).await?;
        is(&admin.run("expungeVirtualMachine", &[("id", id)]).await?, "success", true)?;
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
