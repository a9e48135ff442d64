//! Key pairs, affinity groups and tags.

use super::Source::Recorded;
use super::behaviours;
use crate::answer::refusal;
use crate::finding::{Verdict, has, hold, is, lacks, shown, text};
use crate::made::Kind;
use crate::stage::{Keep, Stage};

behaviours! { "small-things":
    key_made "A key pair that the cloud makes is given with its private key, once",
        Recorded("createSSHKeyPair; listSSHKeyPairs"), ["createSSHKeyPair"];
    key_registered "A registered key pair has the fingerprint of its key, and no private key",
        Recorded("registerSSHKeyPair; ed25519"), ["registerSSHKeyPair"];
    key_name_taken "A key pair's name is taken once, and the two commands say so in their own words",
        Recorded("error: createSSHKeyPair, duplicate name; registerSSHKeyPair, duplicate name"), ["createSSHKeyPair", "registerSSHKeyPair"];
    key_taken "The same key under another name is refused",
        Recorded("error: registerSSHKeyPair, duplicate key, other name"), ["registerSSHKeyPair"];
    key_odd "A key that is none is refused",
        Recorded("error: registerSSHKeyPair, bad key"), ["registerSSHKeyPair"];
    key_deleted "A key pair is deleted by name; one that is not there is named in the refusal",
        Recorded("deleteSSHKeyPair; error: unknown"), ["registerSSHKeyPair", "deleteSSHKeyPair"];
    key_in_use "A key pair in use can be deleted, and its machine still shows its name",
        Recorded("deleteSSHKeyPair, used; listVirtualMachines, after keypair deleted"), ["registerSSHKeyPair", "deployVirtualMachine"];
    key_reset_running "A running machine's key is not reset: the job says so",
        Recorded("error: resetSSHKeyForVirtualMachine, running"), ["resetSSHKeyForVirtualMachine"];
    key_reset "A stopped machine's key is reset; the answer's key has its own spelling",
        Recorded("resetSSHKeyForVirtualMachine"), ["resetSSHKeyForVirtualMachine"];
    group_made "An affinity group has the type it was made with, and no members",
        Recorded("createAffinityGroup; listAffinityGroups, empty group"), ["createAffinityGroup"];
    group_taken "An affinity group's name is taken once in an account",
        Recorded("error: createAffinityGroup, duplicate"), ["createAffinityGroup"];
    group_odd "An affinity group of a type that is none is refused, with the types there are",
        Recorded("error: createAffinityGroup, bad type"), ["createAffinityGroup"];
    group_members "A group tells its members, and a machine its groups",
        Recorded("listAffinityGroups; listVirtualMachines by affinity"), ["createAffinityGroup", "deployVirtualMachine"];
    group_deleted "A group with members can be deleted; one that is not there fails in its job",
        Recorded("deleteAffinityGroup, with members; error: unknown"), ["createAffinityGroup", "deleteAffinityGroup"];
    group_changed_running "A running machine's groups are not changed: the job says so",
        Recorded("error: updateVMAffinityGroup, running"), ["updateVMAffinityGroup"];
    group_changed "A stopped machine's groups are replaced; the answer stands under another command's key, without interfaces",
        Recorded("updateVMAffinityGroup"), ["updateVMAffinityGroup"];
    tags_set "Tags are set on several things at once, their type in any case, and shown with each",
        Recorded("createTags, two resources; listTags"), ["createTags", "listTags"];
    tags_twice "A tag that is there already is not set again: the job fails and nothing is overwritten",
        Recorded("error: createTags, duplicate"), ["createTags"];
    tags_odd_type "A kind of thing that is none fails in the job",
        Recorded("error: createTags, bad type"), ["createTags"];
    tags_find "Things are found by their tags",
        Recorded("listVirtualMachines by tag; listTags by key"), ["createTags", "listTags"];
    tags_deleted "A tag is deleted by its key; deleting one that is not there fails in the job",
        Recorded("deleteTags; error: unknown key"), ["createTags", "deleteTags"];
}

async fn key_made(stage: &Stage) -> Verdict {
    let name = stage.name();
    let inside = stage.user.ask("createSSHKeyPair", &[("name", &name)]).await?;
    stage.made(Kind::KeyPair, &name, &name, Keep::Behaviour);
    let key = text(&inside["keypair"], "privatekey")?;
    hold(key.starts_with("-----BEGIN RSA PRIVATE KEY-----"), "an RSA key in PEM", "another text")?;
    let listed = stage.user.only("listSSHKeyPairs", "sshkeypair", &[("name", &name)]).await?;
    is(&listed, "fingerprint", text(&inside["keypair"], "fingerprint")?)?;
    lacks(&listed, &["privatekey", "publickey"])?;
    let fingerprint = text(&listed, "fingerprint")?;
    hold(fingerprint.split(':').count() == 16, "sixteen pairs of digits", fingerprint)
}

