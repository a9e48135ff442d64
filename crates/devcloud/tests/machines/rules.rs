//! Rules decide what passes: in, out, between networks, and round by the public address.

use std::net::Ipv4Addr;

use devcloud::driver::{Driver, EgressDefault, EgressRule, Forward, Ports, Protocol};

use crate::rehearsal::{Keys, Outside, Zone, add_machine, answers, forward, network, open, start};

/// Asks from within a machine who it is seen as; bash's own sockets need no program.
fn seen_as(address: Ipv4Addr, port: u16) -> String {
    format!("timeout 3 bash -c 'cat < /dev/tcp/{address}/{port}' 2>/dev/null || echo unreachable")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_rule_lets_through_passes() {
    let Some(zone) = Zone::raise("t-rules", 14) else { return };
    let (keys, public, other_public) = (Keys::generate(), zone.public(10), zone.public(11));
    zone.driver.recover(&[], &[]).await.expect("an empty zone");
    let mut net = network(5, public);
    let first = add_machine(&mut net, 20, 1222, "first", &keys, &zone.base.layers);
    let second = add_machine(&mut net, 21, 1223, "second", &keys, &zone.base.layers);
    // A forward without a firewall rule, and one whose firewall rule is for others.
    let guest = Ipv4Addr::new(172, 16, 0, 20);
    net.forwards.push(forward(public, 3000, guest, 22));
    net.forwards.push(forward(public, 3001, guest, 22));
    net.ingress.push(open(public, 3001, 3001, "198.51.100.0/24"));
    let mut other = network(6, other_public);
    let stranger = add_machine(&mut other, 20, 1222, "stranger", &keys, &zone.base.layers);
    start(&zone, &net, &[first, second]).await;
    start(&zone, &other, &[stranger]).await;
    let outside = Outside::raise(&zone, 200, 7000);
    for (address, port) in [(public, 1222), (public, 1223), (other_public, 1222)] {
        keys.wait_for(address, port);
    }
    let first =
        |command: &str| keys.ssh(public, 1222, command).unwrap_or_else(|error| panic!("{command}: {error}"));
    let stranger = |command: &str| {
        keys.ssh(other_public, 1222, command).unwrap_or_else(|error| panic!("{command}: {error}"))
    };

    // In.
    assert!(answers(public, 1222), "an open port answers");
    assert!(!answers(public, 3000), "a forward alone opens nothing");
    assert!(!answers(public, 3001), "a firewall rule for others opens nothing");
    assert!(!answers(public, 22), "the router itself answers nothing");
    assert!(!answers(public, 80), "the metadata service is for guests");
    assert!(!answers(public, 53), "names are for guests");

    // Out: denied by default, then for one port, then for all.
    assert_eq!(first(&seen_as(outside.address, 7000)), "unreachable");
    let rule = |protocol, ports| EgressRule {
        protocol,
        ports,
        icmp: None,
        sources: Vec::new(),
        destinations: Vec::new(),
    };
    net.egress = vec![rule(Protocol::Tcp, Some(Ports { first: 7001, last: 7002 }))];
    zone.driver.program_network(&net).await.expect("programmed");
    assert_eq!(first(&seen_as(outside.address, 7000)), "unreachable", "another port than the rule's");
    net.egress = vec![rule(Protocol::Tcp, Some(Ports { first: 7000, last: 7002 }))];
    zone.driver.program_network(&net).await.expect("programmed");
    assert_eq!(
        first(&seen_as(outside.address, 7000)),
        public.to_string(),
        "seen under the source NAT address"
    );

    // Static NAT changes that, and back.
    net.addresses.push(devcloud::driver::PublicAddress { address: zone.public(12), source_nat: false });
    net.static_nats = vec![(zone.public(12), guest)];
    net.ingress.push(open(zone.public(12), 22, 22, "0.0.0.0/0"));
    zone.driver.program_network(&net).await.expect("programmed");
    assert_eq!(keys.ssh(zone.public(12), 22, "hostname").as_deref(), Ok("first"));
    assert_eq!(first(&seen_as(outside.address, 7000)), zone.public(12).to_string());

    // Between networks: by public address and rule only; same guest range, different networks.
    other.egress = vec![rule(Protocol::All, None)];
    zone.driver.program_network(&other).await.expect("programmed");
    assert!(stranger(&seen_as(public, 1223)).starts_with("SSH-2.0"), "an open forward of another network");
    assert_eq!(stranger(&seen_as(public, 3000)), "unreachable");
    assert_eq!(
        stranger(&seen_as(Ipv4Addr::new(172, 16, 0, 21), 22)),
        "unreachable",
        "another network's guest"
    );
    assert_eq!(stranger(&seen_as(zone.public(1), 22)), "unreachable", "the host itself");

    // Round by the own public address.
    assert!(first(&seen_as(public, 1223)).starts_with("SSH-2.0"), "the own network's forward");
    assert!(first(&seen_as(public, 1222)).starts_with("SSH-2.0"), "a forward to oneself");
    assert_eq!(first(&seen_as(public, 3000)), "unreachable", "no rule opens it, for guests neither");

    // Where egress is allowed, rules deny: by port, by guest, by destination, and ICMP by itself.
    other.egress_default = EgressDefault::Allow;
    // An echo request, each of an id of its own, or it would be let through as part of an earlier conversation. The template
    // has no ping.
    let pinged = format!(
        "sudo python3 -c \"import os, socket, struct; i = os.getpid() & 0x7fff; \
         s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); s.settimeout(2); \
         s.sendto(struct.pack('!HHHH', 0x0800, 0xf7fe - i, i, 1), ('{}', 0)); s.recv(99); print('answered')\" \
         2>/dev/null || echo silence",
        outside.address
    );
    let range = |text: String| text.parse::<ipnet::Ipv4Net>().expect("a range");
    let to = |destination: String| EgressRule {
        destinations: vec![range(destination)],
        ..rule(Protocol::All, None)
    };
    let of = |guest: &str| EgressRule { sources: vec![range(guest.to_owned())], ..rule(Protocol::All, None) };
    let seen = other_public.to_string();
    for (what, denied, reached, ping) in [
        ("no rule", vec![], seen.as_str(), "answered"),
        (
            "its port",
            vec![rule(Protocol::Tcp, Some(Ports { first: 7000, last: 7000 }))],
            "unreachable",
            "answered",
        ),
        (
            "another port",
            vec![rule(Protocol::Tcp, Some(Ports { first: 7001, last: 7001 }))],
            &seen,
            "answered",
        ),
        ("UDP", vec![rule(Protocol::Udp, None)], &seen, "answered"),
        ("ICMP", vec![rule(Protocol::Icmp, None)], &seen, "silence"),
        ("its destination", vec![to(format!("{}/32", outside.address))], "unreachable", "silence"),
        ("another destination", vec![to("192.0.2.0/24".to_owned())], &seen, "answered"),
        ("this guest", vec![of("172.16.0.20/32")], "unreachable", "silence"),
        ("another guest", vec![of("172.16.0.21/32")], &seen, "answered"),
    ] {
        println!("denied is {what}");
        other.egress = denied;
        zone.driver.program_network(&other).await.expect("programmed");
        assert_eq!(stranger(&seen_as(outside.address, 7000)), reached, "denied is {what}");
        assert_eq!(stranger(&pinged), ping, "denied is {what}");
    }

    // A port forwarding rule of some sources is theirs alone, and of two on one port each has its own.
    let sourced = |port: u16, private: u16, source: String| Forward {
        sources: vec![range(source)],
        ..forward(public, port, guest, private)
    };
    net.forwards.push(sourced(3002, 22, format!("{}/32", outside.address)));
    net.forwards.push(sourced(3003, 22, format!("{}/32", outside.address)));
    net.forwards.push(sourced(3003, 9, format!("{}/32", zone.public(1))));
    net.ingress.push(open(public, 3002, 3003, "0.0.0.0/0"));
    zone.driver.program_network(&net).await.expect("programmed");
    for port in [3002, 3003] {
        assert!(!answers(public, port), "the host is not whom {port} is for");
        let said = outside.ask(public, port, "\n").unwrap_or_default();
        assert!(said.starts_with("SSH-2.0"), "{port}: {said:?}");
    }

    // A rule taken away closes the port again.
    net.ingress.retain(|rule| rule.ports != Some(Ports { first: 1223, last: 1223 }));
    zone.driver.program_network(&net).await.expect("programmed");
    assert!(!answers(public, 1223));

    // Guests ask their router for metadata, and are told of themselves.
    assert_eq!(stranger("wget -qO- http://data-server/latest/meta-data/local-hostname"), "stranger");
    assert_eq!(stranger("wget -qO- http://172.16.0.1/latest/meta-data/nothing || echo none"), "none");
    drop(outside);
    zone.down();
}
