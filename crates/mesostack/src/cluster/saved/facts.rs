//! What a plan was made from, as texts that can be compared and shown: the file's values that matter to a cluster, and
//! everything of the cluster in the cloud.
//!
//! Ids are part of it: a machine that was made anew under its old name is another one. What says only where the operator's
//! own things are (the private key's file, where API keys come from) is not: a plan may be carried out on another machine.

use cloudstack::Id;

use super::{Facts, sha256};
use crate::{
    cluster::{
        desired::Desired,
        observed::{Machine, Named, Observed},
    },
    spec::{AgentAccess, Bootstrap, Cloud, Credentials, Packages, Spec},
};

/// What the file asks for.
pub(super) fn wanted(desired: &Desired) -> Facts {
    let spec = &desired.spec;
    let (access, network, cluster) = (&spec.access, &spec.network, &spec.cluster);
    let allow = access.allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let bootstrap = match access.bootstrap {
        Bootstrap::Ssh => "ssh",
        Bootstrap::UserData => "user-data",
    };
    let agents = match access.agents {
        AgentAccess::Forward => "forward",
        AgentAccess::Bastion => "bastion",
    };
    let key = desired.key.as_ref().map_or("none yet", |key| key.fingerprint.as_str());
    let changes = &desired.changes;
    let remove = changes.remove.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let asked = [
        ("the option --remove", (!changes.remove.is_empty()).then_some(remove)),
        ("the option --prune", changes.prune.then(|| "given".to_owned())),
    ];
    let asked = asked.into_iter().filter_map(|(what, value)| Some((what, value?)));
    let file = [
        ("access.key_pair", access.key_pair.clone()),
        ("access.user", access.user.clone()),
        ("access.allow", allow),
        ("access.bootstrap", bootstrap.to_owned()),
        ("access.agents", agents.to_owned()),
        ("access.first_master_port", access.first_master_port.to_string()),
        ("access.first_agent_port", access.first_agent_port.to_string()),
        ("network.name", network.name.clone()),
        ("network.range", network.range.to_string()),
        ("network.offering", network.offering.clone()),
        ("image.name", spec.image.name.clone()),
        ("cluster.masters", cluster.masters.to_string()),
        ("cluster.agents", cluster.agents.to_string()),
        ("cluster.master_offering", cluster.master_offering.clone()),
        ("cluster.agent_offering", cluster.agent_offering.clone()),
        ("cluster.first_master", cluster.first_master.to_string()),
        ("cluster.first_agent", cluster.first_agent.to_string()),
        ("the operator's key", key.to_owned()),
        ("the file as a whole", digest(spec)),
    ];
    file.into_iter().chain(asked).map(|(what, value)| (what.to_owned(), value)).collect()
}

/// Of everything in the file that has to do with the cluster, also of what has no line above.
fn digest(spec: &Spec) -> String {
    let mut spec = spec.clone();
    let zone = std::mem::take(&mut spec.cloud.zone);
    spec.cloud = Cloud {
        api_url: None,
        credentials: Credentials::Ambient,
        ca_file: None,
        verify_tls: true,
        calls_per_second: None,
        zone,
    };
    spec.access.private_key = Default::default();
    // How the image is built does not matter to a cluster that is made from it.
    spec.image.packages = Packages::StandIn;
    sha256(format!("{spec:?}").as_bytes())
}

