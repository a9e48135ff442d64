//! Volumes, snapshots and templates.

use serde_json::Value;

use super::Source::{Read, Recorded};
use super::behaviours;
use crate::answer::refusal;
use crate::finding::{Verdict, has, hold, is, lacks, shown, skipped, text};
use crate::made::Kind;
use crate::stage::{Keep, Stage};

behaviours! { "storage":
    root_volume "A machine has one root volume, Ready once it was started, its size in bytes",
        Recorded("listVolumes by VM"), ["listVolumes"];
    template_made "A template made of a stopped machine's volume is ready when its job ends, and is among one's own",
        Recorded("createTemplate; listTemplates, self with own; created"), ["createTemplate", "listVolumes"];
    template_of_running "No template is made of a running machine's volume: refused at once, with 530",
        Recorded("error: createTemplate, running VM"), ["createTemplate", "listVolumes"];
    template_names "Two templates may have the same name",
        Recorded("createTemplate, duplicate name"), ["createTemplate", "listVolumes"];
    template_deployed "A machine is deployed from one's own template",
        Recorded("deployVirtualMachine, own template"), ["createTemplate", "listVolumes"];
    template_in_use "A template with machines is not deleted unless forced: the job says how many",
        Recorded("error: deleteTemplate, in use; deleteTemplate, forced"), ["createTemplate", "deleteTemplate"];
    template_deleted "A deleted template's id is an empty list",
        Recorded("deleteTemplate; listTemplates, after delete"), ["createTemplate", "deleteTemplate"];
    template_renamed "A template's name changes at once; the answer has not where it is, nor how large",
        Recorded("updateTemplate"), ["createTemplate", "updateTemplate"];
    template_source "A template needs a volume or a snapshot",
        Read("TemplateManagerImpl, createPrivateTemplateRecord"), ["createTemplate", "listOsTypes"];
    templates_executable "Templates for everyone are listed with all that clients read",
        Recorded("listTemplates, executable"), [];
    snapshot "A snapshot of a volume is BackedUp when its job ends, and is deleted by a job",
        Recorded("createSnapshot; listSnapshots; deleteSnapshot"), ["createSnapshot", "listSnapshots", "deleteSnapshot"];
    data_volume "A volume is made unattached, attached to a machine, detached and deleted",
        Read("CreateVolumeCmd, AttachVolumeCmd, DetachVolumeCmd"), ["createVolume", "attachVolume", "detachVolume", "deleteVolume"];
}

/// The root volume of a machine.
async fn root(stage: &Stage, machine: &str) -> Verdict<Value> {
    stage.user.only("listVolumes", "volume", &[("virtualmachineid", machine), ("type", "ROOT")]).await
}

async fn root_volume(stage: &Stage) -> Verdict {
    let awake = stage.awake().await?;
    let volume = root(stage, &awake.machine).await?;
    is(&volume, "type", "ROOT")?;
    is(&volume, "state", "Ready")?;
    is(&volume, "virtualmachineid", awake.machine.as_str())?;
    hold(volume["size"].as_u64().is_some_and(|size| size >= 1 << 20), "a size in bytes", &volume["size"])?;
    hold(text(&volume, "name")?.starts_with("ROOT-"), "ROOT-…", &volume["name"])?;
    has(&volume, &["deviceid", "zoneid", "templateid", "created", "vmname", "vmstate"])?;
    if stage.ground.root_admin {
        return has(&volume, &["storagetype", "hypervisor"]);
    }
    lacks(&volume, &["storagetype", "hypervisor", "storage", "path"])
}

/// The root volume of a machine that ran and was stopped.
async fn stopped_volume(stage: &Stage) -> Verdict<Value> {
    let awake = stage.awake().await?;
    let machine = stage.machine(&awake.network, &[], Keep::Behaviour).await?;
    let id = text(&machine, "id")?;
    stage.user.run("stopVirtualMachine", &[("id", id)]).await?;
    stage.user.until("listVirtualMachines", "virtualmachine", id, ("state", "Stopped")).await?;
    root(stage, id).await
}

/// Captures a volume; the template at the job's end.
async fn capture(stage: &Stage, volume: &Value, name: &str) -> Verdict<Value> {
    let by_id =
        [("templatefilter", "executable"), ("id", &stage.ground.template), ("zoneid", &stage.ground.zone)];
    let template = stage.user.only("listTemplates", "template", &by_id).await?;
    let parameters = [
        ("volumeid", text(volume, "id")?),
        ("name", name),
        ("displaytext", "of the conformance suite"),
        ("ostypeid", text(&template, "ostypeid")?),
    ];
    let begun = stage.user.begin("createTemplate", &parameters).await?;
    stage.made(Kind::Template, begun.id.as_deref().unwrap_or_default(), name, Keep::Behaviour);
    let end = stage.user.outcome(&begun.job).await?;
    is(&end, "jobstatus", 1)?;
    is(&end, "jobinstancetype", "Template")?;
    Ok(end["jobresult"]["template"].clone())
}

