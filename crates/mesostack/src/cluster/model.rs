//! A cloud in the mind, for tests: carries a plan's actions out on an [`Observed`], as a cloud would.

use cloudstack::Id;

use super::{
    action::{Action, RuleKind},
    desired::{Desired, OperatorKey},
    identity,
    observed::*,
    plan::{Plan, Step},
};
use crate::{
    node,
    spec::{Document, Node, Role},
};

pub(super) fn named(text: &str) -> Named {
    Named { id: Id::from(format!("id-{text}")), name: text.to_owned() }
}

/// What a file with these lines (`masters = 3` and so on, in `[cluster]`) asks for.
pub(super) fn desired_from(lines: &str, allow: &str) -> Desired {
    let text = format!("[cloud]\nzone = \"lab\"\n[access]\nallow = [{allow}]\n[cluster]\n{lines}\n");
    let document =
        Document::parse(&text, "mesostack.toml", std::path::Path::new("/")).expect("a specification");
    Desired::of(
        &document.spec,
        Some(OperatorKey { public: "ssh-ed25519 AAAA".to_owned(), fingerprint: "aa:bb".to_owned() }),
    )
}

/// So many masters and agents.
pub(super) fn desired(masters: u16, agents: u16) -> Desired {
    desired_from(&format!("masters = {masters}\nagents = {agents}"), "\"10.0.0.0/8\"")
}

/// A zone with everything `desired` names, and no cluster.
pub(super) fn empty(desired: &Desired) -> Observed {
    let offering = named(&desired.spec.cluster.master_offering);
    Observed {
        catalogue: Catalogue {
            zone: Some(named("lab")),
            network_offering: Some(named(&desired.spec.network.offering)),
            egress_allowed: false,
            offerings: [(desired.spec.cluster.master_offering.clone(), offering)].into(),
            template: Some(named("mesos")),
            ..Catalogue::default()
        },
        ..Observed::default()
    }
}

/// A cluster as `desired` asks for.
pub(super) fn whole(desired: &Desired) -> Observed {
    let mut observed = empty(desired);
    let plan = super::plan(desired, &observed);
    assert!(plan.obstacles.is_empty(), "{plan}");
    carry_out_all(desired, &mut observed, &plan);
    observed
}

pub(super) fn carry_out_all(desired: &Desired, observed: &mut Observed, plan: &Plan) {
    plan.steps.iter().for_each(|step: &Step| carry_out(desired, observed, &step.action));
}

