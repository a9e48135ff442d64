//! Two things at once: whatever is being done to a thing while it, or whose it is, is deleted, is done or not done, and the
//! zone hangs together afterwards, with the driver too. Everything is tried with every deletion, at every distance in time
//! at which one of the two is at another point of its way: each pair has a tenant of its own in one zone.
//! `DEVCLOUD_FUZZ=1` tries all of it instead of a part.

mod tenant;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use self::tenant::{Call, Kind, Tenants};
use crate::kit::{self, Caller};

/// Tenants of one zone: as many pairs are tried in it.
const TENANTS: usize = 17;

/// Every operation of the driver takes a whole number of these.
const STEP: Duration = Duration::from_millis(500);

/// Steps between the two, from one long before to one long after.
const DISTANCES: std::ops::RangeInclusive<i32> = -8..=8;

/// What is being done. A value that is the name of one of a tenant's things stands for its id.
const DONE: [Call; 36] = [
    ("startVirtualMachine", &[("id", "two")]),
    ("stopVirtualMachine", &[("id", "one")]),
    ("stopVirtualMachine", &[("id", "one"), ("forced", "true")]),
    ("rebootVirtualMachine", &[("id", "one")]),
    ("destroyVirtualMachine", &[("id", "one")]),
    ("destroyVirtualMachine", &[("id", "one"), ("expunge", "true")]),
    ("destroyVirtualMachine", &[("id", "two"), ("expunge", "true"), ("volumeids", "disk")]),
    ("expungeVirtualMachine", &[("id", "three")]),
    ("restoreVirtualMachine", &[("virtualmachineid", "one")]),
    ("restoreVirtualMachine", &[("virtualmachineid", "two")]),
    ("scaleVirtualMachine", &[("id", "two"), ("serviceofferingid", "medium")]),
    (
        "deployVirtualMachine",
        &[DEPLOY[0], DEPLOY[1], DEPLOY[2], ("networkids", "network"), ("owner", "owner")],
    ),
    (
        "deployVirtualMachine",
        &[DEPLOY[0], DEPLOY[1], DEPLOY[2], ("networkids", "asleep"), ("owner", "owner")],
    ),
    ("addNicToVirtualMachine", &[("virtualmachineid", "one"), ("networkid", "asleep")]),
    ("restartNetwork", &[("id", "network"), ("cleanup", "true")]),
    ("updateNetwork", &[("id", "network"), ("name", "renamed")]),
    (
        "createTemplate",
        &[("volumeid", "root"), ("name", "made"), ("displaytext", "made"), ("ostypeid", "os")],
    ),
    (
        "createTemplate",
        &[
            ("volumeid", "root"),
            ("name", "made"),
            ("displaytext", "made"),
            ("ostypeid", "os"),
            ("owner", "owner"),
        ],
    ),
    (
        "registerTemplate",
        &[REGISTER[0], REGISTER[1], REGISTER[2], REGISTER[3], REGISTER[4], REGISTER[5], REGISTER[6]],
    ),
    ("createSnapshot", &[("volumeid", "root")]),
    ("createSnapshot", &[("volumeid", "running root")]),
    ("createSnapshot", &[("volumeid", "loose")]),
    ("revertSnapshot", &[("id", "snapshot")]),
    (
        "createTemplate",
        &[("snapshotid", "snapshot"), ("name", "made"), ("displaytext", "made"), ("ostypeid", "os")],
    ),
    ("createVolume", &[("snapshotid", "snapshot"), ("name", "made"), ("zoneid", "zone"), ("owner", "owner")]),
    ("attachVolume", &[("id", "loose"), ("virtualmachineid", "one")]),
    ("attachVolume", &[("id", "loose"), ("virtualmachineid", "two")]),
    ("detachVolume", &[("id", "disk")]),
    ("resizeVolume", &[("id", "disk"), ("size", "60")]),
    ("createFirewallRule", &[("ipaddressid", "address"), ("protocol", "tcp"), ("startport", "99")]),
    (
        "createPortForwardingRule",
        &[FORWARD[0], FORWARD[1], FORWARD[2], FORWARD[3], ("virtualmachineid", "two")],
    ),
    ("assignToLoadBalancerRule", &[("id", "balancer"), ("virtualmachineids", "two")]),
    ("associateIpAddress", &[("networkid", "network")]),
    ("enableStaticNat", &[("ipaddressid", "free address"), ("virtualmachineid", "two")]),
    (
        "createTags",
        &[("resourceids", "two"), ("resourcetype", "UserVm"), ("tags[0].key", "a"), ("tags[0].value", "b")],
    ),
    ("disableAccount", &[("id", "account"), ("lock", "false")]),
];

