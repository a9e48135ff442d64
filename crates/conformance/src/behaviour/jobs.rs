//! Jobs: what a look at one shows while it runs, when it has ended well, and when it has failed.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Source::Recorded;
use super::behaviours;
use crate::finding::{Verdict, has, hold, is, lacks, shown, text};
use crate::made::Kind;
use crate::stage::{Keep, Stage};

behaviours! { "jobs":
    create_answers "What makes something answers with its id and its job's, what does something with the job's alone",
        Recorded("createAffinityGroup; createTags; first answers"), ["createAffinityGroup", "createTags"];
    ended_well "A job that ended well has its result, its times, its command's class and what it was about",
        Recorded("associateIpAddress, job; deployVirtualMachine, job"), ["deployVirtualMachine"];
    under_way "A job under way has no result, no result type and no time of completion",
        Recorded("deployVirtualMachine, timeline"), ["deployVirtualMachine"];
    failed "A failed job is answered with 200: its code stands in it, and its result is code and text alone",
        Recorded("error: deleteTags, unknown key; restartNetwork, allocated"), ["restartNetwork"];
    asked_again "A job's result can be asked for again, and is the same",
        Recorded("queryAsyncJobResult, second time"), ["createTags"];
    pending_listed "The list of jobs shows only those under way",
        Recorded("listAsyncJobs"), ["listAsyncJobs", "createTags"];
    user_class "A user's job is of the user's class of its command",
        Recorded("deployVirtualMachine, job"), ["deployVirtualMachine"];
    one_network "Rules of one network that are sent at once become jobs of their own, and all end well",
        Recorded("order of calls, rules sent at once"), ["createFirewallRule"];
}

/// The parameters of a tag on the sleeping network.
async fn tag<'a>(stage: &'a Stage, key: &'a str) -> Verdict<Vec<(&'a str, &'a str)>> {
    let network = &stage.asleep().await?.network;
    Ok(vec![
        ("resourceids", network),
        ("resourcetype", "Network"),
        ("tags[0].key", key),
        ("tags[0].value", "v"),
    ])
}

async fn create_answers(stage: &Stage) -> Verdict {
    let name = stage.name();
    let group = [("name", name.as_str()), ("type", "host anti-affinity")];
    let inside = stage.user.ask("createAffinityGroup", &group).await?;
    let id = text(&inside, "id")?;
    stage.made(Kind::AffinityGroup, id, &name, Keep::Behaviour);
    stage.user.outcome(text(&inside, "jobid")?).await?;
    let key = stage.name();
    let inside = stage.user.ask("createTags", &tag(stage, &key).await?).await?;
    lacks(&inside, &["id"])?;
    stage.user.outcome(text(&inside, "jobid")?).await.map(drop)
}

async fn ended_well(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let name = stage.name();
    let mut parameters = stage.machine_in(&asleep.network, &name);
    parameters.push(("startvm", "false"));
    let begun = stage.user.begin("deployVirtualMachine", &parameters).await?;
    let id = begun.id.unwrap_or_default();
    stage.made(Kind::Machine, &id, &name, Keep::Behaviour);
    let end = stage.user.outcome(&begun.job).await?;
    is(&end, "jobstatus", 1)?;
    is(&end, "jobprocstatus", 0)?;
    is(&end, "jobresultcode", 0)?;
    is(&end, "jobresulttype", "object")?;
    is(&end, "jobid", begun.job)?;
    is(&end, "jobinstancetype", "VirtualMachine")?;
    is(&end, "jobinstanceid", id)?;
    is(&end, "account", stage.ground.account.as_str())?;
    has(&end, &["accountid", "domainid", "domainpath", "userid", "created", "completed", "cmd"])?;
    let result = end["jobresult"].as_object().map(|result| result.keys().cloned().collect::<Vec<_>>());
    hold(result == Some(vec!["virtualmachine".to_owned()]), "a result with one key", format!("{result:?}"))?;
    let created = text(&end, "created")?;
    hold(
        created.len() == 24 && created.ends_with("+0000"),
        "a time such as 2026-11-23T00:46:04+0000",
        created,
    )
}

