//! Load balancers: rules, members, and conflicts with forwards.

use serde_json::Value;

use super::Source::{Read, Recorded};
use super::behaviours;
use crate::answer::{UNKNOWN, refusal};
use crate::finding::{Verdict, hold, is, lacks, shown, text};
use crate::stage::{Asleep, Stage};

behaviours! { "balancers":
    made "A balancer's ports are texts, and it has the state Add until a machine is assigned, then Active",
        Recorded("createLoadBalancerRule; listLoadBalancerRules, before assign"), ["createLoadBalancerRule"];
    members "A balancer's members are machines as machine lists show them; without any the list is empty",
        Recorded("listLoadBalancerRuleInstances; empty; after removal"), ["assignToLoadBalancerRule", "removeFromLoadBalancerRule"];
    member_twice "A machine that is a member already is not assigned again: the job says so",
        Recorded("error: assignToLoadBalancerRule, again"), ["assignToLoadBalancerRule"];
    member_addresses "Members come with their addresses where asked for",
        Recorded("listLoadBalancerRuleInstances, lbvmips"), ["listLoadBalancerRuleInstances"];
    opens "A balancer opens the firewall for its port unless told not to",
        Recorded("createLoadBalancerRule, openfirewall default"), ["createLoadBalancerRule"];
    same_port "Two balancers of one port are a conflict",
        Recorded("error: createLoadBalancerRule, same port"), ["createLoadBalancerRule"];
    port_of_a_forward "A forward of a balancer's port is a conflict",
        Recorded("error: createPortForwardingRule, port used by LB"), ["createLoadBalancerRule"];
    beside_a_forward "A forward of another port of the same address is none",
        Recorded("createPortForwardingRule, on LB address, other port"), ["createLoadBalancerRule"];
    bad_algorithm "An algorithm that is none is refused",
        Recorded("error: createLoadBalancerRule, bad algorithm"), ["createLoadBalancerRule"];
    names_not_unique "Two balancers may have the same name",
        Recorded("createLoadBalancerRule, same name"), ["createLoadBalancerRule"];
    deleted "A deleted balancer is gone; the job ends with success",
        Recorded("deleteLoadBalancerRule"), ["deleteLoadBalancerRule"];
    no_scaling_groups "The list of a balancer's scaling groups is empty",
        Read("Terraform's provider, load balancer"), ["listAutoScaleVmGroups"];
    stickiness_key "A stickiness policy's answer stands under `createLBStickinessPolicy`, without `response`",
        Recorded("createLBStickinessPolicy"), ["createLBStickinessPolicy"];
    health_checks "A virtual router takes no health policy, and no id is one of a policy",
        Recorded("error: createLBHealthCheckPolicy"), ["createLBHealthCheckPolicy", "deleteLBHealthCheckPolicy"];
}

/// The parameters of a balancer that opens nothing.
fn balancing<'a>(asleep: &'a Asleep, name: &'a str, port: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("publicipid", asleep.address.as_str()),
        ("name", name),
        ("algorithm", "roundrobin"),
        ("publicport", port),
        ("privateport", "8080"),
        ("openfirewall", "false"),
    ]
}

async fn balance(stage: &Stage, port: &str) -> Verdict<Value> {
    let name = stage.name();
    let parameters = balancing(stage.asleep().await?, &name, port);
    Ok(stage.user.run("createLoadBalancerRule", &parameters).await?["loadbalancer"].clone())
}

async fn end(stage: &Stage, rule: &Value) -> Verdict {
    let result = stage.user.run("deleteLoadBalancerRule", &[("id", text(rule, "id")?)]).await?;
    is(&result, "success", true)
}

async fn assign(stage: &Stage, rule: &Value) -> Verdict {
    let asleep = stage.asleep().await?;
    let parameters = [("id", text(rule, "id")?), ("virtualmachineids", asleep.machine.as_str())];
    is(&stage.user.run("assignToLoadBalancerRule", &parameters).await?, "success", true)
}