const DEPLOY: [(&str, &str); 3] =
    [("zoneid", "zone"), ("serviceofferingid", "small"), ("templateid", "template")];

const REGISTER: [(&str, &str); 7] = [
    ("name", "fetched"),
    ("displaytext", "fetched"),
    ("url", "http://example.org/t.qcow2"),
    ("format", "QCOW2"),
    ("hypervisor", "Simulator"),
    ("ostypeid", "os"),
    ("owner", "owner"),
];

const FORWARD: [(&str, &str); 4] =
    [("ipaddressid", "address"), ("protocol", "tcp"), ("publicport", "98"), ("privateport", "98")];

/// What is deleted or stopped for good, and whether nothing may keep it from being so.
const DELETIONS: [(Call, bool); 17] = [
    (("deleteAccount", &[("id", "account")]), true),
    (("deleteDomain", &[("id", "domain"), ("cleanup", "true")]), true),
    (("deleteProject", &[("id", "project"), ("cleanup", "true")]), true),
    (("destroyVirtualMachine", &[("id", "one"), ("expunge", "true")]), false),
    (("destroyVirtualMachine", &[("id", "two"), ("expunge", "true")]), false),
    (("destroyVirtualMachine", &[("id", "two")]), false),
    (("deleteNetwork", &[("id", "network")]), false),
    (("deleteNetwork", &[("id", "asleep")]), false),
    (("deleteTemplate", &[("id", "own template"), ("forced", "true")]), false),
    (("deleteSnapshot", &[("id", "snapshot")]), false),
    (("destroyVolume", &[("id", "loose"), ("expunge", "true")]), false),
    (("disassociateIpAddress", &[("id", "address")]), false),
    (("startVirtualMachine", &[("id", "two")]), false),
    (("attachVolume", &[("id", "loose"), ("virtualmachineid", "two")]), false),
    (("detachVolume", &[("id", "disk")]), false),
    (("disableAccount", &[("id", "account"), ("lock", "false")]), true),
    (("suspendProject", &[("id", "project")]), true),
];

/// One pair: what is done, what is deleted, and how many steps later.
type Pair = (Call, (Call, bool), i32);

/// Pairs whose tenant has everything in its account, or in a project.
fn pairs(kind: Kind) -> Vec<Pair> {
    let all = std::env::var_os("DEVCLOUD_FUZZ").is_some();
    let mut pairs = Vec::new();
    for done in DONE {
        for deletion in DELETIONS {
            let fits = match deletion.0.0 {
                "deleteAccount" => kind == Kind::Account,
                "deleteProject" | "suspendProject" => kind == Kind::Project,
                "deleteDomain" => true,
                _ => kind == Kind::Account,
            };
            // An account that leads a project is not deleted.
            let fits = fits && !(kind == Kind::Project && done.0 == "disableAccount");
            if fits {
                pairs.extend(DISTANCES.map(|distance| (done, deletion, distance)));
            }
        }
    }
    // No divisor of the number of distances, so that each comes with every operation.
    pairs.into_iter().enumerate().filter(|(nth, _)| all || nth % 67 == 0).map(|(_, pair)| pair).collect()
}

fn told((done, deletion, distance): &Pair) -> String {
    let call = |call: &Call| format!("{} {:?}", call.0, call.1);
    format!("{}, and {} steps later {}", call(done), distance, call(&deletion.0))
}

/// Sends both at their times and waits for their ends: what came of them.
async fn both(admin: &Caller, tenant: &tenant::Tenant, (done, (deletion, _), distance): &Pair) -> [Value; 2] {
    let steps = |from: i32| STEP * u32::try_from((from - DISTANCES.start()).max(0)).expect("small");
    let send = |call: &Call, at: Duration| {
        let parameters = tenant.aim(call.1);
        let command = call.0;
        async move {
            tokio::time::sleep(at).await;
            let reply = admin.ask(command, &kit::borrowed(&parameters, &[])).await;
            let inside = kit::inside(&reply);
            match inside["jobid"].as_str().filter(|_| reply.status == 200) {
                Some(job) => admin.wait(job).await,
                None => inside,
            }
        }
    };
    let (done, deleted) = futures::join!(send(done, steps(0)), send(deletion, steps(*distance)));
    [done, deleted]
}

