//! Firewall, egress and port forwarding rules: what they look like, and when they are in each other's way.

use serde_json::Value;

use super::Source::{Read, Recorded};
use super::behaviours;
use crate::answer::refusal;
use crate::finding::{Verdict, has, hold, is, lacks, shown, text};
use crate::stage::{Asleep, Keep, Stage};

behaviours! { "rules":
    firewall "A firewall rule of a sleeping network is Active at once; its ports are numbers, its protocol in lower case",
        Recorded("createFirewallRule; the cluster's conversation, asleep"), ["createFirewallRule"];
    firewall_defaults "A firewall rule without sources is for all of them, without an end port for one port",
        Recorded("createFirewallRule, no CIDR, no end port"), ["createFirewallRule"];
    firewall_all_ports "A firewall rule of TCP without ports is taken, and shows none",
        Recorded("createFirewallRule, no ports, tcp"), ["createFirewallRule"];
    firewall_duplicate "The same firewall rule again is a conflict, and the text tells with what",
        Recorded("error: createFirewallRule, duplicate"), ["createFirewallRule"];
    firewall_overlap "Ranges of firewall rules that overlap are a conflict",
        Recorded("error: createFirewallRule, overlap range"), ["createFirewallRule"];
    firewall_other_source "The same ports for other sources are no conflict",
        Recorded("createFirewallRule, same port, other CIDR"), ["createFirewallRule"];
    firewall_bad_source "Sources that are no range are refused",
        Recorded("error: createFirewallRule, bad CIDR"), ["createFirewallRule"];
    firewall_backwards "A range that ends before it starts is refused",
        Recorded("error: createFirewallRule, end before start"), ["createFirewallRule"];
    firewall_newest_first "The newest firewall rule is listed first, of ingress as of egress",
        Recorded("listFirewallRules; listEgressFirewallRules"), ["createFirewallRule", "createEgressFirewallRule"];
    firewall_delete "A deleted firewall rule is gone from the list; the job ends with success",
        Recorded("deleteFirewallRule"), ["createFirewallRule", "deleteFirewallRule"];
    egress_asleep "An egress rule of a sleeping network is Active at once, and has no address",
        Recorded("createEgressFirewallRule, in Allocated network"), ["createEgressFirewallRule"];
    egress_all "An egress rule for all protocols is for the network's range",
        Recorded("createEgressFirewallRule, all"), ["createEgressFirewallRule"];
    egress_icmp "An egress rule for ICMP has a type and a code, and no ports",
        Recorded("createEgressFirewallRule, icmp"), ["createEgressFirewallRule"];
    egress_outside "Sources outside the network are refused for egress",
        Recorded("error: createEgressFirewallRule, CIDR outside"), ["createEgressFirewallRule"];
    egress_everywhere "0.0.0.0/0 as the source of egress becomes the network's range",
        Read("FirewallManagerImpl, egress sources"), ["createEgressFirewallRule"];
    egress_duplicate "The same egress rule again is a conflict",
        Recorded("error: createEgressFirewallRule, duplicate"), ["createEgressFirewallRule"];
    forward "A forward of a machine that was never started is Active at once; its ports are texts, with end ports",
        Recorded("createPortForwardingRule; the cluster's conversation, asleep"), ["createPortForwardingRule"];
    forward_opens "A forward opens the firewall for itself unless told not to, and its removal closes it",
        Read("PortForwardingRuleCmd, openfirewall"), ["createPortForwardingRule", "deletePortForwardingRule"];
    forward_shut "A forward with `openfirewall=false` opens nothing",
        Recorded("the cluster's conversation, asleep"), ["createPortForwardingRule"];
    forward_same_port "Two forwards of one port are a conflict",
        Recorded("error: createPortForwardingRule, same port"), ["createPortForwardingRule"];
    forward_other_protocol "The same port of another protocol is no conflict",
        Recorded("createPortForwardingRule, udp, same port"), ["createPortForwardingRule"];
    forward_range "A forward of a range shows its end ports, and one that overlaps it is a conflict",
        Recorded("createPortForwardingRule, range; error: overlap range"), ["createPortForwardingRule"];
    forward_uneven "Ranges of different sizes are refused",
        Recorded("error: createPortForwardingRule, range size differs"), ["createPortForwardingRule"];
    forward_bad_port "A port beyond 65535, and one that is no number, are refused",
        Recorded("error: createPortForwardingRule, port 70000; port text"), ["createPortForwardingRule"];
    forward_bad_protocol "A protocol that is none is refused",
        Recorded("error: createPortForwardingRule, bad protocol"), ["createPortForwardingRule"];
    forward_filters "Forwards are found by id, by address and by network",
        Recorded("listPortForwardingRules by id; by network"), ["createPortForwardingRule"];
    forward_stays "A forward stays while its machine is stopped and started",
        Recorded("listPortForwardingRules, VM stopped"), ["createPortForwardingRule"];
}