async fn made(stage: &Stage) -> Verdict {
    let rule = balance(stage, "3001").await?;
    for (name, value) in
        [("publicport", "3001"), ("privateport", "8080"), ("algorithm", "roundrobin"), ("state", "Add")]
    {
        is(&rule, name, value)?;
    }
    let id = text(&rule, "id")?;
    let listed = stage.user.only("listLoadBalancerRules", "loadbalancerrule", &[("id", id)]).await?;
    is(&listed, "state", "Add")?;
    assign(stage, &rule).await?;
    let listed = stage.user.only("listLoadBalancerRules", "loadbalancerrule", &[("id", id)]).await?;
    is(&listed, "state", "Active")?;
    end(stage, &rule).await
}

async fn members(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule = balance(stage, "3002").await?;
    let id = text(&rule, "id")?;
    let none = stage.user.ask("listLoadBalancerRuleInstances", &[("id", id)]).await?;
    hold(none == serde_json::json!({}), "{}", none)?;
    assign(stage, &rule).await?;
    let members = [("id", id)];
    let member =
        stage.user.only("listLoadBalancerRuleInstances", "loadbalancerruleinstance", &members).await?;
    is(&member, "id", asleep.machine.as_str())?;
    hold(member["nic"].is_array(), "its network cards", &member)?;
    let by_machine = [("virtualmachineid", asleep.machine.as_str())];
    let of_machine = stage.user.list("listLoadBalancerRules", "loadbalancerrule", &by_machine).await?;
    hold(of_machine.iter().any(|found| found["id"] == id), "found by its member", shown(&of_machine))?;
    let out = [("id", id), ("virtualmachineids", asleep.machine.as_str())];
    is(&stage.user.run("removeFromLoadBalancerRule", &out).await?, "success", true)?;
    let none = stage.user.ask("listLoadBalancerRuleInstances", &[("id", id)]).await?;
    hold(none == serde_json::json!({}), "{}", none)?;
    end(stage, &rule).await
}

async fn member_twice(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule = balance(stage, "3003").await?;
    assign(stage, &rule).await?;
    let again = [("id", text(&rule, "id")?), ("virtualmachineids", asleep.machine.as_str())];
    let wanted = "is already mapped to load balancer.";
    let said = stage.user.fails("assignToLoadBalancerRule", &again, 530, wanted).await?;
    let begins = "Failed to assign load balancer rule due to: VM ";
    hold(said.starts_with(begins), begins, said)?;
    end(stage, &rule).await
}

async fn member_addresses(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule = balance(stage, "3004").await?;
    assign(stage, &rule).await?;
    let asked = [("id", text(&rule, "id")?), ("lbvmips", "true")];
    let member = stage.user.only("listLoadBalancerRuleInstances", "lbrulevmidip", &asked).await?;
    is(&member["loadbalancerruleinstance"], "id", asleep.machine.as_str())?;
    end(stage, &rule).await
}

async fn opens(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let name = stage.name();
    let mut parameters = balancing(asleep, &name, "3005");
    parameters.pop();
    let rule = stage.user.run("createLoadBalancerRule", &parameters).await?["loadbalancer"].clone();
    let filter = [("ipaddressid", asleep.address.as_str())];
    let rules = stage.user.list("listFirewallRules", "firewallrule", &filter).await?;
    let count = rules.iter().filter(|rule| rule["startport"] == 3005).count();
    hold(count == 1, "one firewall rule for the port", count)?;
    end(stage, &rule).await
}

async fn same_port(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule = balance(stage, "3006").await?;
    let name = stage.name();
    let wanted = refusal(537, 9999, "The range specified, 3006-3006, conflicts with rule");
    stage.user.refused("createLoadBalancerRule", &balancing(asleep, &name, "3006"), wanted).await?;
    end(stage, &rule).await
}

