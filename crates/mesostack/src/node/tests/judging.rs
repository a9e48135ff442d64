//! What a cluster's answers mean.

use mesos::{
    Address, Ping, RegisteredAgent,
    zookeeper::{Mode, Monitor},
};

use super::{
    super::status::{Answers, NoAnswer, Standing, Status, ZooKeeperRole, judge},
    spec,
};
use crate::spec::{Node, Spec};

fn monitor(mode: Mode, synced_followers: Option<u32>) -> Monitor {
    Monitor { mode, version: None, synced_followers, quorum_size: None, connections: None }
}

fn agent(node: &Node) -> RegisteredAgent {
    RegisteredAgent {
        id: format!("S{}", node.number),
        hostname: format!("mesos-{}", node.name()),
        address: Some(Address::new(node.address.to_string(), 5051)),
        active: true,
        deactivated: false,
        version: "1.11.0".to_owned(),
    }
}

/// The second master leads everything.
fn well(spec: &Spec) -> Vec<Answers> {
    spec.masters()
        .into_iter()
        .map(|node| {
            let leads = node.number == 2;
            Answers {
                zookeeper: Ok(if leads {
                    monitor(Mode::Leader, Some(2))
                } else {
                    monitor(Mode::Follower, None)
                }),
                master: Ok(Standing { elected: leads, recovered: true }),
                agents: leads.then(|| spec.agents().iter().map(agent).collect()),
                marathon: Ok(if leads { Ping::Leading } else { Ping::Proxied { via: "x".to_owned() } }),
                node,
            }
        })
        .collect()
}

fn only_problem(status: &Status) -> &str {
    assert!(!status.healthy);
    assert_eq!(status.problems.len(), 1, "{:?}", status.problems);
    &status.problems[0]
}

#[test]
fn a_cluster_where_all_is_well_is_healthy() {
    let spec = spec(3, 2);
    let status = judge(&spec.agents(), &well(&spec));
    assert_eq!(status.problems, Vec::<String>::new());
    assert!(status.healthy);
    assert_eq!(status.leading_master.as_deref(), Some("master-2"));
    assert_eq!(status.leading_marathon.as_deref(), Some("master-2"));
    assert!(status.agents.iter().all(|agent| agent.registered && agent.active));
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!(json["zookeeper"][1]["role"], "leader");
}

#[test]
fn a_lost_master_is_a_problem_though_the_rest_goes_on() {
    let spec = spec(3, 2);
    let mut answers = well(&spec);
    answers[0].zookeeper = Err(NoAnswer::NotAsked("no route".to_owned()));
    answers[0].master = Err("no route".to_owned());
    answers[0].marathon = Err("no route".to_owned());
    answers[1].zookeeper = Ok(monitor(Mode::Leader, Some(1)));
    let status = judge(&spec.agents(), &answers);
    assert!(!status.healthy);
    assert_eq!(status.zookeeper[0].role, ZooKeeperRole::Unreachable);
    assert!(!status.masters[0].answers && !status.marathon[0].answers);
    assert_eq!(status.leading_master.as_deref(), Some("master-2"));
    assert_eq!(status.problems.len(), 4, "{:?}", status.problems);
}

#[test]
fn a_master_that_answers_has_no_vote_before_it_has_caught_up() {
    let spec = spec(3, 2);
    let mut answers = well(&spec);
    answers[0].master = Ok(Standing { elected: false, recovered: false });
    answers[2].zookeeper = Err(NoAnswer::Down("refused".to_owned()));
    let status = judge(&spec.agents(), &answers);
    assert!(status.masters[0].answers && !status.masters[0].recovered);
    assert_eq!(status.zookeeper[2].role, ZooKeeperRole::Down);
    assert_eq!(
        status.problems,
        [
            "ZooKeeper of master-3 does not run: refused",
            "the registry on master-1 has not caught up with the others",
        ]
    );
    assert!(status.survives_without("master-3").is_err());
}

#[test]
fn a_missing_agent_is_named_and_a_strange_one_too() {
    let spec = spec(3, 2);
    let mut answers = well(&spec);
    let stranger = Node { address: [172, 16, 9, 9].into(), ..spec.agents()[1].clone() };
    answers[1].agents = Some(vec![agent(&spec.agents()[0]), agent(&stranger)]);
    let status = judge(&spec.agents(), &answers);
    assert_eq!(only_problem(&status), "agent-2 is not registered");
    assert_eq!(status.unexpected_agents, ["mesos-agent-2"]);
}

#[test]
fn a_disconnected_or_deactivated_agent_is_a_problem() {
    let spec = spec(3, 1);
    let mut answers = well(&spec);
    let mut gone = agent(&spec.agents()[0]);
    gone.active = false;
    answers[1].agents = Some(vec![gone.clone()]);
    assert_eq!(only_problem(&judge(&spec.agents(), &answers)), "agent-1 is registered but disconnected");
    gone.deactivated = true;
    answers[1].agents = Some(vec![gone]);
    assert_eq!(only_problem(&judge(&spec.agents(), &answers)), "agent-1 is deactivated");
}

#[test]
fn a_cluster_without_a_leader_says_what_cannot_be_known() {
    let spec = spec(3, 2);
    let mut answers = well(&spec);
    answers[1].master = Ok(Standing { elected: false, recovered: true });
    answers[1].agents = None;
    let status = judge(&spec.agents(), &answers);
    assert_eq!(status.leading_master, None);
    assert_eq!(
        status.problems,
        ["no Mesos master leads", "no leading master tells which agents are registered"]
    );
}

#[test]
fn two_that_say_they_lead_are_no_leader() {
    let spec = spec(3, 1);
    let mut answers = well(&spec);
    answers[0].master = Ok(Standing { elected: true, recovered: true });
    let status = judge(&spec.agents(), &answers);
    assert_eq!(only_problem(&status), "more than one Mesos master says that it leads: master-1, master-2");
}

#[test]
fn a_server_outside_the_ensemble_or_behind_is_a_problem() {
    let spec = spec(3, 1);
    let mut answers = well(&spec);
    answers[0].zookeeper = Ok(monitor(Mode::Standalone, None));
    assert_eq!(
        only_problem(&judge(&spec.agents(), &answers)),
        "ZooKeeper of master-1 is on its own, not in the ensemble"
    );
    answers[0].zookeeper = Ok(monitor(Mode::NotServing, None));
    assert_eq!(only_problem(&judge(&spec.agents(), &answers)), "ZooKeeper of master-1 has no quorum");
    answers[0].zookeeper = Ok(monitor(Mode::Follower, None));
    answers[1].zookeeper = Ok(monitor(Mode::Leader, Some(1)));
    assert_eq!(
        only_problem(&judge(&spec.agents(), &answers)),
        "only 1 of 2 ZooKeeper followers are in step with master-2"
    );
}

#[test]
fn a_cluster_of_one_master_is_healthy_on_its_own() {
    let spec = spec(1, 1);
    let mut answers = well(&spec);
    answers[0].zookeeper = Ok(monitor(Mode::Standalone, None));
    answers[0].master = Ok(Standing { elected: true, recovered: true });
    answers[0].agents = Some(vec![agent(&spec.agents()[0])]);
    answers[0].marathon = Ok(Ping::Leading);
    assert!(judge(&spec.agents(), &answers).healthy);
}
