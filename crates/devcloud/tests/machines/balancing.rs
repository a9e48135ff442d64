//! A load balancer alternates between its members and drops those that are dead.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use devcloud::driver::{Algorithm, Balancer, Driver, Stop};
use uuid::Uuid;

use crate::rehearsal::{Keys, Zone, add_machine, network, open, page, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_alternates_and_drops_a_dead_member() {
    let Some(zone) = Zone::raise("t-balancer", 15) else { return };
    let (keys, public) = (Keys::generate(), zone.public(10));
    zone.driver.recover(&[], &[]).await.expect("an empty zone");
    let mut net = network(7, public);
    let one = add_machine(&mut net, 20, 1222, "one", &keys, &zone.base.layers);
    let two = add_machine(&mut net, 21, 1223, "two", &keys, &zone.base.layers);
    net.balancers.push(Balancer {
        id: Uuid::from_u128(9),
        address: public,
        public_port: 5050,
        private_port: 15050,
        algorithm: Algorithm::RoundRobin,
        stickiness: None,
        sources: Vec::new(),
        proxy_protocol: false,
        members: vec![Ipv4Addr::new(172, 16, 0, 20), Ipv4Addr::new(172, 16, 0, 21)],
    });
    net.ingress.push(open(public, 5050, 5050, "0.0.0.0/0"));
    start(&zone, &net, &[one, two.clone()]).await;
    for port in [1222, 1223] {
        keys.wait_for(public, port);
        let serve = "sudo sh -c 'hostname > /srv/name; \
                     systemd-run --quiet --unit=web python3 -m http.server --directory /srv 15050'";
        keys.ssh(public, port, serve).expect("a web server");
    }
    let names = |rounds: usize| -> BTreeSet<_> { (0..rounds).filter_map(|_| page(public, 5050)).collect() };
    let both = BTreeSet::from(["one".to_owned(), "two".to_owned()]);
    wait_for("both members answer", || names(4) == both);

    zone.driver.stop_machine(two.id, Stop::Forced).await.expect("stopped");
    let died = Instant::now();
    wait_for("the dead member is dropped", || (0..6).all(|_| page(public, 5050).as_deref() == Some("one")));
    println!("a dead member was dropped after {:?}", died.elapsed());

    // Another rule does not disturb this one.
    net.balancers.push(Balancer { id: Uuid::from_u128(10), public_port: 8080, ..net.balancers[0].clone() });
    net.ingress.push(open(public, 8080, 8080, "0.0.0.0/0"));
    zone.driver.program_network(&net).await.expect("programmed");
    assert_eq!(page(public, 5050).as_deref(), Some("one"));
    wait_for("the new rule serves", || page(public, 8080).as_deref() == Some("one"));
    net.balancers.clear();
    zone.driver.program_network(&net).await.expect("programmed");
    assert_eq!(page(public, 5050), None);
    zone.down();
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within 30 s");
        std::thread::sleep(Duration::from_millis(100));
    }
}
