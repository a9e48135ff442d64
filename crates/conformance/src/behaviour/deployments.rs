//! Deployments: the names, addresses, parts and user data that a machine is made with, and what is refused.

use super::Source::{Read, Recorded};
use super::behaviours;
use crate::answer::{UNKNOWN, refusal};
use crate::finding::{Verdict, has, hold, is, lacks, skipped, text};
use crate::made::Kind;
use crate::stage::{Keep, Stage};

behaviours! { "deployments":
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
pub(super) async fn refused(
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