/// Registers the run's key; the name it has then.
async fn registered(stage: &Stage) -> Verdict<String> {
    let name = stage.name();
    let inside =
        stage.user.ask("registerSSHKeyPair", &[("name", &name), ("publickey", &stage.key.text)]).await?;
    stage.made(Kind::KeyPair, &name, &name, Keep::Behaviour);
    lacks(&inside["keypair"], &["privatekey"])?;
    is(&inside["keypair"], "fingerprint", stage.key.fingerprint.as_str())?;
    Ok(name)
}

async fn key_registered(stage: &Stage) -> Verdict {
    let name = registered(stage).await?;
    let listed = stage.user.only("listSSHKeyPairs", "sshkeypair", &[("name", &name)]).await?;
    has(&listed, &["id", "name", "account", "domainid", "fingerprint"])
}

async fn key_name_taken(stage: &Stage) -> Verdict {
    let name = registered(stage).await?;
    let said = stage
        .user
        .refused("createSSHKeyPair", &[("name", &name)], refusal(431, 4350, "already exists."))
        .await?;
    hold(said == format!("A key pair with name '{name}' already exists."), "already exists.", said)?;
    let again = [("name", name.as_str()), ("publickey", &stage.key.text)];
    let wanted = refusal(431, 4350, "already exists for this account.");
    let said = stage.user.refused("registerSSHKeyPair", &again, wanted).await?;
    let begins = format!("A key pair with name '{name}'");
    hold(said.starts_with(&begins), begins, said)
}

async fn key_taken(stage: &Stage) -> Verdict {
    registered(stage).await?;
    let name = stage.name();
    let again = [("name", name.as_str()), ("publickey", &stage.key.text)];
    let wanted = refusal(431, 4350, "A key pair with key '");
    stage.user.refused("registerSSHKeyPair", &again, wanted).await.map(drop)
}

async fn key_odd(stage: &Stage) -> Verdict {
    let odd = [("name", stage.name()), ("publickey", "not a key".to_owned())];
    let odd: Vec<(&str, &str)> = odd.iter().map(|(name, value)| (*name, value.as_str())).collect();
    stage
        .user
        .refused("registerSSHKeyPair", &odd, refusal(431, 4350, "Public key is invalid"))
        .await
        .map(drop)
}

async fn key_deleted(stage: &Stage) -> Verdict {
    let name = registered(stage).await?;
    is(&stage.user.ask("deleteSSHKeyPair", &[("name", &name)]).await?, "success", true)?;
    let wanted = refusal(431, 4350, "does not exist for account ");
    let said = stage.user.refused("deleteSSHKeyPair", &[("name", &name)], wanted).await?;
    let begins = format!("A key pair with name '{name}' does not exist for account {}", stage.ground.account);
    hold(said.starts_with(&begins), begins, said)
}

async fn key_in_use(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let name = registered(stage).await?;
    let more = [("startvm", "false"), ("keypair", name.as_str())];
    let machine = stage.machine(&asleep.network, &more, Keep::Behaviour).await?;
    is(&machine, "keypairs", name.as_str())?;
    stage.user.ask("deleteSSHKeyPair", &[("name", &name)]).await?;
    let listed = [("id", text(&machine, "id")?)];
    is(&stage.user.only("listVirtualMachines", "virtualmachine", &listed).await?, "keypairs", name)
}

async fn key_reset_running(stage: &Stage) -> Verdict {
    let awake = stage.awake().await?;
    let name = registered(stage).await?;
    let reset = [("id", awake.machine.as_str()), ("keypair", name.as_str())];
    let wanted = "should be stopped to do SSH Key reset";
    stage.user.fails("resetSSHKeyForVirtualMachine", &reset, 431, wanted).await.map(drop)
}

async fn key_reset(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let name = registered(stage).await?;
    let reset = [("id", asleep.machine.as_str()), ("keypair", name.as_str())];
    let answer = stage.user.send("resetSSHKeyForVirtualMachine", &reset).await?;
    let (key, inside) = answer.envelope()?;
    let wanted = "resetSSHKeyforvirtualmachineresponse";
    hold(key == wanted, wanted, key)?;
    let end = stage.user.outcome(text(&inside, "jobid")?).await?;
    is(&end["jobresult"]["virtualmachine"], "keypairs", name)?;
    let unknown =
        [("id", asleep.machine.as_str()), ("keypair", &stage.name())].map(|(n, v)| (n, v.to_owned()));
    let unknown: Vec<(&str, &str)> = unknown.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let wanted = "Not all specified keypairs exist";
    stage.user.fails("resetSSHKeyForVirtualMachine", &unknown, 431, wanted).await.map(drop)
}

