//! What holds for any cluster, whatever interrupts its runs.

use super::*;

proptest! {
    #[test]
    fn any_plan_cut_to_the_infrastructure_refers_to_what_is_before_it(
        agents in 0u16..5, more in 0u16..4, prune in any::<bool>(), lost in prop::collection::vec(any::<bool>(), 8),
        theirs in prop::collection::vec(any::<bool>(), 4),
    ) {
        let mut observed = whole(&desired(1, agents));
        let mut lost = lost.into_iter();
        observed.machines.retain(|_| !lost.next().unwrap_or(false));
        let there = observed.clone();
        let theirs = |kind: usize| theirs[kind];
        if let (true, Some(machine)) = (theirs(0), there.machines.first()) {
            observed.machines.push(Machine { named: named("jumphost"), address: None, ..machine.clone() });
        }
        if theirs(1) {
            observed.egress.push(foreign_egress_rule());
        }
        if theirs(2) {
            let address = "198.18.0.11".parse().expect("an address");
            observed.addresses.push(Address { id: Id::from("a"), address, source_nat: false });
        }
        if theirs(3) {
            let everything = Opening::new(1, 65_535, ["0.0.0.0/0".parse().expect("a range")]);
            let text = everything.to_string();
            observed.firewall = vec![FirewallRule { id: Id::from("w"), opening: Some(everything), text }];
        }
        let wanted = desired(1, more).asking(Changes { prune, ..Changes::default() });
        let whole = plan(&wanted, &observed);
        for plan in [whole.clone().only_infrastructure(), whole] {
            for (at, step) in plan.steps.iter().enumerate() {
                prop_assert!(step.after.iter().chain(&step.once_over).all(|before| *before < at), "{}", plan);
            }
        }
    }

    #[test]
    fn interrupted_anywhere_and_planned_again_it_ends_in_the_same_cluster(
        masters in 1u16..5, agents in 0u16..5,
        interruptions in prop::collection::vec(prop::collection::vec(any::<bool>(), 60), 0..4),
    ) {
        let desired = desired(masters, agents);
        let mut observed = empty(&desired);
        for done in &interruptions {
            let next = plan(&desired, &observed);
            prop_assert!(next.obstacles.is_empty(), "{}", next);
            carry_out_some(&desired, &mut observed, &next, |at| done.get(at).copied().unwrap_or(false));
        }
        let last = plan(&desired, &observed);
        prop_assert!(last.obstacles.is_empty(), "{}", last);
        carry_out_all(&desired, &mut observed, &last);
        let after = plan(&desired, &observed);
        prop_assert!(after.is_empty() && after.drift.is_empty(), "{}", after);
        prop_assert_eq!(count(&observed, &desired, Role::Master), usize::from(masters));
        prop_assert_eq!(observed.forwards.len(), usize::from(masters + agents));
        prop_assert!(observed.balancers.iter().all(|rule| rule.members.len() == usize::from(masters)));
    }

    #[test]
    fn agents_go_behind_the_masters_and_back_whatever_interrupts_it(
        masters in 1u16..4, agents in 0u16..6, more in 0u16..3, there in any::<bool>(),
        interruptions in prop::collection::vec(prop::collection::vec(any::<bool>(), 30), 0..4),
    ) {
        let (from, to) = if there { (AgentAccess::Forward, Bastion) } else { (Bastion, AgentAccess::Forward) };
        let mut observed = whole(&reached(from, masters, agents));
        let before = observed.clone();
        let wanted = reached(to, masters, agents + more);
        for done in &interruptions {
            let next = plan(&wanted, &observed);
            prop_assert!(next.obstacles.is_empty() && next.drift.is_empty(), "{}", next);
            for (sign, line) in next.lines() {
                let rule = line.starts_with("firewall rule") || line.starts_with("port forwarding rule");
                let expected = if rule && there { Sign::Remove } else { Sign::Add };
                // What a step before has begun may be left to do: starting a machine, setting a node up.
                prop_assert!(sign == expected || sign == Sign::Change, "{}", next);
            }
            carry_out_some(&wanted, &mut observed, &next, |at| done.get(at).copied().unwrap_or(false));
        }
        let last = plan(&wanted, &observed);
        carry_out_all(&wanted, &mut observed, &last);
        let after = plan(&wanted, &observed);
        prop_assert!(after.is_empty() && after.drift.is_empty(), "{}", after);
        let ports = if there { masters } else { masters + agents + more };
        prop_assert_eq!(observed.forwards.len(), usize::from(ports));
        for machine in &before.machines {
            prop_assert!(observed.machines.contains(machine), "a machine was touched");
        }
        let open = |port: u16| observed.firewall.iter().any(|rule| {
            rule.opening.as_ref().is_some_and(|opening| opening.first <= port && port <= opening.last)
        });
        for number in 0..agents + more {
            prop_assert_eq!(open(2222 + number), !there);
        }
        prop_assert!(open(1222) && open(5050) && open(8080));
    }

    #[test]
    fn any_size_grows_to_any_other_without_touching_what_is_there(
        masters in 1u16..4, agents in 0u16..6, more in 1u16..6,
    ) {
        let observed = whole(&desired(masters, agents));
        let next = plan(&desired(masters, agents + more), &observed);
        prop_assert!(next.obstacles.is_empty());
        prop_assert!(next.lines().iter().all(|(sign, _)| *sign == Sign::Add), "{}", next);
        let machines = next.steps.iter().filter(|step| matches!(step.action, Action::Deploy { .. })).count();
        prop_assert_eq!(machines, usize::from(more));
    }

    #[test]
    fn from_any_agents_to_any_number_whatever_interrupts_it_and_nobody_else_is_touched(
        there in prop::collection::btree_set(1u16..9, 0..7), count in 0u16..8, behind in any::<bool>(),
        named in prop::option::of(prop::collection::vec(any::<bool>(), 9)),
        interruptions in prop::collection::vec(prop::collection::vec(any::<bool>(), 40), 0..4),
    ) {
        let by = if behind { Bastion } else { AgentAccess::Forward };
        // A cluster with any agents: those of a larger one, less the others.
        let most = there.last().copied().unwrap_or(0);
        let others = (1..=most).filter(|number| !there.contains(number));
        let agent = |number| NodeName { role: Role::Agent, number };
        let first = reached(by, 2, most);
        let mut observed = whole(&first);
        let fewer = reached(by, 2, u16::try_from(there.len()).expect("few"));
        let fewer = fewer.asking(Changes { remove: others.map(agent).collect(), ..Changes::default() });
        let thinning = plan(&fewer, &observed);
        prop_assert!(thinning.obstacles.is_empty(), "{}", thinning);
        carry_out_all(&fewer, &mut observed, &thinning);

        // Where some are named, as many as are named go.
        let remove = named.iter().flatten().zip(1u16..).filter(|(goes, _)| **goes).map(|(_, number)| number);
        let remove = remove.filter(|number| there.contains(number)).collect::<std::collections::BTreeSet<_>>();
        let count = if remove.is_empty() { usize::from(count) } else { there.len() - remove.len() };
        let expected = if remove.is_empty() {
            let kept = there.iter().copied().take(count).collect::<std::collections::BTreeSet<_>>();
            let new = (1..).filter(|number| !there.contains(number)).take(count - kept.len());
            kept.iter().copied().chain(new).collect()
        } else {
            &there - &remove
        };
        let wanted = reached(by, 2, u16::try_from(count).expect("few"));
        let wanted = wanted.asking(Changes { remove: remove.into_iter().map(agent).collect(), ..Changes::default() });
        let before = observed.clone();
        for done in &interruptions {
            let next = plan(&wanted, &observed);
            prop_assert!(next.obstacles.is_empty() && next.drift.is_empty(), "{}", next);
            carry_out_some(&wanted, &mut observed, &next, |at| done.get(at).copied().unwrap_or(false));
        }
        let last = plan(&wanted, &observed);
        prop_assert!(last.obstacles.is_empty() && last.drift.is_empty(), "{}", last);
        carry_out_all(&wanted, &mut observed, &last);
        let after = plan(&wanted, &observed);
        prop_assert!(after.is_empty() && after.drift.is_empty(), "{}", after);
        let numbers = observed.machines.iter().filter_map(|machine| {
            identity::node_of("mesos", &machine.named.name).filter(|node| node.role == Role::Agent)
        });
        prop_assert_eq!(numbers.map(|node| node.number).collect::<std::collections::BTreeSet<_>>(), expected.clone());
        for machine in &before.machines {
            let node = identity::node_of("mesos", &machine.named.name).expect("ours");
            let stays = node.role == Role::Master || expected.contains(&node.number);
            prop_assert_eq!(observed.machines.contains(machine), stays, "{}", machine.named.name);
        }
        let forwards = if behind { 2 } else { 2 + count };
        prop_assert_eq!(observed.forwards.len(), forwards);
        let open = |port: u16| observed.firewall.iter().any(|rule| {
            rule.opening.as_ref().is_some_and(|opening| opening.first <= port && port <= opening.last)
        });
        let last = expected.last().copied().filter(|_| !behind).unwrap_or(0);
        for number in 1u16..12 {
            prop_assert_eq!(open(2221 + number), number <= last, "agent {}", number);
        }
        let tags = observed.network.iter().flat_map(|network| network.tags.keys());
        let tagged = tags.filter_map(|key| identity::node_of_tag("mesos", key));
        prop_assert!(tagged.filter(|node| node.role == Role::Agent).all(|node| expected.contains(&node.number)));
    }

    #[test]
    fn a_step_waits_only_for_earlier_ones(masters in 1u16..5, agents in 0u16..5) {
        let desired = desired(masters, agents);
        for plan in [plan(&desired, &empty(&desired)), crate::cluster::plan_destruction(&desired, &whole(&desired))] {
            for (at, step) in plan.steps.iter().enumerate() {
                prop_assert!(step.after.iter().chain(&step.once_over).all(|before| *before < at));
            }
            let names = plan.steps.iter().map(|step| step.action.name()).collect::<std::collections::BTreeSet<_>>();
            prop_assert_eq!(names.len(), plan.steps.len(), "events need distinct names");
        }
    }
}