async fn under_way(stage: &Stage) -> Verdict {
    let awake = stage.awake().await?;
    let name = stage.name();
    let begun = stage.user.begin("deployVirtualMachine", &stage.machine_in(&awake.network, &name)).await?;
    stage.made(Kind::Machine, begun.id.as_deref().unwrap_or_default(), &name, Keep::Behaviour);
    let look = stage.user.ask("queryAsyncJobResult", &[("jobid", &begun.job)]).await?;
    if look["jobstatus"] == 0 {
        lacks(&look, &["jobresult", "jobresulttype", "completed"])?;
        is(&look, "jobresultcode", 0)?;
        has(&look, &["cmd", "created", "jobid", "jobinstancetype"])?;
    }
    is(&stage.user.outcome(&begun.job).await?, "jobstatus", 1)
}

async fn failed(stage: &Stage) -> Verdict {
    let network = &stage.asleep().await?.network;
    let begun = stage.user.begin("restartNetwork", &[("id", network)]).await?;
    let end = stage.user.outcome(&begun.job).await?;
    is(&end, "jobstatus", 2)?;
    is(&end, "jobresultcode", 431)?;
    is(&end["jobresult"], "errorcode", 431)?;
    lacks(&end["jobresult"], &["cserrorcode", "uuidList"])?;
    text(&end["jobresult"], "errortext").map(drop)
}

async fn asked_again(stage: &Stage) -> Verdict {
    let key = stage.name();
    let begun = stage.user.begin("createTags", &tag(stage, &key).await?).await?;
    let first = stage.user.outcome(&begun.job).await?;
    let second = stage.user.outcome(&begun.job).await?;
    hold(first == second, first, second)
}

async fn pending_listed(stage: &Stage) -> Verdict {
    let key = stage.name();
    let begun = stage.user.begin("createTags", &tag(stage, &key).await?).await?;
    stage.user.outcome(&begun.job).await?;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let pending = stage.user.list("listAsyncJobs", "asyncjobs", &[]).await?;
        if !pending.iter().any(|job| job["jobid"] == begun.job.as_str()) {
            return Ok(());
        }
        hold(Instant::now() < deadline, "a list without the job that has ended", shown(&pending))?;
        sleep(Duration::from_millis(200)).await;
    }
}

async fn user_class(stage: &Stage) -> Verdict {
    stage.as_normal_user()?;
    let asleep = stage.asleep().await?;
    let name = stage.name();
    let mut parameters = stage.machine_in(&asleep.network, &name);
    parameters.push(("startvm", "false"));
    let begun = stage.user.begin("deployVirtualMachine", &parameters).await?;
    stage.made(Kind::Machine, begun.id.as_deref().unwrap_or_default(), &name, Keep::Behaviour);
    let end = stage.user.outcome(&begun.job).await?;
    is(&end, "cmd", "org.apache.cloudstack.api.command.user.vm.DeployVMCmd")
}

async fn one_network(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let mut jobs = Vec::new();
    for port in ["4001", "4002", "4003", "4004"] {
        let rule = [("ipaddressid", asleep.address.as_str()), ("protocol", "tcp"), ("startport", port)];
        jobs.push(stage.user.begin("createFirewallRule", &rule).await?);
    }
    for begun in &jobs {
        is(&stage.user.outcome(&begun.job).await?, "jobstatus", 1)?;
    }
    for begun in &jobs {
        let id = begun.id.as_deref().unwrap_or_default();
        let rule = stage.user.only("listFirewallRules", "firewallrule", &[("id", id)]).await?;
        is(&rule, "state", "Active")?;
        stage.user.run("deleteFirewallRule", &[("id", id)]).await?;
    }
    Ok(())
}