fn forwarding<'a>(asleep: &'a Asleep, port: &'a str) -> [(&'a str, &'a str); 6] {
    [
        ("ipaddressid", &asleep.address),
        ("virtualmachineid", &asleep.machine),
        ("protocol", "tcp"),
        ("publicport", port),
        ("privateport", "22"),
        ("openfirewall", "false"),
    ]
}

async fn port_of_a_forward(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule = balance(stage, "3007").await?;
    let wanted = refusal(537, 4360, "The range specified, 3007-3007, conflicts with rule");
    stage.user.refused("createPortForwardingRule", &forwarding(asleep, "3007"), wanted).await?;
    end(stage, &rule).await
}

async fn beside_a_forward(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule = balance(stage, "3008").await?;
    let forward = stage.user.run("createPortForwardingRule", &forwarding(asleep, "3009")).await?;
    let id = text(&forward["portforwardingrule"], "id")?;
    stage.user.run("deletePortForwardingRule", &[("id", id)]).await?;
    end(stage, &rule).await
}

async fn bad_algorithm(stage: &Stage) -> Verdict {
    let mut parameters = balancing(stage.asleep().await?, "x", "3010");
    parameters[2] = ("algorithm", "random");
    let wanted = refusal(431, 9999, "Invalid algorithm: random");
    stage.user.refused("createLoadBalancerRule", &parameters, wanted).await.map(drop)
}

async fn names_not_unique(stage: &Stage) -> Verdict {
    let rule = balance(stage, "3011").await?;
    let parameters = balancing(stage.asleep().await?, text(&rule, "name")?, "3012");
    let again = stage.user.run("createLoadBalancerRule", &parameters).await?["loadbalancer"].clone();
    end(stage, &rule).await?;
    end(stage, &again).await
}

async fn deleted(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule = balance(stage, "3013").await?;
    end(stage, &rule).await?;
    let filter = [("networkid", asleep.network.as_str())];
    let left = stage.user.list("listLoadBalancerRules", "loadbalancerrule", &filter).await?;
    hold(!left.iter().any(|other| other["id"] == rule["id"]), "gone", shown(&left))
}

async fn no_scaling_groups(stage: &Stage) -> Verdict {
    let rule = balance(stage, "3014").await?;
    let none = stage.user.ask("listAutoScaleVmGroups", &[("lbruleid", text(&rule, "id")?)]).await?;
    lacks(&none, &["autoscalevmgroup"])?;
    end(stage, &rule).await
}

async fn stickiness_key(stage: &Stage) -> Verdict {
    let rule = balance(stage, "3015").await?;
    let name = stage.name();
    let policy = [
        ("lbruleid", text(&rule, "id")?),
        ("name", &name),
        ("methodname", "LbCookie"),
        ("param[0].name", "cookie-name"),
        ("param[0].value", "sid"),
    ];
    let answer = stage.user.send("createLBStickinessPolicy", &policy).await?;
    let (key, inside) = answer.envelope()?;
    hold(key == "createLBStickinessPolicy", "createLBStickinessPolicy", key)?;
    let end_of_it = stage.user.outcome(text(&inside, "jobid")?).await?;
    let made = &end_of_it["jobresult"]["stickinesspolicies"];
    is(&made["stickinesspolicy"][0], "methodname", "LbCookie")?;
    end(stage, &rule).await
}

async fn health_checks(stage: &Stage) -> Verdict {
    let rule = balance(stage, "3016").await?;
    let policy = [("lbruleid", text(&rule, "id")?), ("pingpath", "/health")];
    let wanted = refusal(430, 9999, "HealthCheck Policy is not supported by LB Provider");
    stage.user.refused("createLBHealthCheckPolicy", &policy, wanted).await?;
    let nothing = [("id", "00000000-0000-0000-0000-000000000000")];
    stage.user.refused("deleteLBHealthCheckPolicy", &nothing, UNKNOWN).await?;
    end(stage, &rule).await
}