async fn open(stage: &Stage, asleep: &Asleep, more: &[(&str, &str)]) -> Verdict<Value> {
    let mut parameters = vec![("ipaddressid", asleep.address.as_str())];
    parameters.extend(more);
    Ok(stage.user.run("createFirewallRule", &parameters).await?["firewallrule"].clone())
}

async fn close(stage: &Stage, rule: &Value) -> Verdict {
    stage.user.run("deleteFirewallRule", &[("id", text(rule, "id")?)]).await.map(drop)
}

async fn firewall(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let ports = [
        ("protocol", "TCP"),
        ("startport", "1000"),
        ("endport", "1003"),
        ("cidrlist", "10.0.0.0/8,192.168.0.0/16"),
    ];
    let rule = open(stage, asleep, &ports).await?;
    is(&rule, "state", "Active")?;
    is(&rule, "protocol", "tcp")?;
    is(&rule, "startport", 1000)?;
    is(&rule, "endport", 1003)?;
    is(&rule, "cidrlist", "10.0.0.0/8,192.168.0.0/16")?;
    is(&rule, "networkid", asleep.network.as_str())?;
    is(&rule, "ipaddressid", asleep.address.as_str())?;
    is(&rule, "traffictype", "Ingress")?;
    has(&rule, &["ipaddress", "tags", "destcidrlist"])?;
    close(stage, &rule).await
}

async fn firewall_defaults(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule = open(stage, asleep, &[("protocol", "udp"), ("startport", "1010")]).await?;
    is(&rule, "endport", 1010)?;
    is(&rule, "cidrlist", "0.0.0.0/0")?;
    close(stage, &rule).await
}

async fn firewall_all_ports(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule = open(stage, asleep, &[("protocol", "tcp"), ("cidrlist", "192.0.2.7/32")]).await?;
    lacks(&rule, &["startport", "endport"])?;
    close(stage, &rule).await
}

/// The conflict of a second rule with a first one.
async fn conflicting(stage: &Stage, first: &[(&str, &str)], second: &[(&str, &str)]) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule = open(stage, asleep, first).await?;
    let mut parameters = vec![("ipaddressid", asleep.address.as_str())];
    parameters.extend(second);
    let wanted = refusal(537, 4360, "The range specified, ");
    let said = stage.user.refused("createFirewallRule", &parameters, wanted).await?;
    hold(said.contains("conflicts with rule"), "\"conflicts with rule\"", &said)?;
    hold(said.contains(text(&rule, "id")?), "the other rule's id", &said)?;
    close(stage, &rule).await
}

async fn firewall_duplicate(stage: &Stage) -> Verdict {
    let rule = [("protocol", "tcp"), ("startport", "1020"), ("endport", "1020"), ("cidrlist", "10.0.0.0/8")];
    conflicting(stage, &rule, &rule).await
}

async fn firewall_overlap(stage: &Stage) -> Verdict {
    let first = [("protocol", "tcp"), ("startport", "1030"), ("endport", "1040")];
    let second = [("protocol", "tcp"), ("startport", "1035"), ("endport", "1050"), ("cidrlist", "0.0.0.0/0")];
    conflicting(stage, &first, &second).await
}

async fn firewall_other_source(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let of = |sources| [("protocol", "tcp"), ("startport", "1060"), ("cidrlist", sources)];
    let first = open(stage, asleep, &of("10.0.0.0/8")).await?;
    let second = open(stage, asleep, &of("192.168.0.0/16")).await?;
    close(stage, &first).await?;
    close(stage, &second).await
}

