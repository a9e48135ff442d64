//! Whatever is written in the file: nothing panics, problems lie within it, and what is accepted is sound.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// What every accepted specification promises its users.
fn assert_sound(spec: &Spec) -> Result<(), TestCaseError> {
    let nodes = spec.masters().into_iter().chain(spec.agents()).collect::<Vec<_>>();
    let range = spec.network.range;
    let router = Ipv4Addr::from(u32::from(range.network()) + 1);
    for node in &nodes {
        prop_assert!(range.contains(&node.address));
        prop_assert!(![range.network(), range.broadcast(), router].contains(&node.address));
        prop_assert!(spec.cluster.name.len() + 1 + node.name().len() <= 63);
    }
    let addresses = nodes.iter().map(|node| node.address).collect::<BTreeSet<_>>();
    prop_assert_eq!(addresses.len(), nodes.len());
    let ports = nodes.iter().filter_map(|node| node.ssh_port).chain([MESOS, MARATHON]).collect::<Vec<_>>();
    let forwarded = match spec.access.agents {
        AgentAccess::Forward => nodes.len(),
        AgentAccess::Bastion => usize::from(spec.cluster.masters),
    };
    prop_assert_eq!(ports.len(), forwarded + 2);
    prop_assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len());
    prop_assert!(spec.cluster.masters >= 1);
    prop_assert!(2 * spec.quorum() > spec.cluster.masters && spec.quorum() <= spec.cluster.masters);
    prop_assert!(!spec.access.allow.is_empty());
    Ok(())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_text_that_looks_like_a_file_makes_it_panic(
        lines in prop::collection::vec(
            "(\\[(cloud|access|network|image|cluster|x)\\]|(zone|allow|range|masters|agents|packages|ini|name|debs|first_master) = (\"[a-z0-9./]{0,12}\"|-?[0-9]{1,12}|\\[\"?[0-9.]{0,9}\"?\\]|\\{ debs = \\[(\"a\"|1|\\{ url = 1 \\}|\\{ apt = \"deb\" \\})\\] \\}|true|1\\.5))",
            0..12,
        ),
    ) {
        if let Ok(document) = parse(&lines.join("\n")) {
            assert_sound(&document.spec)?;
        }
    }

    #[test]
    fn what_is_accepted_is_sound(
        name_length in 1usize..64, prefix in 20u8..31, masters in 0u32..12, agents in 0u32..300,
        first_master in 0u32..60, first_agent in 0u32..300, master_port in 0u32..65600, agent_port in 0u32..65600,
    ) {
        let text = with(&[
            &format!("cluster: name = \"{}\"", "c".repeat(name_length)),
            &format!("network: range = \"10.0.0.0/{prefix}\""),
            &format!("cluster: masters = {masters}"),
            &format!("cluster: agents = {agents}"),
            &format!("cluster: first_master = {first_master}"),
            &format!("cluster: first_agent = {first_agent}"),
            &format!("access: first_master_port = {master_port}"),
            &format!("access: first_agent_port = {agent_port}"),
        ]);
        if let Ok(document) = parse(&text) {
            assert_sound(&document.spec)?;
        }
    }

    #[test]
    fn every_problem_lies_within_the_file(agents in 0u32..70000, masters in 0u32..300, first in 0u32..70000) {
        let text = with(&[
            &format!("cluster: agents = {agents}"),
            &format!("cluster: masters = {masters}"),
            &format!("access: first_agent_port = {first}"),
        ]);
        if let Err(error) = parse(&text) {
            prop_assert!(!error.problems().is_empty());
            for problem in error.problems() {
                prop_assert!(problem.span.offset() + problem.span.len() <= text.len());
            }
        }
    }
}