pub(super) fn carry_out(desired: &Desired, observed: &mut Observed, action: &Action) {
    let desired = &desired.given(observed);
    match action {
        Action::AwaitNetwork => network(observed).state = NetworkState::Awake,
        Action::CreateNetwork { name, range, offering, zone, .. } => {
            assert!(observed.network.is_none(), "a second network");
            observed.network = Some(Network {
                named: named(name),
                state: NetworkState::Asleep,
                range: Some(*range),
                zone: zone.clone(),
                offering: offering.clone(),
                egress_allowed: false,
                tags: Default::default(),
            });
        }
        Action::WriteTags { set, host_keys, drop } => {
            let tags = &mut network(observed).tags;
            tags.retain(|key, _| !drop.contains(key));
            tags.extend(set.iter().cloned());
            for name in host_keys {
                assert!(!tags.contains_key(&identity::host_key_tag(name)), "{name}'s old key is in the way");
                tags.insert(identity::host_key_tag(name), "ssh-ed25519 AAAA".to_owned());
            }
        }
        Action::RegisterKeyPair { .. } => {
            observed.key_pair = desired.key.as_ref().map(|key| key.fingerprint.clone());
        }
        Action::CreateAffinityGroup { name } => {
            let group = AffinityGroup { id: named(name).id, ours: true };
            assert!(observed.affinity_group.replace(group).is_none(), "a second group");
        }
        Action::AcquireAddress => {
            assert!(observed.addresses.is_empty(), "a second address");
            let address = std::net::Ipv4Addr::new(198, 18, 0, 10);
            observed.addresses.push(Address { id: Id::from("address"), address, source_nat: true });
        }
        Action::ClosePorts { rule, .. } => observed.firewall.retain(|other| other.id != *rule),
        Action::OpenPorts { opening } => {
            let id = Id::from(format!("rule-{}-{opening}", observed.firewall.len()));
            observed.firewall.push(FirewallRule {
                id,
                opening: Some(opening.clone()),
                text: opening.to_string(),
            });
        }
        Action::OpenEgress { .. } => {
            observed.egress.push(EgressRule {
                id: Id::from("egress"),
                everything: true,
                text: String::new(),
            });
        }
        Action::CreateBalancer { name, public_port, private_port } => observed.balancers.push(Balancer {
            id: named(name).id,
            address: Id::from("address"),
            public_port: *public_port,
            private_port: *private_port,
            tcp: true,
            members: Vec::new(),
        }),
        Action::AssignBalancer { public_port, machines, .. } => {
            // Those that could not be deployed do not keep the others out.
            let ids = machines.iter().filter_map(|name| Some(observed.machine(name)?.named.id.clone()));
            let ids = ids.collect::<Vec<_>>();
            let rule = observed.balancers.iter_mut().find(|rule| rule.public_port == *public_port);
            rule.expect("a rule").members.extend(ids);
        }
        Action::Discard { machine, .. } | Action::Destroy { machine, .. } => {
            observed.machines.retain(|other| other.named.id != *machine);
            observed.forwards.retain(|forward| forward.machine != *machine);
            observed.balancers.iter_mut().for_each(|rule| rule.members.retain(|member| member != machine));
        }
        Action::ForgetNodes { host_names, tags } => {
            assert!(host_names.iter().all(|name| observed.machine(name).is_none()), "one of them is there");
            network(observed).tags.retain(|key, _| !tags.contains(key));
        }
        Action::Disband { tags } => network(observed).tags.retain(|key, _| !tags.contains(key)),
        Action::Deploy { host_name, node, offering, template, apart } => {
            assert!(!apart || observed.affinity_group.is_some());
            let state = MachineState::Stopped;
            let mut machine = machine(observed, host_name, node, (offering, template), state);
            machine.affinity_groups.extend(apart.then(|| desired.affinity_group.clone()));
            machine.key_pairs.push(desired.spec.access.key_pair.clone());
            observed.machines.push(machine);
        }
        Action::Launch { host_name, node, offering, template } => {
            let state = MachineState::Running;
            let mut machine = machine(observed, host_name, node, (offering, template), state);
            machine.key_pairs.push(desired.spec.access.key_pair.clone());
            observed.machines.push(machine);
            network(observed).state = NetworkState::Awake;
        }
        Action::Forward { host_name, public_port } => {
            let machine = observed.machine(host_name).expect("a machine").named.id.clone();
            let taken = observed.forwards.iter().any(|forward| forward.public.0 == *public_port);
            assert!(!taken, "{public_port} is forwarded already");
            observed.forwards.push(Forward {
                id: Id::from(format!("forward-{public_port}")),
                address: Id::from("address"),
                protocol: "tcp".to_owned(),
                public: (*public_port, *public_port),
                private: 22,
                machine,
            });
        }
        Action::Start { host_name, .. } => {
            let machine = observed.machines.iter_mut().find(|machine| machine.named.name == *host_name);
            machine.expect("a machine").state = MachineState::Running;
            network(observed).state = NetworkState::Awake;
        }
        Action::SetUp { host_name, .. } => {
            assert_eq!(observed.machine(host_name).expect("a machine").state, MachineState::Running);
            let forwarded = observed
                .forwards
                .iter()
                .any(|forward| forward.machine == observed.machine(host_name).expect("a machine").named.id);
            assert!(forwarded || desired.machine(host_name).expect("wanted").node.ssh_port.is_none());
        }
        Action::RemoveForward { rule, .. } => {
            assert!(observed.forwards.iter().any(|forward| forward.id == *rule), "no forward {rule}");
            observed.forwards.retain(|forward| forward.id != *rule);
        }
        Action::RemoveRule { rule, id, .. } => {
            observed.firewall.retain(|other| *rule != RuleKind::Firewall || other.id != *id);
            observed.egress.retain(|other| *rule != RuleKind::Egress || other.id != *id);
            observed.forwards.retain(|other| *rule != RuleKind::Forward || other.id != *id);
            observed.balancers.retain(|other| *rule != RuleKind::Balancer || other.id != *id);
        }
        Action::RemoveMember { rule, machine, .. } => {
            let rule = observed.balancers.iter_mut().find(|other| other.id == *rule).expect("a rule");
            rule.members.retain(|member| member != machine);
        }
        Action::ReleaseAddress { id, .. } => observed.addresses.retain(|address| address.id != *id),
        Action::MarkLeaving { tags, .. } => network(observed).tags.extend(tags.iter().cloned()),
        Action::Drain { host_name, .. } => {
            let machine = observed.machine(host_name).expect("a machine");
            assert!(observed.is_leaving(machine).is_some(), "{host_name} is drained without a mark");
        }
        Action::CheckQuorum { host_name, .. } => assert!(observed.machine(host_name).is_some()),
        Action::RollOut { stages, .. } => {
            for node in stages.iter().flat_map(|stage| &stage.nodes) {
                let machine = observed.machine(&node::host_name(&desired.spec, node)).expect("a machine");
                assert_eq!(machine.state, MachineState::Running);
            }
        }
        Action::WrittenDown | Action::AwaitHealth { .. } => {}
        Action::MarkSetUp { host_names } => {
            let mark_of = |observed: &Observed, name: &str| {
                let machine = observed.machine(name).expect("a machine");
                let wanted = desired.machine(name).expect("wanted");
                let facts = node::Facts {
                    public_address: observed.public_address().expect("an address").address,
                    template: Some(machine.template.id.to_string()),
                };
                let ensemble = node::Ensemble::of(desired.spec.cluster.masters);
                desired.set_up_mark(&wanted.node, ensemble, &machine.named.id, &facts)
            };
            for name in host_names {
                let mark = mark_of(observed, name);
                network(observed).tags.remove(&identity::leaving_tag(name));
                network(observed).tags.insert(identity::set_up_tag(name), mark);
            }
            let masters = desired.spec.cluster.masters;
            let knows = |master: &crate::cluster::desired::WantedMachine| {
                let mark = observed.tag(&identity::set_up_tag(&master.host_name));
                mark.and_then(identity::marked_masters) == Some(masters)
            };
            if desired.masters().all(knows) {
                let telling = observed.tag(identity::TELLING).is_some();
                for master in desired.masters().filter(|_| telling) {
                    let (key, wanted) =
                        (identity::set_up_tag(&master.host_name), mark_of(observed, &master.host_name));
                    let mark = network(observed).tags.get_mut(&key).expect("a mark");
                    if *mark != wanted {
                        *mark = identity::being_told(mark);
                    }
                }
                let tags = &mut network(observed).tags;
                tags.retain(|key, _| identity::masters_of_tag(key).is_none() && key != identity::TELLING);
                tags.insert(identity::masters_tag(masters), identity::TOLD.to_owned());
            }
        }
        Action::DeleteAffinityGroup { .. } => observed.affinity_group = None,
        Action::DeleteKeyPair { name, tag } => {
            if *name == desired.spec.access.key_pair {
                observed.key_pair = None;
            }
            if let Some(tag) = tag {
                network(observed).tags.remove(tag);
            }
        }
        Action::DeleteNetwork { .. } => {
            assert!(observed.machines.is_empty(), "the cloud would refuse");
            let catalogue = std::mem::take(&mut observed.catalogue);
            let (key_pair, affinity_group) = (observed.key_pair.take(), observed.affinity_group.take());
            *observed = Observed { catalogue, key_pair, affinity_group, ..Observed::default() };
        }
    }
}