/// The refusal of a firewall rule.
async fn refused_rule(stage: &Stage, rule: &[(&str, &str)], wanted: crate::answer::Refusal) -> Verdict {
    let asleep = stage.asleep().await?;
    let mut parameters = vec![("ipaddressid", asleep.address.as_str())];
    parameters.extend(rule);
    stage.user.refused("createFirewallRule", &parameters, wanted).await.map(drop)
}

async fn firewall_bad_source(stage: &Stage) -> Verdict {
    let rule = [("protocol", "tcp"), ("startport", "23"), ("endport", "23"), ("cidrlist", "10.0.0.0/99")];
    refused_rule(stage, &rule, refusal(431, 9999, "Source CIDRs formatting error 10.0.0.0/99")).await
}

async fn firewall_backwards(stage: &Stage) -> Verdict {
    let rule = [("protocol", "tcp"), ("startport", "30"), ("endport", "20")];
    refused_rule(stage, &rule, refusal(431, 4350, "Start port can't be bigger than end port")).await
}

async fn firewall_newest_first(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let ports = |port| [("protocol", "tcp"), ("startport", port), ("cidrlist", "10.97.0.0/24")];
    let ingress = [open(stage, asleep, &ports("1081")).await?, open(stage, asleep, &ports("1082")).await?];
    let egress = [allow(stage, asleep, &ports("1081")).await?, allow(stage, asleep, &ports("1082")).await?];
    for (list, of, made) in [
        ("listFirewallRules", ("ipaddressid", asleep.address.as_str()), &ingress),
        ("listEgressFirewallRules", ("networkid", asleep.network.as_str()), &egress),
    ] {
        let listed = stage.user.list(list, "firewallrule", &[of]).await?;
        let place = |rule: &Value| listed.iter().position(|other| other["id"] == rule["id"]);
        let [older, newer] = [place(&made[0]), place(&made[1])];
        hold(newer.is_some() && newer < older, format!("{list}: the newer rule first"), shown(&listed))?;
    }
    for rule in &ingress {
        close(stage, rule).await?;
    }
    for rule in &egress {
        deny(stage, rule).await?;
    }
    Ok(())
}

async fn firewall_delete(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule = open(stage, asleep, &[("protocol", "tcp"), ("startport", "1070")]).await?;
    let id = text(&rule, "id")?;
    stage.user.only("listFirewallRules", "firewallrule", &[("id", id)]).await?;
    is(&stage.user.run("deleteFirewallRule", &[("id", id)]).await?, "success", true)?;
    let left =
        stage.user.list("listFirewallRules", "firewallrule", &[("ipaddressid", &asleep.address)]).await?;
    hold(!left.iter().any(|other| other["id"] == id), "gone", shown(&left))
}

async fn allow(stage: &Stage, asleep: &Asleep, more: &[(&str, &str)]) -> Verdict<Value> {
    let mut parameters = vec![("networkid", asleep.network.as_str())];
    parameters.extend(more);
    Ok(stage.user.run("createEgressFirewallRule", &parameters).await?["firewallrule"].clone())
}

async fn deny(stage: &Stage, rule: &Value) -> Verdict {
    stage.user.run("deleteEgressFirewallRule", &[("id", text(rule, "id")?)]).await.map(drop)
}

async fn egress_asleep(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let ports = [("protocol", "tcp"), ("startport", "80"), ("endport", "80"), ("cidrlist", "10.97.0.0/24")];
    let rule = allow(stage, asleep, &ports).await?;
    is(&rule, "state", "Active")?;
    is(&rule, "traffictype", "Egress")?;
    is(&rule, "cidrlist", "10.97.0.0/24")?;
    is(&rule, "startport", 80)?;
    lacks(&rule, &["ipaddress", "ipaddressid"])?;
    let found =
        stage.user.only("listEgressFirewallRules", "firewallrule", &[("id", text(&rule, "id")?)]).await?;
    is(&found, "networkid", asleep.network.as_str())?;
    deny(stage, &rule).await
}

async fn egress_all(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule = allow(stage, asleep, &[("protocol", "all")]).await?;
    is(&rule, "protocol", "all")?;
    is(&rule, "cidrlist", "10.97.0.0/24")?;
    lacks(&rule, &["startport", "endport"])?;
    deny(stage, &rule).await
}

