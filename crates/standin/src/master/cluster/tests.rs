use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::resources::{Found, Resources};

fn info(host: u8) -> AgentInfo {
    AgentInfo {
        hostname: format!("agent-{host}"),
        ip: format!("10.0.0.{host}"),
        port: 5051,
        version: "1.11.0".into(),
        resources: Resources::read(None, Found { cpus: 2.0, mem: 4096.0, disk: 20_000.0 }).unwrap(),
        attributes: BTreeMap::new(),
    }
}

fn register(cluster: &mut Cluster, id: Option<&str>, host: u8) -> Result<Link, Refused> {
    cluster.register(Registration { id: id.map(str::to_owned), info: info(host) }, 1.0)
}

fn subscription(tasks: &[(&str, &str)]) -> Subscription {
    let task = |(id, agent): &(&str, &str)| Task {
        id: (*id).into(),
        name: (*id).into(),
        agent_id: (*agent).into(),
        cpus: 0.1,
        mem: 32.0,
    };
    Subscription {
        id: Some("f".into()),
        name: "marathon".into(),
        user: "root".into(),
        hostname: "m".into(),
        ip: "10.0.0.1".into(),
        port: 9090,
        webui_url: String::new(),
        failover_timeout: 604_800.0,
        tasks: tasks.iter().map(task).collect(),
    }
}

#[test]
fn an_agent_keeps_its_id_through_a_new_leader() {
    let mut first = Cluster::new("m1".into());
    let id = register(&mut first, None, 21).unwrap().id;
    assert_eq!(id, "m1-S0");
    first.deactivate(&id).unwrap();
    let mut second = Cluster::new("m2".into());
    second.recover(first.registry());
    assert_eq!(second.recovered.len(), 1);
    register(&mut second, Some(&id), 21).unwrap();
    let agent = &second.agents[&id];
    assert!(second.recovered.is_empty() && agent.entry.deactivated && agent.reregistered.is_some());
}

#[test]
fn a_newcomer_at_a_disconnected_agents_address_takes_its_place() {
    let mut cluster = Cluster::new("m".into());
    let old = register(&mut cluster, None, 21).unwrap();
    assert_eq!(register(&mut cluster, None, 21).unwrap().id, old.id, "a repeated registration");
    let link = register(&mut cluster, None, 21).unwrap();
    assert!(cluster.agent_silent(&link));
    let new = register(&mut cluster, None, 21).unwrap();
    assert_eq!((new.id.as_str(), cluster.agents.len()), ("m-S1", 1));
}

#[test]
fn news_of_an_older_hold_changes_nothing() {
    let mut cluster = Cluster::new("m".into());
    let old = register(&mut cluster, None, 21).unwrap();
    let id = old.id.clone();
    let new = register(&mut cluster, Some(&id), 21).unwrap();
    assert!(!cluster.agent_silent(&old) && !cluster.agent_lost(&old, 2.0));
    assert!(cluster.agent_connected(&new));
    assert!(cluster.agent_lost(&new, 2.0));
    assert!(cluster.agents.is_empty() && cluster.unreachable.contains_key(&id));
}

#[test]
fn an_agent_given_up_may_come_back_but_not_one_marked_gone() {
    let mut cluster = Cluster::new("m".into());
    let link = register(&mut cluster, None, 21).unwrap();
    cluster.agent_lost(&link, 2.0);
    register(&mut cluster, Some(&link.id), 21).unwrap();
    assert!(cluster.unreachable.is_empty());
    cluster.mark_gone(&link.id).unwrap();
    cluster.mark_gone(&link.id).unwrap();
    assert_eq!(register(&mut cluster, Some(&link.id), 21), Err(Refused::Gone));
    assert_eq!(cluster.mark_gone("nobody"), Err(Refused::UnknownAgent));
}

#[test]
fn a_draining_agent_takes_no_tasks_and_is_drained_when_it_has_none() {
    let mut cluster = Cluster::new("m".into());
    let id = register(&mut cluster, None, 21).unwrap().id;
    cluster.subscribe(subscription(&[("t1", &id)]), 1.0);
    let drain = Drain { max_grace_seconds: Some(600), mark_gone: false, started: 5.0 };
    cluster.drain(&id, drain).unwrap();
    assert_eq!(cluster.known_agents()[0].standing, AgentStanding::Draining);
    assert!(!cluster.drained(&cluster.agents[&id]));
    assert_eq!(cluster.reactivate(&id), Err(Refused::StillDraining(id.clone())));
    cluster.subscribe(subscription(&[]), 2.0);
    assert!(cluster.drained(&cluster.agents[&id]));
    cluster.reactivate(&id).unwrap();
    assert_eq!(cluster.known_agents()[0].standing, AgentStanding::Open);
    assert_eq!(cluster.reactivate(&id), Err(Refused::NotDeactivated(id)));
}

#[test]
fn drained_with_mark_gone_an_agent_goes_when_it_is_empty() {
    let mut cluster = Cluster::new("m".into());
    let id = register(&mut cluster, None, 21).unwrap().id;
    cluster.subscribe(subscription(&[("t1", &id)]), 1.0);
    cluster.drain(&id, Drain { max_grace_seconds: None, mark_gone: true, started: 5.0 }).unwrap();
    assert!(!cluster.settle_drains());
    cluster.subscribe(subscription(&[]), 2.0);
    assert!(cluster.settle_drains());
    assert!(cluster.agents.is_empty() && cluster.gone.contains(&id));
}

#[derive(Debug, Clone)]
enum Event {
    Register(Option<usize>, u8),
    Silent(usize),
    Lost(usize),
    Gone(usize),
    GiveUp,
    Failover,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (proptest::option::of(0usize..20), 1u8..5).prop_map(|(known, host)| Event::Register(known, host)),
        (0usize..20).prop_map(Event::Silent),
        (0usize..20).prop_map(Event::Lost),
        (0usize..20).prop_map(Event::Gone),
        Just(Event::GiveUp),
        Just(Event::Failover),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_an_agent_is_in_one_place_and_gone_is_for_ever(events in proptest::collection::vec(event(), 0..40)) {
        let mut cluster = Cluster::new("m0".into());
        let mut links: Vec<Link> = Vec::new();
        let mut gone = BTreeSet::new();
        for (time, event) in events.into_iter().enumerate() {
            match event {
                Event::Register(known, host) => {
                    let id = known.and_then(|index| links.get(index)).map(|link| link.id.clone());
                    if let Ok(link) = cluster.register(Registration { id, info: info(host) }, 0.0) {
                        links.push(link);
                    }
                }
                Event::Silent(index) => drop(links.get(index).map(|link| cluster.agent_silent(link))),
                Event::Lost(index) => drop(links.get(index).map(|link| cluster.agent_lost(link, 0.0))),
                Event::Gone(index) => {
                    if let Some(link) = links.get(index) && cluster.mark_gone(&link.id).is_ok() {
                        gone.insert(link.id.clone());
                    }
                }
                Event::GiveUp => drop(cluster.give_up_recovered(0.0)),
                Event::Failover => {
                    let mut next = Cluster::new(format!("m{}", time + 1));
                    next.recover(cluster.registry());
                    cluster = next;
                }
            }
            let mut places: Vec<&String> = cluster.agents.keys().chain(cluster.recovered.keys())
                .chain(cluster.unreachable.keys()).chain(&cluster.gone).collect();
            let all = places.len();
            places.sort();
            places.dedup();
            prop_assert_eq!(places.len(), all);
            prop_assert!(gone.is_subset(&cluster.gone));
        }
    }
}
