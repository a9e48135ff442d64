//! devcloud's own paths beside CloudStack's: the page and what it is made of, the faults, the machines' consoles.

use std::net::SocketAddr;

use devcloud::simulator::Latencies;
use devcloud::{Limits, ZoneConfig};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::kit::{self, World, signed};

/// A zone at a port of this host, until it is dropped.
pub(crate) struct Served {
    pub(crate) world: World,
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub(crate) async fn served() -> Served {
    let config = ZoneConfig { limits: Limits::NONE, ..ZoneConfig::default() };
    let world = kit::world_with(config, Latencies::NONE, Default::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let shutdown = CancellationToken::new();
    tokio::spawn(devcloud::serve(world.zone.clone(), listener, shutdown.clone()));
    Served { world, address, shutdown }
}

/// A reply as it came: status, headers, body. None when the connection broke before one.
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Served {
    /// Sends exactly these headers.
    async fn try_ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<Reply> {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(body);
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.ok()?;
        let (head, body) = reply.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Reply { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        self.try_ask(method, path, headers, body).await.expect("a reply")
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[("Host", "127.0.0.1")], "").await
    }

    async fn with_token(&self, method: &str, path: &str, body: &str) -> Reply {
        let bearer = format!("Bearer {}", self.world.zone.token().expose_secret());
        self.ask(method, path, &[("Host", "localhost:1"), ("Authorization", &bearer)], body).await
    }

    async fn overview(&self) -> Value {
        serde_json::from_str(&self.get("/devcloud/overview").await.body).expect("JSON")
    }

    /// A call as any client makes it.
    async fn call(&self, command: &str) -> Option<u16> {
        let form = signed(&self.world.user().keys, &[("command", command)]);
        let path = format!("/client/api?{form}");
        self.try_ask("GET", &path, &[("Host", "zone.example")], "").await.map(|reply| reply.status)
    }
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere_and_runs_nothing_that_stands_in_it() {
    let served = served().await;
    let page = served.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.head.contains("content-type: text/html"), "{}", page.head);
    assert!(
        page.head.contains("content-security-policy: default-src 'none'; script-src 'self';"),
        "{}",
        page.head
    );
    assert!(page.head.contains("x-frame-options: deny"), "{}", page.head);
    assert!(!page.head.contains("access-control-allow"), "{}", page.head);
    for path in ["/", "/devcloud/page.css", "/devcloud/page.js"] {
        let part = served.get(path).await;
        assert_eq!(part.status, 200, "{path}");
        assert!(!part.body.contains("://"), "{path} names another place");
        assert!(!part.body.contains("innerHTML"), "{path}");
    }
}

#[tokio::test]
async fn the_overview_tells_what_exists_and_no_secret() {
    let served = served().await;
    let user = served.world.user();
    let network = user.network("net <b>").await;
    let address = user.address(&network).await;
    let data = [("userdata", "c2VjcmV0LXVzZXItZGF0YQ=="), ("details[0].word", "secret-detail")];
    let machine = user.deploy(&network, "m-1", &data).await;
    user.run(
        "createPortForwardingRule",
        &[
            ("ipaddressid", address.as_str()),
            ("protocol", "tcp"),
            ("publicport", "2200"),
            ("privateport", "22"),
            ("virtualmachineid", machine.as_str()),
        ],
    )
    .await;
    let overview = served.overview().await;
    let machines = &overview["machines"];
    assert_eq!(machines["total"], json!(1));
    assert_eq!(machines["rows"][0]["name"], json!("m-1"));
    assert_eq!(machines["rows"][0]["state"], json!("Running"));
    assert_eq!(machines["rows"][0]["networks"], json!(["net <b>"]));
    assert_eq!(overview["networks"]["rows"][0]["machines"], json!(1));
    let rules = overview["rules"]["rows"].as_array().expect("rows");
    let forward = rules.iter().find(|rule| rule["kind"] == json!("port forwarding")).expect("a forward");
    assert_eq!(forward["to"], json!("m-1:22"));
    assert!(forward["traffic"].as_str().is_some_and(|text| text.ends_with(":2200")), "{forward}");
    assert_eq!(overview["templates"]["rows"][0]["name"], json!("Debian 12"));
    assert_eq!(overview["jobs"]["rows"][0]["state"], json!("Succeeded"));
    assert!(overview["events"]["total"].as_u64().is_some_and(|total| total > 3));
    let text = overview.to_string();
    for account in ["mesostack", "admin"] {
        let keys = served.world.zone.credentials(account).expect("keys");
        for secret in [&keys.api_key, keys.secret_key.expose_secret(), keys.password.expose_secret()] {
            assert!(!text.contains(secret), "a key of {account} is told");
        }
    }
    assert!(!text.contains(served.world.zone.token().expose_secret()));
    assert!(!text.contains("c2VjcmV0") && !text.contains("secret-detail"));
}

#[tokio::test]
async fn whoever_was_led_here_by_another_site_gets_nothing() {
    let served = served().await;
    let bearer = format!("Bearer {}", served.world.zone.token().expose_secret());
    let token = ("Authorization", bearer.as_str());
    for path in ["/", "/devcloud/overview", "/devcloud/faults", "/devcloud/clock"] {
        let rebound = served.ask("GET", path, &[("Host", "evil.example"), token], "").await;
        assert_eq!(rebound.status, 403, "{path}");
        assert!(!rebound.body.contains("devcloud"), "{path}");
        let foreign = [("Host", "127.0.0.1"), ("Origin", "http://evil.example"), token];
        assert_eq!(served.ask("GET", path, &foreign, "").await.status, 403, "{path}");
    }
    let foreign = [("Host", "127.0.0.1"), ("Sec-Fetch-Site", "cross-site"), token];
    assert_eq!(served.ask("PUT", "/devcloud/faults", &foreign, "seed = 1").await.status, 403);
    assert_eq!(served.ask("POST", "/devcloud/clock", &foreign, "{\"forward\": \"1h\"}").await.status, 403);
}

#[tokio::test]
async fn faults_are_set_while_the_zone_is_served_and_only_with_its_token() {
    let served = served().await;
    assert_eq!(served.call("listZones").await, Some(200));
    let file = "[[call]]\ncommand = \"listZones\"\nat = 2\nfault = \"status\"\nstatus = 502\n";
    for headers in [&[("Host", "127.0.0.1")][..], &[("Host", "127.0.0.1"), ("Authorization", "Bearer x")]] {
        for method in ["GET", "PUT", "DELETE"] {
            assert_eq!(served.ask(method, "/devcloud/faults", headers, file).await.status, 401, "{method}");
        }
    }
    assert_eq!(served.with_token("PUT", "/devcloud/faults", file).await.status, 204);
    assert_eq!(served.with_token("GET", "/devcloud/faults", "").await.body, file);
    assert_eq!(served.overview().await["faults"], json!(true));
    assert_eq!(served.call("listZones").await, Some(200));
    assert_eq!(served.call("listZones").await, Some(502), "the second one");

    // Of a wrong file nothing is taken, and it is told what is wrong with it.
    let wrong = served.with_token("PUT", "/devcloud/faults", "[[call]]\nfault = \"odd\"\n").await;
    assert_eq!(wrong.status, 422);
    let problems: Value = serde_json::from_str(&wrong.body).expect("JSON");
    assert!(problems["problems"][0]["message"].is_string(), "{problems}");
    assert_eq!(served.with_token("GET", "/devcloud/faults", "").await.body, file);

    // Limits and throttles are in force at once, and gone with the file.
    let throttled = "[throttle]\ncalls = 1\nwindow = \"1h\"\n[limits]\nnetworks = 0\n";
    assert_eq!(served.with_token("PUT", "/devcloud/faults", throttled).await.status, 204);
    assert_eq!(served.call("listZones").await, Some(200));
    assert_eq!(served.call("listZones").await, Some(429));
    assert_eq!(served.with_token("DELETE", "/devcloud/faults", "").await.status, 204);
    assert_eq!(served.call("listZones").await, Some(200));
    assert_eq!(served.with_token("GET", "/devcloud/faults", "").await.body, "");
    assert_eq!(served.overview().await["faults"], json!(false));
}

#[tokio::test]
async fn the_clock_is_moved_while_the_zone_is_served_and_only_with_its_token() {
    let served = served().await;
    let user = served.world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    user.run("destroyVirtualMachine", &[("id", &machine)]).await;
    let shown = |reply: &Reply| serde_json::from_str::<Value>(&reply.body).expect("JSON");
    let host = ("Host", "127.0.0.1");
    for headers in [&[host][..], &[host, ("Authorization", "Bearer x")]] {
        for method in ["GET", "POST"] {
            let forward = "{\"forward\": \"25h\"}";
            assert_eq!(served.ask(method, "/devcloud/clock", headers, forward).await.status, 401, "{method}");
        }
    }
    assert_eq!(shown(&served.with_token("GET", "/devcloud/clock", "").await)["ahead_seconds"], json!(0));
    for wrong in
        ["", "{}", "{\"forward\": \"soon\"}", "{\"forward\": \"-1h\"}", "{\"forward\": \"1h\", \"x\": 1}"]
    {
        assert_eq!(served.with_token("POST", "/devcloud/clock", wrong).await.status, 422, "{wrong}");
    }
    let moved = served.with_token("POST", "/devcloud/clock", "{\"forward\": \"25h\"}").await;
    assert_eq!((moved.status, &shown(&moved)["ahead_seconds"]), (200, &json!(90_000)));
    assert_eq!(user.call("listVirtualMachines", &[("listall", "true")]).await, json!({}), "it was due");
    assert_eq!(served.call("listZones").await, Some(200));

    // How long things take to be due is in the file; what it does not name is as usual.
    let file = "[delays]\nexpunge = \"5m\"\nnetwork_gc = \"1m\"\nheartbeat = \"10ms\"\n";
    assert_eq!(served.with_token("PUT", "/devcloud/faults", file).await.status, 204);
    let admin = served.world.admin();
    let setting = |name: &'static str| {
        let admin = admin.clone();
        async move { admin.only("listConfigurations", "configuration", &[("name", name)]).await["value"].clone() }
    };
    assert_eq!(setting("expunge.delay").await, json!("300"));
    assert_eq!(setting("job.expire.minutes").await, json!("1440"));
    served.with_token("POST", "/devcloud/clock", "{\"forward\": \"61s\"}").await;
    assert_eq!(user.network_state(&network).await, "Allocated");
    served.with_token("DELETE", "/devcloud/faults", "").await;
    assert_eq!(setting("expunge.delay").await, json!("86400"));
}

#[tokio::test]
async fn jobs_and_machines_fail_as_a_file_says_that_was_set_meanwhile() {
    let served = served().await;
    let user = served.world.user();
    let network = user.network("n").await;
    let file = "[[job]]\ncommand = \"associateIpAddress\"\nat = 1\nfault = \"fail\"\ncode = 533\ntext = \"No room\"\n\
                [capacity]\nmachines = 0\n";
    assert_eq!(served.with_token("PUT", "/devcloud/faults", file).await.status, 204);
    let (code, text) = user.fails("associateIpAddress", &[("networkid", &network)]).await;
    assert_eq!((code, text.as_str()), (533, "No room"));
    let machine = user.machine(&network, "m").await;
    user.fails("deployVirtualMachine", &kit::borrowed(&machine, &[])).await;
    served.with_token("DELETE", "/devcloud/faults", "").await;
    user.deploy(&network, "m2", &[]).await;
}

#[tokio::test]
async fn a_machine_is_found_by_name_or_id_and_a_simulated_one_has_no_console() {
    let served = served().await;
    let user = served.world.user();
    let network = user.network("n").await;
    let id = user.deploy(&network, "m-1", &[]).await;
    for wanted in ["m-1", id.as_str()] {
        let found = served.with_token("GET", &format!("/devcloud/machines/{wanted}"), "").await;
        let found: Value = serde_json::from_str(&found.body).expect("JSON");
        assert_eq!((&found["id"], &found["state"]), (&json!(id), &json!("Running")));
    }
    let nobody = served.with_token("GET", "/devcloud/machines/m-9", "").await;
    assert_eq!((nobody.status, nobody.body.as_str()), (404, "the zone has no machine m-9; there are m-1\n"));
    let console = served.with_token("GET", "/devcloud/machines/m-1/console", "").await;
    assert_eq!(console.status, 409);
    assert!(console.body.contains("simulated"), "{}", console.body);
    assert_eq!(served.get("/devcloud/machines/m-1").await.status, 401);
}

/// A ticket from the API shows one machine's console without the zone's token, and nothing else.
#[tokio::test]
async fn a_machine_s_owner_is_told_where_its_console_is_and_nobody_else() {
    let served = served().await;
    let (user, other) = (served.world.user(), served.world.admin().account("other", &[]).await);
    let network = user.network("n").await;
    let id = user.deploy(&network, "m-1", &[]).await;
    let wanted = [("command", "createConsoleEndpoint"), ("virtualmachineid", id.as_str())];
    let path = format!("/client/api?{}", signed(&user.keys, &wanted));
    let host = served.address.to_string();
    let told = served.ask("GET", &path, &[("Host", &host)], "").await;
    let told: Value = serde_json::from_str(&told.body).expect("JSON");
    let endpoint = &told["createconsoleendpointresponse"]["consoleendpoint"];
    assert_eq!(endpoint["success"], json!(true), "{told}");
    let page = endpoint["url"].as_str().expect("an address").strip_prefix(&format!("http://{host}"));
    let console = served.get(page.expect("of this zone")).await;
    assert!(console.status == 409 && console.body.contains("simulated"), "{}", console.body);
    assert_eq!(served.get("/devcloud/console/another").await.status, 404);
    assert_eq!(other.refused("createConsoleEndpoint", &wanted[1..]).await.0, 531);
    user.run("stopVirtualMachine", &[("id", &id)]).await;
    let asleep = user.call("createConsoleEndpoint", &wanted[1..]).await["consoleendpoint"].clone();
    assert_eq!(asleep["success"], json!(false));
    assert!(asleep["details"].as_str().is_some_and(|why| why.contains("Stopped")), "{asleep}");
}

#[tokio::test]
async fn a_call_for_the_head_alone_is_answered_like_a_get_without_its_body() {
    let served = served().await;
    let path = format!("/client/api?{}", signed(&served.world.user().keys, &[("command", "listZones")]));
    let head = served.ask("HEAD", &path, &[("Host", "127.0.0.1")], "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(head.head.contains("content-type: application/json"), "{}", head.head);
}