async fn egress_icmp(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let kind = [("protocol", "icmp"), ("icmptype", "-1"), ("icmpcode", "-1"), ("cidrlist", "10.97.0.0/24")];
    let rule = allow(stage, asleep, &kind).await?;
    is(&rule, "icmptype", -1)?;
    is(&rule, "icmpcode", -1)?;
    lacks(&rule, &["startport", "endport"])?;
    deny(stage, &rule).await
}

async fn egress_outside(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule = [
        ("networkid", asleep.network.as_str()),
        ("protocol", "tcp"),
        ("startport", "22"),
        ("cidrlist", "192.168.99.0/24"),
    ];
    let wanted = refusal(431, 9999, "[192.168.99.0/24] is not within the guest CIDR [10.97.0.0/24].");
    stage.user.refused("createEgressFirewallRule", &rule, wanted).await.map(drop)
}

async fn egress_everywhere(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule =
        allow(stage, asleep, &[("protocol", "tcp"), ("startport", "81"), ("cidrlist", "0.0.0.0/0")]).await?;
    is(&rule, "cidrlist", "10.97.0.0/24")?;
    deny(stage, &rule).await
}

async fn egress_duplicate(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let ports = [("protocol", "tcp"), ("startport", "443"), ("endport", "443"), ("cidrlist", "10.97.0.0/24")];
    let rule = allow(stage, asleep, &ports).await?;
    let mut again = vec![("networkid", asleep.network.as_str())];
    again.extend(ports);
    let wanted = refusal(537, 9999, "The range specified, 443-443, conflicts with rule");
    stage.user.refused("createEgressFirewallRule", &again, wanted).await?;
    deny(stage, &rule).await
}

/// The parameters of a forward to the sleeping machine that opens nothing.
fn leading<'a>(asleep: &'a Asleep, public: &'a str, private: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("ipaddressid", asleep.address.as_str()),
        ("virtualmachineid", asleep.machine.as_str()),
        ("protocol", "tcp"),
        ("publicport", public),
        ("privateport", private),
        ("openfirewall", "false"),
    ]
}

async fn lead(stage: &Stage, parameters: &[(&str, &str)]) -> Verdict<Value> {
    Ok(stage.user.run("createPortForwardingRule", parameters).await?["portforwardingrule"].clone())
}

async fn no_longer(stage: &Stage, forward: &Value) -> Verdict {
    let result = stage.user.run("deletePortForwardingRule", &[("id", text(forward, "id")?)]).await?;
    is(&result, "success", true)
}

async fn forward(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule = lead(stage, &leading(asleep, "2001", "22")).await?;
    is(&rule, "state", "Active")?;
    for (name, value) in [
        ("publicport", "2001"),
        ("publicendport", "2001"),
        ("privateport", "22"),
        ("privateendport", "22"),
        ("protocol", "tcp"),
        ("virtualmachineid", &asleep.machine),
        ("ipaddressid", &asleep.address),
        ("networkid", &asleep.network),
        ("cidrlist", ""),
    ] {
        is(&rule, name, value)?;
    }
    has(&rule, &["id", "ipaddress", "virtualmachinename", "virtualmachinedisplayname", "vmguestip", "tags"])?;
    let network = stage.user.only("listNetworks", "network", &[("id", &asleep.network)]).await?;
    is(&network, "state", "Allocated")?;
    no_longer(stage, &rule).await
}

/// The firewall rules of the sleeping network's address for this port.
async fn opened(stage: &Stage, asleep: &Asleep, port: u64) -> Verdict<usize> {
    let filter = [("ipaddressid", asleep.address.as_str())];
    let rules = stage.user.list("listFirewallRules", "firewallrule", &filter).await?;
    Ok(rules.iter().filter(|rule| rule["startport"] == port).count())
}

async fn forward_opens(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let mut parameters = leading(asleep, "2002", "22");
    parameters.pop();
    let rule = lead(stage, &parameters).await?;
    let rules = opened(stage, asleep, 2002).await?;
    hold(rules == 1, "one firewall rule for the port", rules)?;
    no_longer(stage, &rule).await?;
    let rules = opened(stage, asleep, 2002).await?;
    hold(rules == 0, "no firewall rule for the port", rules)
}