async fn template_made(stage: &Stage) -> Verdict {
    let volume = stopped_volume(stage).await?;
    let name = stage.name();
    let template = capture(stage, &volume, &name).await?;
    is(&template, "name", name.as_str())?;
    is(&template, "isready", true)?;
    is(&template, "status", "Download Complete")?;
    is(&template, "templatetype", "USER")?;
    is(&template, "ispublic", false)?;
    for filter in ["self", "executable"] {
        let own = [("templatefilter", filter), ("name", name.as_str())];
        let listed = stage.user.only("listTemplates", "template", &own).await?;
        hold(listed["id"] == template["id"], format!("listed under {filter}"), listed)?;
    }
    let featured = [("templatefilter", "featured"), ("name", name.as_str())];
    let none = stage.user.ask("listTemplates", &featured).await?;
    hold(none == serde_json::json!({}), "not among the featured", none)
}

async fn template_of_running(stage: &Stage) -> Verdict {
    stage.as_normal_user()?;
    let awake = stage.awake().await?;
    let volume = root(stage, &awake.machine).await?;
    let ostype = stage.user.list("listOsTypes", "ostype", &[("page", "1"), ("pagesize", "1")]).await?;
    let Some(ostype) = ostype.first() else { return Err(skipped("no OS type")) };
    let name = stage.name();
    let parameters = [
        ("volumeid", text(&volume, "id")?),
        ("name", name.as_str()),
        ("displaytext", "x"),
        ("ostypeid", text(ostype, "id")?),
    ];
    let wanted =
        refusal(530, 4250, "Internal error executing command, please contact your system administrator");
    stage.user.refused("createTemplate", &parameters, wanted).await.map(drop)
}

async fn template_names(stage: &Stage) -> Verdict {
    let volume = stopped_volume(stage).await?;
    let name = stage.name();
    let first = capture(stage, &volume, &name).await?;
    let second = capture(stage, &volume, &name).await?;
    hold(first["id"] != second["id"], "another template", &second["id"])
}

async fn template_deployed(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let volume = stopped_volume(stage).await?;
    let template = capture(stage, &volume, &stage.name()).await?;
    let name = stage.name();
    let mut parameters = stage.machine_in(&asleep.network, &name);
    parameters.retain(|(name, _)| *name != "templateid");
    parameters.extend([("templateid", text(&template, "id")?), ("startvm", "false")]);
    let begun = stage.user.begin("deployVirtualMachine", &parameters).await?;
    let id = begun.id.unwrap_or_default();
    stage.made(Kind::Machine, &id, &name, Keep::Behaviour);
    let end = stage.user.outcome(&begun.job).await?;
    is(&end["jobresult"]["virtualmachine"], "templateid", text(&template, "id")?)
}

async fn template_in_use(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let volume = stopped_volume(stage).await?;
    let template = capture(stage, &volume, &stage.name()).await?;
    let id = text(&template, "id")?;
    let name = stage.name();
    let mut parameters = stage.machine_in(&asleep.network, &name);
    parameters.retain(|(name, _)| *name != "templateid");
    parameters.extend([("templateid", id), ("startvm", "false")]);
    let begun = stage.user.begin("deployVirtualMachine", &parameters).await?;
    stage.made(Kind::Machine, begun.id.as_deref().unwrap_or_default(), &name, Keep::Behaviour);
    stage.user.outcome(&begun.job).await?;
    let wanted = "because there are [1] VM instances using it.";
    stage.user.fails("deleteTemplate", &[("id", id)], 431, wanted).await?;
    is(&stage.user.run("deleteTemplate", &[("id", id), ("forced", "true")]).await?, "success", true)
}

async fn template_deleted(stage: &Stage) -> Verdict {
    let volume = stopped_volume(stage).await?;
    let template = capture(stage, &volume, &stage.name()).await?;
    let id = text(&template, "id")?;
    is(&stage.user.run("deleteTemplate", &[("id", id)]).await?, "success", true)?;
    let none = stage.user.ask("listTemplates", &[("templatefilter", "self"), ("id", id)]).await?;
    hold(none == serde_json::json!({}), "{}", none)
}