/// An affinity group: its id and name.
async fn group(stage: &Stage) -> Verdict<(String, String)> {
    let name = stage.name();
    let group = [("name", name.as_str()), ("type", "host anti-affinity"), ("description", "kept apart")];
    let begun = stage.user.begin("createAffinityGroup", &group).await?;
    let id = begun.id.unwrap_or_default();
    stage.made(Kind::AffinityGroup, &id, &name, Keep::Behaviour);
    let end = stage.user.outcome(&begun.job).await?;
    is(&end["jobresult"]["affinitygroup"], "name", name.as_str())?;
    Ok((id, name))
}

async fn group_made(stage: &Stage) -> Verdict {
    let (id, name) = group(stage).await?;
    let listed = stage.user.only("listAffinityGroups", "affinitygroup", &[("name", &name)]).await?;
    is(&listed, "id", id)?;
    is(&listed, "type", "host anti-affinity")?;
    is(&listed, "description", "kept apart")?;
    let members = listed["virtualmachineIds"].as_array().map_or(0, Vec::len);
    hold(members == 0, "no members", &listed)
}

async fn group_taken(stage: &Stage) -> Verdict {
    let (_, name) = group(stage).await?;
    let wanted = refusal(431, 4350, "already exists.");
    let again = [("name", name.as_str()), ("type", "host anti-affinity")];
    let said = stage.user.refused("createAffinityGroup", &again, wanted).await?;
    let whole = format!("Unable to create affinity group, a group with name {name} already exists.");
    hold(said == whole, whole, said)
}

async fn group_odd(stage: &Stage) -> Verdict {
    let wanted = refusal(431, 4350, "Unable to create affinity group, invalid affinity group type: nonsense");
    stage.user.refused("createAffinityGroup", &[("name", "x"), ("type", "nonsense")], wanted).await.map(drop)
}

async fn group_members(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let (id, name) = group(stage).await?;
    let more = [("startvm", "false"), ("affinitygroupids", id.as_str())];
    let machine = stage.machine(&asleep.network, &more, Keep::Behaviour).await?;
    is(&machine["affinitygroup"][0], "name", name.as_str())?;
    let listed = stage.user.only("listAffinityGroups", "affinitygroup", &[("id", &id)]).await?;
    hold(listed["virtualmachineIds"][0] == machine["id"], "its member in `virtualmachineIds`", &listed)?;
    let by_group = [("affinitygroupid", id.as_str())];
    let found = stage.user.only("listVirtualMachines", "virtualmachine", &by_group).await?;
    hold(found["id"] == machine["id"], "found by its group", &found)
}

async fn group_deleted(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let (id, name) = group(stage).await?;
    let more = [("startvm", "false"), ("affinitygroupnames", name.as_str())];
    let machine = stage.machine(&asleep.network, &more, Keep::Behaviour).await?;
    is(&stage.user.run("deleteAffinityGroup", &[("id", &id)]).await?, "success", true)?;
    let listed = [("id", text(&machine, "id")?)];
    let listed = stage.user.only("listVirtualMachines", "virtualmachine", &listed).await?;
    hold(listed["affinitygroup"] == serde_json::json!([]), "no groups", &listed["affinitygroup"])?;
    let nothing = stage.name();
    let said = stage.user.fails("deleteAffinityGroup", &[("name", &nothing)], 431, &nothing).await?;
    let whole = format!("Unable to find affinity group {nothing}");
    hold(said == whole, whole, said)
}

async fn group_changed_running(stage: &Stage) -> Verdict {
    let awake = stage.awake().await?;
    let (id, _) = group(stage).await?;
    let change = [("id", awake.machine.as_str()), ("affinitygroupids", id.as_str())];
    let wanted = "make sure the virtual machine is stopped";
    stage.user.fails("updateVMAffinityGroup", &change, 431, wanted).await.map(drop)
}

async fn group_changed(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let ((first, _), (second, name)) = (group(stage).await?, group(stage).await?);
    for id in [first, second] {
        let change = [("id", asleep.machine.as_str()), ("affinitygroupids", id.as_str())];
        let answer = stage.user.send("updateVMAffinityGroup", &change).await?;
        let (key, inside) = answer.envelope()?;
        hold(key == "updatevirtualmachineresponse", "updatevirtualmachineresponse", key)?;
        let ended = stage.user.outcome(text(&inside, "jobid")?).await?;
        is(&ended, "jobstatus", 1)?;
        let told = &ended["jobresult"]["virtualmachine"];
        has(told, &["id", "name", "state", "affinitygroup"])?;
        is(told, "nic", serde_json::json!([]))?;
        lacks(told, &["templateid", "serviceofferingid"])?;
    }
    let machine =
        stage.user.only("listVirtualMachines", "virtualmachine", &[("id", &asleep.machine)]).await?;
    hold(
        machine["affinitygroup"].as_array().map(Vec::len) == Some(1),
        "one group",
        &machine["affinitygroup"],
    )?;
    is(&machine["affinitygroup"][0], "name", name)
}