/// What the cloud has of the cluster, and what new things would be made from. Rules are called by what they do, so that one
/// that was made anew is told as such.
pub(super) fn seen(observed: &Observed) -> Facts {
    let mut facts = Facts::new();
    let mut see = |what: String, how: String| {
        let entry = facts.entry(what).or_default();
        if !entry.is_empty() {
            entry.push_str("; ");
        }
        entry.push_str(&how);
    };
    if let Some(network) = &observed.network {
        let range = network.range.map_or_else(|| "unknown".to_owned(), |range| range.to_string());
        let egress = if network.egress_allowed { "allowed" } else { "denied" };
        let how = format!(
            "{:?}, {range}, offering {}, egress {egress} by default",
            network.state,
            named(&network.offering)
        );
        see(format!("network {}", named(&network.named)), how);
        for (key, value) in &network.tags {
            see(format!("tag {key}"), value.clone());
        }
    }
    for id in &observed.twins {
        see(format!("network {id}"), "made twice, and empty".to_owned());
    }
    for id in &observed.namesakes {
        see(format!("network {id} of the same name"), "not this cluster's".to_owned());
    }
    for address in &observed.addresses {
        let how = if address.source_nat { "source NAT" } else { "no source NAT" };
        see(format!("public address {}", address.address), format!("{how} ({})", address.id));
    }
    let firewall = observed.firewall.iter().map(|rule| (rule, ""));
    for (rule, state) in firewall.chain(observed.going.firewall.iter().map(|rule| (rule, GOING))) {
        let place = if rule.opening.is_some() { "" } else { ", on another address or of another protocol" };
        see(format!("firewall rule {}", rule.text), format!("{}{place}{state}", rule.id));
    }
    for rule in &observed.egress {
        see(format!("egress rule {}", rule.text), rule.id.to_string());
    }
    let machines = observed.machines_by_id();
    let machine =
        |id: &Id| machines.get(id).map_or_else(|| id.to_string(), |machine| machine.named.name.clone());
    let address = |id: &Id| {
        let address = observed.addresses.iter().find(|address| address.id == *id);
        address.map_or_else(|| id.to_string(), |address| address.address.to_string())
    };
    let forwards = observed.forwards.iter().map(|rule| (rule, ""));
    for (rule, state) in forwards.chain(observed.going.forwards.iter().map(|rule| (rule, GOING))) {
        let ((first, last), leads_to) = (rule.public, machine(&rule.machine));
        let ports = if first == last { first.to_string() } else { format!("{first}-{last}") };
        let how = format!("→ {leads_to}:{}{state} ({})", rule.private, rule.id);
        see(format!("port forwarding rule {} {ports} of {}", rule.protocol, address(&rule.address)), how);
    }
    for rule in &observed.balancers {
        let mut members = rule.members.iter().map(machine).collect::<Vec<_>>();
        members.sort_unstable();
        let protocol = if rule.tcp { "tcp" } else { "not tcp" };
        let how = format!("→ {} on {} ({})", rule.private_port, members.join(", "), rule.id);
        see(format!("load balancer rule {protocol} {} of {}", rule.public_port, address(&rule.address)), how);
    }
    for machine in &observed.machines {
        see(format!("virtual machine {}", named(&machine.named)), machine_facts(machine));
    }
    if let Some(fingerprint) = &observed.key_pair {
        see("key pair".to_owned(), fingerprint.clone());
    }
    if let Some(group) = &observed.affinity_group {
        let ours = if group.ours { "this cluster's" } else { "not this cluster's" };
        see("affinity group".to_owned(), format!("{ours} ({})", group.id));
    }
    // What else the catalogue has is looked for only where it is needed.
    let catalogue = &observed.catalogue;
    let kinds = [("zone", &catalogue.zone), ("image", &catalogue.template)];
    for (what, thing) in kinds.into_iter().filter_map(|(what, thing)| Some((what, thing.as_ref()?))) {
        see(what.to_owned(), named(thing));
    }
    for (wanted, offering) in &catalogue.offerings {
        see(format!("service offering {wanted}"), named(offering));
    }
    facts
}

/// Of a rule whose removal was begun.
const GOING: &str = ", being removed";

fn machine_facts(machine: &Machine) -> String {
    format!(
        "{:?}, {}, offering {}, image {}, key pair {}, affinity groups {}",
        machine.state,
        machine.address.map_or_else(|| "no address".to_owned(), |address| address.to_string()),
        named(&machine.offering),
        named(&machine.template),
        listed(&machine.key_pairs),
        listed(&machine.affinity_groups)
    )
}

/// In an order of its own: the cloud's may be another each time.
fn listed(names: &[String]) -> String {
    let mut names = names.iter().map(String::as_str).collect::<Vec<_>>();
    names.sort_unstable();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn named(thing: &Named) -> String {
    format!("{} ({})", thing.name, thing.id)
}