/// How many deletions went through, and what is wrong afterwards.
async fn try_all(kind: Kind, pairs: &[Pair]) -> (usize, Vec<String>) {
    let tenants = Tenants::open(kind).await;
    let admin = tenants.world.admin();
    let running = tenants.tenants.iter().zip(pairs).map(|(tenant, pair)| both(&admin, tenant, pair));
    let ends = futures::future::join_all(running).await;
    // What an answer did not wait for, such as the fetching of a template.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let mut defects = Vec::new();
    let mut deleted = 0;
    for ((pair, tenant), [done, deletion]) in pairs.iter().zip(tenants.tenants).zip(&ends) {
        let went = deletion["jobstatus"] == 1;
        deleted += usize::from(went);
        for end in [done, deletion] {
            if end["jobresult"]["errortext"].as_str().is_some_and(|text| text.contains("a defect of its own"))
            {
                defects.push(format!("{}: {end}", told(pair)));
            }
        }
        if pair.1.1 && !went {
            defects.push(format!(
                "{}: {}: it was not deleted: {}",
                told(pair),
                tenant.name,
                deletion["jobresult"]
            ));
        }
    }
    let seen = tenants.seen().await;
    let whose = |text: String| {
        let pair = tenants.whose(&text).and_then(|nth| pairs.get(nth)).map(told);
        format!("{}: {text}", pair.unwrap_or_default())
    };
    defects.extend(seen.defects().into_iter().map(whose));
    defects.extend(tenants.driver_defects(&seen).await.into_iter().map(whose));
    let reopened = tenants.reopened().await;
    defects.extend(seen.differences(&reopened).into_iter().map(whose));
    // Whatever is left goes with its domain, or its maker, and then there is nothing, in the driver either.
    for tenant in
        tenants.tenants.iter().filter(|tenant| seen.get("listDomains", tenant.id("domain")).is_some())
    {
        let reply = admin.ask("deleteDomain", &[("id", tenant.id("domain")), ("cleanup", "true")]).await;
        if let Some(job) = kit::inside(&reply)["jobid"].as_str() {
            let ended = admin.wait(job).await;
            if ended["jobstatus"] != json!(1) {
                defects.push(whose(format!("{}: its domain stays: {}", tenant.name, ended["jobresult"])));
            }
        }
    }
    for template in seen.of("listTemplates").iter().filter(|template| template["name"] == "made") {
        let id = template["id"].as_str().expect("an id");
        admin.ask("deleteTemplate", &[("id", id), ("forced", "true")]).await;
    }
    let left = tenants.left_in_the_driver().await;
    if !left.is_empty() {
        defects.push(format!("{left:?} are left of {:#?}", pairs.iter().map(told).collect::<Vec<_>>()));
    }
    (deleted, defects)
}

#[expect(clippy::print_stdout, reason = "how much was tried is what a run is for")]
fn try_every(kind: Kind) {
    let (mut tried, mut deleted, mut defects) = (0, 0, Vec::new());
    let mut kinds = BTreeSet::new();
    for pairs in pairs(kind).chunks(TENANTS) {
        let (gone, wrong) = crate::fuzz::on_a_paused_clock(try_all(kind, pairs));
        (tried, deleted) = (tried + pairs.len(), deleted + gone);
        defects.extend(wrong);
        kinds.extend(pairs.iter().map(|(done, ..)| done.0));
    }
    println!("two things at once, {kind:?}: {tried} pairs, {deleted} deletions went through");
    assert!(defects.is_empty(), "{} defects: {defects:#?}", defects.len());
    assert!(deleted * 2 > tried, "most deletions go through: {deleted} of {tried}");
    assert!(kinds.len() > 20, "{kinds:?}");
}

#[test]
fn nothing_is_left_half_made_by_what_is_deleted_at_the_same_time() {
    try_every(Kind::Account);
}

#[test]
fn nothing_is_left_half_made_by_a_project_or_domain_that_is_deleted_at_the_same_time() {
    try_every(Kind::Project);
}