/// Two machines of the sleeping network, and a key that no tag has.
async fn two(stage: &Stage) -> Verdict<(String, String, String)> {
    let asleep = stage.asleep().await?;
    let other = stage.stopped(&asleep.network, Keep::Behaviour).await?;
    Ok((asleep.machine.clone(), text(&other, "id")?.to_owned(), stage.name()))
}

async fn tags_set(stage: &Stage) -> Verdict {
    let (one, other, key) = two(stage).await?;
    let both = format!("{one},{other}");
    let tag = [
        ("resourceids", both.as_str()),
        ("resourcetype", "userVM"),
        ("tags[0].key", &key),
        ("tags[0].value", "v"),
    ];
    is(&stage.user.run("createTags", &tag).await?, "success", true)?;
    for id in [&one, &other] {
        let machine = stage.user.only("listVirtualMachines", "virtualmachine", &[("id", id)]).await?;
        let tags = machine["tags"].as_array().cloned().unwrap_or_default();
        let tag = tags.iter().find(|tag| tag["key"] == key.as_str());
        hold(tag.is_some_and(|tag| tag["value"] == "v"), "the tag with the machine", shown(&tags))?;
    }
    let filter = [("resourceid", one.as_str()), ("resourcetype", "UserVm"), ("key", &key)];
    let tag = stage.user.only("listTags", "tag", &filter).await?;
    is(&tag, "resourcetype", "UserVm")?;
    is(&tag, "resourceid", one)?;
    is(&tag, "value", "v")
}

async fn tags_twice(stage: &Stage) -> Verdict {
    let (one, _, key) = two(stage).await?;
    let tag = |value| {
        [
            ("resourceids", one.as_str()),
            ("resourcetype", "UserVm"),
            ("tags[0].key", &key),
            ("tags[0].value", value),
        ]
    };
    stage.user.run("createTags", &tag("first")).await?;
    let wanted = format!("tag {key} already on UserVm with id {one}");
    stage.user.fails("createTags", &tag("second"), 530, &wanted).await?;
    let filter = [("resourceid", one.as_str()), ("resourcetype", "UserVm"), ("key", &key)];
    is(&stage.user.only("listTags", "tag", &filter).await?, "value", "first")
}

async fn tags_odd_type(stage: &Stage) -> Verdict {
    let (one, _, key) = two(stage).await?;
    let tag = [
        ("resourceids", one.as_str()),
        ("resourcetype", "Nonsense"),
        ("tags[0].key", &key),
        ("tags[0].value", "v"),
    ];
    stage.user.fails("createTags", &tag, 431, "Invalid resource type Nonsense").await.map(drop)
}

async fn tags_find(stage: &Stage) -> Verdict {
    let (one, other, key) = two(stage).await?;
    let tag = [
        ("resourceids", other.as_str()),
        ("resourcetype", "UserVm"),
        ("tags[0].key", &key),
        ("tags[0].value", "v"),
    ];
    stage.user.run("createTags", &tag).await?;
    let by_tag = [("tags[0].key", key.as_str()), ("tags[0].value", "v")];
    let found = stage.user.only("listVirtualMachines", "virtualmachine", &by_tag).await?;
    hold(found["id"] == other.as_str(), "the machine with the tag", &found["id"])?;
    let by_key = [("key", key.as_str()), ("value", "v")];
    let found = stage.user.only("listTags", "tag", &by_key).await?;
    hold(found["resourceid"] != one.as_str(), "the other machine's tag", &found)
}

async fn tags_deleted(stage: &Stage) -> Verdict {
    let (one, _, key) = two(stage).await?;
    let tag = [
        ("resourceids", one.as_str()),
        ("resourcetype", "UserVm"),
        ("tags[0].key", &key),
        ("tags[0].value", "v"),
    ];
    stage.user.run("createTags", &tag).await?;
    is(&stage.user.run("deleteTags", &tag[..3]).await?, "success", true)?;
    let filter = [("resourceid", one.as_str()), ("resourcetype", "UserVm"), ("key", &key)];
    let none = stage.user.ask("listTags", &filter).await?;
    hold(none == serde_json::json!({}), "{}", none)?;
    stage.user.fails("deleteTags", &tag[..3], 530, "Failed to delete tags").await.map(drop)
}
