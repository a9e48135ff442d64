//! Refusals that need a way of calling of their own, or something done before: signatures, sessions, what was removed or is
//! not there yet. Each is provoked as it was in its recording, with the codes and the text that it had there.

use cloudstack::signature::{Encoding, form, signature};
use devcloud::simulator::Operation;
use devcloud::{Reply, Request};
use secrecy::ExposeSecret;

use super::facts::{Facts, Refused, digest};
use super::refusals::{DEPLOY, came};
use super::{FETCHED, Furnished};
use crate::kit::{Caller, borrowed, inside, signed, text};

/// What came of calls, by the names of their recordings.
pub(super) struct ByHand {
    pub(super) came: Vec<(&'static str, Refused, String)>,
}

/// What a reply refuses with.
fn refused(reply: &Reply) -> (Refused, String) {
    let told = inside(reply);
    let said = told["errortext"].as_str().unwrap_or_default().to_owned();
    let refused = Refused {
        status: Some(u64::from(reply.status)),
        code: told["errorcode"].as_u64().unwrap_or_default(),
        finer: told["cserrorcode"].as_u64(),
        digest: digest(&said),
    };
    (refused, said)
}

impl ByHand {
    fn note(&mut self, name: &'static str, reply: &Reply) {
        let (refused, said) = refused(reply);
        self.came.push((name, refused, said));
    }

    /// Keys and signatures.
    pub(super) async fn signatures(&mut self, furnished: &Furnished) {
        let (alice, admin) = (&furnished.alice, furnished.world.admin());
        let send = async |query: String| furnished.world.zone.handle(Request::get(query)).await;
        let key = ("apiKey", alice.keys.api_key.as_str());
        let plain = [("command", "listZones"), ("response", "json")];
        let with = |more: &[(&str, &str)]| form(&[&plain[..], more].concat());
        for (name, query) in [
            ("no-command", form(&plain[1..])),
            ("no-command-signed", signed(&alice.keys, &[])),
            ("no-credentials", with(&[])),
            ("no-signature", with(&[key])),
            ("unknown-apikey", with(&[("apiKey", "nosuchkey"), ("signature", "x")])),
            ("wrong-signature", with(&[key, ("signature", "bm90IHRoaXMgb25l")])),
            (
                "unknown-command-and-wrong-signature",
                form(&[("command", "noSuchCommand"), ("response", "json"), key, ("signature", "eA==")]),
            ),
            ("unknown-command", signed(&alice.keys, &[("command", "noSuchCommand")])),
            ("unknown-command.user", signed(&alice.keys, &[("command", "noSuchCommand")])),
            ("unknown-command.admin", signed(&admin.keys, &[("command", "noSuchCommand")])),
            ("command-lower-case", signed(&alice.keys, &[("command", "listzones")])),
            ("command-wrong-case", signed(&alice.keys, &[("command", "LISTZONES")])),
            ("expires-missing", signed(&alice.keys, &[plain[0], ("signatureVersion", "3")])),
            (
                "expires-bad-format",
                signed(&alice.keys, &[plain[0], ("signatureVersion", "3"), ("expires", "tomorrow")]),
            ),
            (
                "expired-signature",
                signed(
                    &alice.keys,
                    &[plain[0], ("signatureVersion", "3"), ("expires", "2020-01-01T00:00:00+0000")],
                ),
            ),
            ("parameter-name-case-signed-with-lowercase-sort", lower_sorted(alice)),
        ] {
            let reply = send(query).await;
            self.note(name, &reply);
        }
    }