async fn forward_shut(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule = lead(stage, &leading(asleep, "2003", "22")).await?;
    let rules = opened(stage, asleep, 2003).await?;
    hold(rules == 0, "no firewall rule for the port", rules)?;
    no_longer(stage, &rule).await
}

async fn forward_same_port(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule = lead(stage, &leading(asleep, "2004", "22")).await?;
    let wanted = refusal(537, 4360, "The range specified, 2004-2004, conflicts with rule");
    stage.user.refused("createPortForwardingRule", &leading(asleep, "2004", "2222"), wanted).await?;
    no_longer(stage, &rule).await
}

async fn forward_other_protocol(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let first = lead(stage, &leading(asleep, "2005", "22")).await?;
    let mut udp = leading(asleep, "2005", "22");
    udp[2] = ("protocol", "udp");
    let second = lead(stage, &udp).await?;
    is(&second, "protocol", "udp")?;
    no_longer(stage, &first).await?;
    no_longer(stage, &second).await
}

async fn forward_range(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let mut range = leading(asleep, "2010", "2010");
    range.extend([("publicendport", "2020"), ("privateendport", "2020")]);
    let rule = lead(stage, &range).await?;
    is(&rule, "publicendport", "2020")?;
    is(&rule, "privateendport", "2020")?;
    let mut overlapping = leading(asleep, "2015", "2015");
    overlapping.extend([("publicendport", "2030"), ("privateendport", "2030")]);
    let wanted = refusal(537, 4360, "The range specified, 2015-2030, conflicts with rule");
    stage.user.refused("createPortForwardingRule", &overlapping, wanted).await?;
    no_longer(stage, &rule).await
}

async fn forward_uneven(stage: &Stage) -> Verdict {
    let mut range = leading(stage.asleep().await?, "2040", "2040");
    range.extend([("publicendport", "2050"), ("privateendport", "2045")]);
    let wanted = refusal(431, 4350, "Source port and destination port ranges should be of equal sizes.");
    stage.user.refused("createPortForwardingRule", &range, wanted).await.map(drop)
}

async fn forward_bad_port(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let wanted = refusal(431, 4350, "publicPort is an invalid value: 70000");
    stage.user.refused("createPortForwardingRule", &leading(asleep, "70000", "22"), wanted).await?;
    let wanted = refusal(431, 9999, "due to invalid value abc for parameter publicport");
    stage.user.refused("createPortForwardingRule", &leading(asleep, "abc", "22"), wanted).await.map(drop)
}

async fn forward_bad_protocol(stage: &Stage) -> Verdict {
    let mut odd = leading(stage.asleep().await?, "2060", "22");
    odd[2] = ("protocol", "foo");
    let wanted = refusal(431, 4350, "Protocol foo is not supported in zone");
    stage.user.refused("createPortForwardingRule", &odd, wanted).await.map(drop)
}

async fn forward_filters(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let rule = lead(stage, &leading(asleep, "2070", "22")).await?;
    let id = text(&rule, "id")?;
    for filter in [("id", id), ("ipaddressid", &asleep.address), ("networkid", &asleep.network)] {
        let found = stage.user.list("listPortForwardingRules", "portforwardingrule", &[filter]).await?;
        hold(found.iter().any(|found| found["id"] == id), format!("found by {}", filter.0), shown(&found))?;
    }
    no_longer(stage, &rule).await
}

async fn forward_stays(stage: &Stage) -> Verdict {
    let awake = stage.awake().await?;
    let machine = stage.machine(&awake.network, &[], Keep::Behaviour).await?;
    let id = text(&machine, "id")?;
    let rule = [
        ("ipaddressid", awake.address.as_str()),
        ("virtualmachineid", id),
        ("protocol", "tcp"),
        ("publicport", "2080"),
        ("privateport", "22"),
        ("openfirewall", "false"),
    ];
    let rule = lead(stage, &rule).await?;
    stage.user.run("stopVirtualMachine", &[("id", id)]).await?;
    let kept = [("id", text(&rule, "id")?)];
    is(&stage.user.only("listPortForwardingRules", "portforwardingrule", &kept).await?, "state", "Active")?;
    no_longer(stage, &rule).await
}