fn machine(
    observed: &Observed,
    host_name: &str,
    node: &Node,
    (offering, template): (&Named, &Named),
    state: MachineState,
) -> Machine {
    assert!(observed.machine(host_name).is_none(), "a second {host_name}");
    assert!(observed.tag(&identity::host_key_tag(host_name)).is_some(), "{host_name} has no key yet");
    let id = Id::from(format!("id-{host_name}-{}", observed.machines.len()));
    Machine {
        named: Named { id, name: host_name.to_owned() },
        state,
        address: Some(node.address),
        elsewhere: false,
        offering: offering.clone(),
        template: template.clone(),
        affinity_groups: Vec::new(),
        key_pairs: Vec::new(),
        size: Default::default(),
    }
}

fn network(observed: &mut Observed) -> &mut Network {
    observed.network.as_mut().expect("a network")
}

/// An egress rule nobody asked for.
pub(super) fn foreign_egress_rule() -> EgressRule {
    EgressRule { id: Id::from("theirs"), everything: false, text: "udp from 172.16.0.0/24".to_owned() }
}

/// How many wanted machines there are of a role.
pub(super) fn count(observed: &Observed, desired: &Desired, role: Role) -> usize {
    let wanted = desired.machines.iter().filter(|machine| machine.node.role == role);
    wanted.filter(|machine| observed.machine(&machine.host_name).is_some()).count()
}
