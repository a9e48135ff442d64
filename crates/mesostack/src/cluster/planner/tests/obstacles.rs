//! What has to be put right first.

use super::*;

#[test]
fn what_is_in_the_way_is_told_before_anything_is_done() {
    let desired = desired(1, 1);
    let fresh = empty(&desired);
    let with = |change: &dyn Fn(&mut Observed)| {
        let mut observed = whole(&desired);
        change(&mut observed);
        plan(&desired, &observed)
    };
    blocked(
        &plan(&desired, &Observed { namesakes: vec![Id::from("n")], ..fresh.clone() }),
        "not this cluster's",
    );
    blocked(&plan(&desired, &Observed { key_pair: Some("cc:dd".to_owned()), ..fresh.clone() }), "is not");
    blocked(
        &with(&|observed| network(observed).range = "10.0.0.0/24".parse().ok()),
        "has the range 10.0.0.0/24",
    );
    blocked(&with(&|observed| network(observed).named = named("other")), "is in the network other");
    blocked(
        &with(&|observed| observed.forwards[0].machine = Id::from("x")),
        "public port 1222 leads elsewhere",
    );
    blocked(&with(&|observed| observed.balancers[0].private_port = 1), "public port 5050 leads elsewhere");
    blocked(
        &with(&|observed| observed.machines[0].address = "172.16.0.7".parse().ok()),
        "mesos-master-1 has the address 172.16.0.7",
    );
    blocked(&with(&|observed| observed.machines[1].state = MachineState::Going), "is being destroyed");
    let group = AffinityGroup { id: Id::from("g"), ours: false };
    blocked(&plan(&desired, &Observed { affinity_group: Some(group), ..fresh.clone() }), "affinity group");
    let keyless = crate::cluster::Desired { key: None, ..desired.clone() };
    blocked(&plan(&keyless, &Observed { key_pair: Some("cc:dd".to_owned()), ..fresh }), "does not");
}

#[test]
fn what_the_zone_lacks_matters_only_when_something_is_made_of_it() {
    let desired = desired(1, 1);
    let lacking = |mut observed: Observed| {
        observed.catalogue.template = None;
        observed.catalogue.absent.push(Obstacle::new("image.name", "there is no image called mesos"));
        plan(&desired, &observed)
    };
    assert!(lacking(whole(&desired)).is_empty());
    blocked(&lacking(empty(&desired)), "no image called mesos");
}