async fn template_renamed(stage: &Stage) -> Verdict {
    let volume = stopped_volume(stage).await?;
    let template = capture(stage, &volume, &stage.name()).await?;
    let (id, name) = (text(&template, "id")?, stage.name());
    let inside = stage.user.ask("updateTemplate", &[("id", id), ("name", &name)]).await?;
    is(&inside["template"], "name", name.as_str())?;
    // The answer tells less than the list, and as if the template were not there yet.
    is(&inside["template"], "isready", false)?;
    lacks(&inside["template"], &["zoneid", "zonename", "status", "size"])?;
    let own = [("templatefilter", "self"), ("id", id)];
    is(&stage.user.only("listTemplates", "template", &own).await?, "name", name)
}

async fn template_source(stage: &Stage) -> Verdict {
    let ostype = stage.user.list("listOsTypes", "ostype", &[("page", "1"), ("pagesize", "1")]).await?;
    let Some(ostype) = ostype.first() else { return Err(skipped("no OS type")) };
    let name = stage.name();
    let parameters = [("name", name.as_str()), ("displaytext", "x"), ("ostypeid", text(ostype, "id")?)];
    let answer = stage.user.send("createTemplate", &parameters).await?;
    hold(answer.status == 431, "431", answer.summary())
}

async fn templates_executable(stage: &Stage) -> Verdict {
    let by_id =
        [("templatefilter", "executable"), ("id", &stage.ground.template), ("zoneid", &stage.ground.zone)];
    let template = stage.user.only("listTemplates", "template", &by_id).await?;
    has(
        &template,
        &[
            "id",
            "name",
            "displaytext",
            "hypervisor",
            "format",
            "ostypeid",
            "ostypename",
            "isready",
            "isfeatured",
            "ispublic",
            "isextractable",
            "passwordenabled",
            "zoneid",
            "zonename",
            "created",
            "templatetype",
            "tags",
            "crossZones",
            "size",
        ],
    )
}

async fn snapshot(stage: &Stage) -> Verdict {
    let volume = stopped_volume(stage).await?;
    let name = stage.name();
    let begun =
        stage.user.begin("createSnapshot", &[("volumeid", text(&volume, "id")?), ("name", &name)]).await?;
    let id = begun.id.unwrap_or_default();
    stage.made(Kind::Snapshot, &id, &name, Keep::Behaviour);
    let end = stage.user.outcome(&begun.job).await?;
    is(&end, "jobstatus", 1)?;
    let snapshot = &end["jobresult"]["snapshot"];
    is(snapshot, "state", "BackedUp")?;
    is(snapshot, "name", name)?;
    is(snapshot, "volumeid", text(&volume, "id")?)?;
    is(snapshot, "snapshottype", "MANUAL")?;
    let listed = [("volumeid", text(&volume, "id")?)];
    let listed = stage.user.list("listSnapshots", "snapshot", &listed).await?;
    hold(listed.iter().any(|found| found["id"] == id.as_str()), "listed with its volume", shown(&listed))?;
    is(&stage.user.run("deleteSnapshot", &[("id", &id)]).await?, "success", true)
}

async fn data_volume(stage: &Stage) -> Verdict {
    let awake = stage.awake().await?;
    let offerings = stage.user.list("listDiskOfferings", "diskoffering", &[]).await?;
    let fixed = offerings.iter().filter(|offering| offering["iscustomized"] == false);
    let Some(offering) = fixed.min_by_key(|offering| offering["disksize"].as_u64().unwrap_or(u64::MAX))
    else {
        return Err(skipped("the server has no disk offering of a fixed size"));
    };
    let name = stage.name();
    let parameters =
        [("name", name.as_str()), ("diskofferingid", text(offering, "id")?), ("zoneid", &stage.ground.zone)];
    let begun = stage.user.begin("createVolume", &parameters).await?;
    let id = begun.id.unwrap_or_default();
    stage.made(Kind::Volume, &id, &name, Keep::Behaviour);
    let end = stage.user.outcome(&begun.job).await?;
    is(&end["jobresult"]["volume"], "state", "Allocated")?;
    is(&end["jobresult"]["volume"], "type", "DATADISK")?;
    let attach = [("id", id.as_str()), ("virtualmachineid", &awake.machine)];
    let attached = stage.user.run("attachVolume", &attach).await?;
    is(&attached["volume"], "virtualmachineid", awake.machine.as_str())?;
    let answer = stage.user.send("deleteVolume", &[("id", &id)]).await?;
    hold(answer.status == 431, "431 for a volume that is attached", answer.summary())?;
    let detached = stage.user.run("detachVolume", &[("id", &id)]).await?;
    hold(detached["volume"].get("virtualmachineid").is_none(), "no machine", &detached["volume"])?;
    is(&stage.user.ask("deleteVolume", &[("id", &id)]).await?, "success", true)
}
