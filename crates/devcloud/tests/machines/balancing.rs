//! A load balancer alternates between its members and drops those that are dead, takes whom it is for, and keeps clients to
//! their members.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use devcloud::driver::{Algorithm, Balancer, Driver, Machine, Network, Stickiness, Stop};
use uuid::Uuid;

use crate::rehearsal::{Keys, Outside, Zone, add_machine, ask, network, open, page, start};

/// A network with two machines, `one` and `two`, which are not started yet.
struct Ground {
    keys: Keys,
    public: Ipv4Addr,
    net: Network,
    members: [Machine; 2],
}

impl Ground {
    async fn of(zone: &Zone, number: u128) -> Self {
        let (keys, public) = (Keys::generate(), zone.public(10));
        zone.driver.recover(&[], &[]).await.expect("an empty zone");
        let mut net = network(number, public);
        let members = [(20, 1222, "one"), (21, 1223, "two")]
            .map(|(last, port, name)| add_machine(&mut net, last, port, name, &keys, &zone.base.layers));
        Self { keys, public, net, members }
    }
}

/// A rule that leads 5050 to the two machines in turn.
fn balancer(public: Ipv4Addr) -> Balancer {
    Balancer {
        id: Uuid::from_u128(20),
        address: public,
        public_port: 5050,
        private_port: 15050,
        algorithm: Algorithm::RoundRobin,
        stickiness: None,
        sources: Vec::new(),
        proxy_protocol: false,
        members: vec![Ipv4Addr::new(172, 16, 0, 20), Ipv4Addr::new(172, 16, 0, 21)],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_alternates_and_drops_a_dead_member() {
    let Some(zone) = Zone::raise("t-balancer", 15) else { return };
    let Ground { keys, public, mut net, members: [one, two] } = Ground::of(&zone, 7).await;
    net.balancers.push(balancer(public));
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

/// Serves the machine's name over HTTP at 15050, setting a cookie of its own; and at 15051 the first line of what each caller
/// says, to that caller.
const MEMBER: &str = r#"import http.server, socket, socketserver, threading
name = socket.gethostname().encode()
class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Set-Cookie", "own=" + name.decode())
        self.end_headers()
        self.wfile.write(name)
class First(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
first = Server(("", 15051), First)
threading.Thread(target=first.serve_forever).start()
http.server.ThreadingHTTPServer(("", 15050), Web).serve_forever()
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_takes_whom_it_is_for_keeps_clients_to_their_members_and_says_whose_connection_it_is() {
    let Some(zone) = Zone::raise("t-sticky", 19) else { return };
    let Ground { keys, public, mut net, members } = Ground::of(&zone, 8).await;
    let plain = balancer(public);
    let numbered = |number: u16, change: &dyn Fn(&mut Balancer)| {
        let id = Uuid::from_u128(20 + u128::from(number));
        let mut balancer = Balancer { id, public_port: 5050 + number, ..plain.clone() };
        change(&mut balancer);
        balancer
    };
    let outside_only = format!("{}/32", zone.public(200)).parse().expect("a range");
    net.balancers = vec![
        plain.clone(),
        numbered(1, &|balancer| balancer.sources = vec![outside_only]),
        numbered(2, &|balancer| (balancer.private_port, balancer.proxy_protocol) = (15051, true)),
        numbered(3, &|balancer| balancer.stickiness = Some(Stickiness::Source)),
        numbered(4, &|balancer| {
            balancer.stickiness = Some(Stickiness::BalancerCookie("kept".parse().expect("a name")));
        }),
        numbered(5, &|balancer| {
            balancer.stickiness = Some(Stickiness::MemberCookie("own".parse().expect("a name")));
        }),
    ];
    net.ingress.push(open(public, 5050, 5055, "0.0.0.0/0"));
    start(&zone, &net, &members).await;
    for port in [1222, 1223] {
        keys.wait_for(public, port);
        let serve = format!(
            "sudo sh -c 'cat > /srv/member.py <<\"END\"\n{MEMBER}END\nsystemd-run --quiet --unit=web python3 \
             /srv/member.py'"
        );
        keys.ssh(public, port, &serve).expect("a web server");
    }
    let outside = Outside::raise(&zone, 200, 7000);
    let names = |port: u16| -> BTreeSet<_> { (0..6).filter_map(|_| page(public, port)).collect() };
    let both = BTreeSet::from(["one".to_owned(), "two".to_owned()]);
    wait_for("both members answer", || names(5050) == both);

    // Whom it is for.
    assert_eq!(page(public, 5051), None, "the host is not whom it is for");
    let said = outside.ask(public, 5051, "GET / HTTP/1.0\r\n\r\n");
    assert!(said.as_ref().is_some_and(|said| said.contains("200 OK")), "{said:?}");

    // Whose connection it is.
    let host = zone.public(1);
    wait_for("a member is told", || {
        ask(public, 5052, "hello\n").is_some_and(|said| {
            said.starts_with(&format!("PROXY TCP4 {host} {public} ")) && said.trim_end().ends_with(" 5052")
        })
    });
    let said = outside.ask(public, 5052, "hello\n").unwrap_or_default();
    assert!(said.starts_with(&format!("PROXY TCP4 {} {public} ", outside.address)), "{said}");

    // A client stays with its member: by its address, by the balancer's cookie, by the members' own.
    wait_for("there is a member", || page(public, 5053).is_some());
    assert_eq!(names(5053).len(), 1, "one address, one member");
    let with = |port: u16, cookie: &str| {
        ask(public, port, &format!("GET / HTTP/1.0\r\nCookie: {cookie}\r\n\r\n")).unwrap_or_default()
    };
    let name =
        |said: &str| said.split_once("\r\n\r\n").map(|(_, body)| body.trim().to_owned()).unwrap_or_default();
    for (port, cookie) in [(5054, "kept="), (5055, "own=")] {
        wait_for("both members answer whom they do not know", || names(port) == both);
        let first = with(port, "other=1");
        let set = first.lines().filter_map(|line| {
            let (header, value) = line.split_once(": ")?;
            header
                .eq_ignore_ascii_case("set-cookie")
                .then(|| value.split(';').next().unwrap_or_default().to_owned())
        });
        let set = set
            .into_iter()
            .find(|set| set.starts_with(cookie))
            .unwrap_or_else(|| panic!("no {cookie}: {first}"));
        let met: BTreeSet<_> = (0..6).map(|_| name(&with(port, &set))).collect();
        assert_eq!(met, BTreeSet::from([name(&first)]), "{set}");
    }
    drop(outside);
    zone.down();
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within 30 s");
        std::thread::sleep(Duration::from_millis(100));
    }
}