    /// Logins and what a session needs.
    pub(super) async fn sessions(&mut self, furnished: &Furnished) {
        let zone = &furnished.world.zone;
        let login = async |user: &str, password: &str| {
            let login = [("command", "login"), ("username", user), ("password", password), ("domain", "/")];
            zone.handle(Request::post(form(&[&login[..], &[("response", "json")]].concat()))).await
        };
        self.note("login.wrong-password", &login("alice", "wrong").await);
        self.note("login.unknown-user", &login("nobody", "wrong").await);
        let password = furnished.alice.keys.password.expose_secret();
        let enter = async || Session::of(&login("alice", password).await);
        let send = async |cookie: String, command: &str, key: Option<&str>| {
            let mut query = format!("command={command}&response=json");
            if let Some(key) = key {
                query.push_str(&format!("&sessionkey={key}"));
            }
            zone.handle(Request { cookie: Some(cookie), ..Request::get(query) }).await
        };
        let here = enter().await;
        let key = Some(here.key.as_str());
        self.note("session.admin-only-command", &send(here.both(), "listHosts", key).await);
        self.note("session.unknown-command", &send(here.both(), "noSuchCommand", key).await);
        // The next one ends the session.
        self.note("session.no-sessionkey", &send(here.both(), "listZones", None).await);
        self.note("session.after-failed-call", &send(here.both(), "listZones", key).await);
        let here = enter().await;
        self.note("session.sessionkey-only-cookie", &send(here.both(), "listZones", None).await);
        let here = enter().await;
        self.note("session.wrong-sessionkey", &send(here.both(), "listZones", Some("wrong")).await);
        let here = enter().await;
        let one = send(here.jsession.clone(), "listZones", Some(&here.key)).await;
        self.note("session.jsessionid-cookie-and-sessionkey-param", &one);
        let here = enter().await;
        assert_eq!(send(here.both(), "logout", Some(&here.key)).await.status, 200);
        self.note("session.after-logout", &send(here.both(), "listZones", Some(&here.key)).await);
    }

    /// What was removed, is not there yet, or is held by what is still there.
    pub(super) async fn states(&mut self, furnished: &mut Furnished) {
        let deploy = [("zoneid", "{zone}"), ("serviceofferingid", "{offering}"), ("networkids", "{network}")];
        let late = furnished.ask("registerTemplate", &FETCHED).await["template"][0]["id"].clone();
        furnished.put("late", &late);
        let early = [&deploy[..], &[("templateid", "{late}"), ("name", "nr9")]].concat();
        self.call(furnished, "deployVirtualMachine.template-not-ready", "deployVirtualMachine", &early).await;
        let golden = [&deploy[..], &[("templateid", "{golden}"), ("name", "user-of-it")]].concat();
        furnished.ask("deployVirtualMachine", &golden).await;
        for name in ["deleteTemplate.in-use", "deleteTemplate.forced-not"] {
            self.call(furnished, name, "deleteTemplate", &[("id", "{golden}")]).await;
        }
        furnished.ask("disassociateIpAddress", &[("id", "{address}")]).await;
        let again = [("id", "{address}")];
        self.call(furnished, "disassociateIpAddress.again", "disassociateIpAddress", &again).await;
        furnished.ask("destroyVirtualMachine", &[("id", "{vm1}")]).await;
        let kept = [("id", "{network}")];
        self.call(furnished, "deleteNetwork.with-destroyed-vm", "deleteNetwork", &kept).await;
        let gone = furnished.filled(&[("id", "{vm1}")]);
        furnished.world.admin().run("expungeVirtualMachine", &borrowed(&gone, &[])).await;
        let gone = [("id", "{vm1}"), ("expunge", "true")];
        self.call(furnished, "destroyVirtualMachine.expunged", "destroyVirtualMachine", &gone).await;
        let admin = furnished.world.admin();
        let reply = admin.ask("listApis", &[("name", "noSuchApi")]).await;
        self.note("listApis.unknown-name", &reply);
    }

    /// Machines that do not start or stop, and places that there are none of.
    pub(super) async fn failures(&mut self, furnished: &mut Furnished) {
        let long = "QUFB".repeat(10_000);
        let told = [&DEPLOY[..], &[("name", "long"), ("userdata", long.as_str())]].concat();
        let name = "deployVirtualMachine.userdata-too-long-40000-POST";
        self.call(furnished, name, "deployVirtualMachine", &told).await;
        let driver = furnished.world.driver.clone();
        driver.fail(Operation::Start, 1);
        let failing = [&DEPLOY[..], &[("name", "failer")]].concat();
        let name = "async.deployVirtualMachine.start-fails";
        self.call(furnished, name, "deployVirtualMachine", &failing).await;
        for name in ["async.startVirtualMachine", "startVirtualMachine.slow-timeline"] {
            driver.fail(Operation::Start, 1);
            self.call(furnished, name, "startVirtualMachine", &[("id", "{vm2}")]).await;
        }
        driver.fail(Operation::Stop, 1);
        self.call(furnished, "async.stopVirtualMachine", "stopVirtualMachine", &[("id", "{vm1}")]).await;
        let group = [("name", "apart"), ("type", "host anti-affinity")];
        let group = furnished.ask("createAffinityGroup", &group).await["affinitygroup"]["id"].clone();
        furnished.put("apart", &group);
        let apart = [&DEPLOY[..], &[("affinitygroupids", "{apart}")]].concat();
        let hosts = furnished.world.zone.config().hosts;
        for _ in 0..hosts {
            furnished.ask("deployVirtualMachine", &apart).await;
        }
        let name = "async.deployVirtualMachine.anti-affinity-no-host";
        self.call(furnished, name, "deployVirtualMachine", &apart).await;
    }

    async fn call(
        &mut self,
        furnished: &Furnished,
        name: &'static str,
        command: &str,
        parameters: &[(&str, &str)],
    ) {
        let parameters = furnished.filled(parameters);
        let reply = furnished.alice.ask(command, &borrowed(&parameters, &[])).await;
        let (refused, said) = came(&furnished.alice, &reply).await;
        self.came.push((name, refused, said));
    }
}

/// A call whose names have capitals, signed as if they had none when they were sorted.
fn lower_sorted(caller: &Caller) -> String {
    let mut pairs = vec![
        ("command", "listVirtualMachines"),
        ("response", "json"),
        ("PageSize", "2"),
        ("PAGE", "1"),
        ("LISTALL", "true"),
        ("apiKey", caller.keys.api_key.as_str()),
    ];
    let lowered: Vec<(String, &str)> =
        pairs.iter().map(|(name, value)| (name.to_lowercase(), *value)).collect();
    let signed = signature(&lowered, caller.keys.secret_key.expose_secret(), Encoding::Java);
    pairs.push(("signature", &signed));
    form(&pairs)
}

/// Of a user who is logged in.
struct Session {
    jsession: String,
    key_cookie: String,
    key: String,
}

impl Session {
    fn of(reply: &Reply) -> Self {
        let cookies = reply.headers.iter().filter(|(name, _)| *name == "Set-Cookie");
        let cookies: Vec<&str> = cookies.filter_map(|(_, value)| value.split(';').next()).collect();
        let named = |name: &str| {
            let found = cookies.iter().find(|cookie| cookie.starts_with(name));
            (*found.unwrap_or_else(|| panic!("no cookie {name}"))).to_owned()
        };
        let key = text(&inside(reply)["sessionkey"]);
        Self { jsession: named("JSESSIONID="), key_cookie: named("sessionkey="), key }
    }

    fn both(&self) -> String {
        format!("{}; {}", self.jsession, self.key_cookie)
    }
}

/// What differs from the recordings.
pub(super) async fn differences(facts: &Facts, other_words: &[&str]) -> (Vec<String>, Vec<&'static str>) {
    let mut furnished = Furnished::new().await;
    let mut by_hand = ByHand { came: Vec::new() };
    by_hand.signatures(&furnished).await;
    by_hand.sessions(&furnished).await;
    by_hand.failures(&mut furnished).await;
    by_hand.states(&mut furnished).await;
    let mut wrong = Vec::new();
    let names = by_hand.came.iter().map(|(name, ..)| *name).collect();
    for (name, mut came, said) in by_hand.came {
        let wanted = facts.refused.get(name).unwrap_or_else(|| panic!("no recording is called {name}"));
        if other_words.contains(&name) {
            came.digest.clone_from(&wanted.digest);
        }
        if came != *wanted {
            wrong.push(format!("{name}: {came:?} and not {wanted:?}: {said}"));
        }
    }
    (wrong, names)
}
