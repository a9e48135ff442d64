//! What Terraform's provider, Packer's plugin and cloudmonkey send, in their order and signed as they sign it, and what
//! they read of the answers: the fields, in types that a typed client decodes.
//!
//! The programs themselves are not run here; what they send and read is known from their sources and from recorded
//! conversations (see `recorded`). The first two go through one library, written in Go, of which Packer uses an older
//! version. Its way of taking answers apart is this room's [`Client`].

mod cloudmonkey;
mod finding;
mod packer;
mod terraform;

use cloudstack::signature::{Encoding, form, signature};
use devcloud::{Reply, Request};
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use crate::kit::{self, Caller, World, text};
use crate::shape;

/// How a program sends its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The Go library of today: lists by GET, changes by POST, each signature with its end.
    Go,
    /// Its version 2.12: GET but for calls with user-data, `*` escaped, no end.
    OldGo,
    /// cloudmonkey: GET but for calls with a password or user-data, no end.
    Cloudmonkey,
}

impl Way {
    fn posts(self, command: &str, parameters: &[(&str, &str)]) -> bool {
        match self {
            Self::Go => !["list", "get", "query"].iter().any(|reading| command.starts_with(reading)),
            Self::OldGo => matches!(command, "deployVirtualMachine" | "updateVirtualMachine"),
            Self::Cloudmonkey => parameters.iter().any(|(name, _)| matches!(*name, "password" | "userdata")),
        }
    }
}

/// One of the programs.
struct Client {
    caller: Caller,
    way: Way,
}

/// What a refusal says.
type Refused = String;

/// What a job tells that it is about: the kind, and whether the id is told too. As recorded.
const ABOUT: &[(&str, Option<&str>, bool)] = &[
    ("assignToLoadBalancerRule", None, false),
    ("associateIpAddress", Some("IpAddress"), true),
    ("createAffinityGroup", Some("AffinityGroup"), false),
    ("createEgressFirewallRule", Some("FirewallRule"), true),
    ("createFirewallRule", Some("FirewallRule"), true),
    ("createLBStickinessPolicy", Some("None"), false),
    ("createLoadBalancerRule", Some("FirewallRule"), true),
    ("createPortForwardingRule", Some("FirewallRule"), true),
    ("createTags", None, false),
    ("createTemplate", Some("Template"), true),
    ("deleteAffinityGroup", Some("AffinityGroup"), false),
    ("deleteEgressFirewallRule", None, false),
    ("deleteFirewallRule", None, false),
    ("deleteLoadBalancerRule", None, false),
    ("deleteNetwork", Some("Network"), false),
    ("deletePortForwardingRule", None, false),
    ("deleteTags", None, false),
    ("deleteTemplate", Some("Template"), true),
    ("deployVirtualMachine", Some("VirtualMachine"), true),
    ("destroyVirtualMachine", Some("VirtualMachine"), true),
    ("disassociateIpAddress", Some("IpAddress"), true),
    ("removeFromLoadBalancerRule", None, false),
    ("resetSSHKeyForVirtualMachine", Some("VirtualMachine"), true),
    ("startVirtualMachine", Some("VirtualMachine"), true),
    ("stopVirtualMachine", Some("VirtualMachine"), true),
    ("updateVMAffinityGroup", None, false),
];

impl Client {
    fn of(world: &World, way: Way) -> Self {
        Self { caller: world.user(), way }
    }

    /// Sends a call as the program does; the reply as it came.
    async fn send(&self, command: &str, parameters: &[(&str, &str)]) -> Reply {
        let zone = &self.caller.zone;
        let expires = zone.now().saturating_add(SignedDuration::from_mins(15)).expect("a time");
        let expires = expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let keys = &self.caller.keys;
        let mut pairs = vec![("apiKey", keys.api_key.as_str()), ("command", command), ("response", "json")];
        if self.way == Way::Go {
            pairs.extend([("signatureversion", "3"), ("expires", expires.as_str())]);
        }
        pairs.extend_from_slice(parameters);
        let encoding = if self.way == Way::OldGo { Encoding::EscapedStar } else { Encoding::RawTilde };
        let signed = signature(&pairs, keys.secret_key.expose_secret(), encoding);
        pairs.push(("signature", &signed));
        let form = form(&pairs);
        let request =
            if self.way.posts(command, parameters) { Request::post(form) } else { Request::get(form) };
        zone.handle(request).await
    }

    /// The inside of the answer's one key, or what the refusal says.
    async fn ask(&self, command: &str, parameters: &[(&str, &str)]) -> Result<Value, Refused> {
        let reply = self.send(command, parameters).await;
        let inside = kit::inside(&reply);
        if reply.status != 200 {
            reads(
                &inside,
                &[("errorcode", Is::Number), ("errortext", Is::Text)],
                &[("cserrorcode", Is::Number)],
            );
            assert_eq!(inside["errorcode"], json!(reply.status));
            return Err(text(&inside["errortext"]));
        }
        shape::check(command, &inside);
        Ok(inside)
    }

    async fn call(&self, command: &str, parameters: &[(&str, &str)]) -> Value {
        let answer = self.ask(command, parameters).await;
        answer.unwrap_or_else(|refused| panic!("{command}: {refused}"))
    }

    /// A call that becomes a job, to its end: what is under the first key of its result, which is its only one.
    async fn job(&self, command: &str, parameters: &[(&str, &str)]) -> Value {
        let begun = self.call(command, parameters).await;
        let job = text(&begun["jobid"]);
        loop {
            let look = self.call("queryAsyncJobResult", &[("jobid", &job)]).await;
            told_what_it_is_about(command, &look);
            match look["jobstatus"].as_u64() {
                Some(0) => tokio::time::sleep(std::time::Duration::from_secs(1)).await,
                Some(1) => {
                    let result = look["jobresult"].as_object().expect("an object");
                    shape::check(command, &look["jobresult"]);
                    assert!(!result.contains_key("count"), "{command}: a count in a job's result: {look}");
                    let (key, value) = result.iter().next().expect("a result");
                    assert_eq!(result.len(), 1, "{command}: more than {key}");
                    return value.clone();
                }
                _ => panic!("{command}: {look}"),
            }
        }
    }

    /// What a list finds.
    async fn list(&self, command: &str, object: &str, parameters: &[(&str, &str)]) -> Vec<Value> {
        let found = self.call(command, parameters).await;
        let things = found[object].as_array().cloned().unwrap_or_default();
        assert_eq!(found["count"].as_u64().unwrap_or_default(), things.len() as u64, "{command}: {found}");
        things
    }

    /// What the library finds of an id: nothing where the list is empty, or where the refusal has the words that it
    /// takes for that.
    async fn by_id(&self, command: &str, object: &str, id: &str, more: &[(&str, &str)]) -> Option<Value> {
        let parameters = [&[("id", id)], more].concat();
        match self.ask(command, &parameters).await {
            Ok(found) => {
                let things = found[object].as_array().cloned().unwrap_or_default();
                assert!(things.len() <= 1, "{command}: one id, and {found}");
                things.into_iter().next()
            }
            Err(refused) => {
                let wanted = format!(
                    "Invalid parameter id value={id} due to incorrect long value format, or entity does not exist"
                );
                assert!(refused.contains(&wanted), "{command}: {refused}");
                None
            }
        }
    }

    /// The id that the library finds of a name: that of the only thing a list finds, or of the one that is called so.
    async fn id_of(&self, command: &str, object: &str, name: &str, more: &[(&str, &str)]) -> String {
        let filter = if self.way == Way::OldGo && command == "listNetworks" { "keyword" } else { "name" };
        let things = self.list(command, object, &[&[(filter, name)], more].concat()).await;
        let found = match things.as_slice() {
            [only] => Some(only),
            several => several.iter().find(|thing| thing["name"] == name),
        };
        text(&found.unwrap_or_else(|| panic!("{command}: no match for {name}"))["id"])
    }

    /// A call whose answer says that it was done, at once.
    async fn done(&self, command: &str, parameters: &[(&str, &str)]) {
        let answer = self.call(command, parameters).await;
        assert_eq!(answer["success"], json!(true), "{command}: {answer}");
    }

    /// A job whose result says that it was done.
    async fn does(&self, command: &str, parameters: &[(&str, &str)]) {
        assert_eq!(self.job(command, parameters).await, json!(true), "{command}");
    }
}

fn told_what_it_is_about(command: &str, look: &Value) {
    let Some((_, kind, id)) = ABOUT.iter().find(|(recorded, ..)| *recorded == command) else { return };
    let told = (look.get("jobinstancetype").and_then(Value::as_str), look.get("jobinstanceid").is_some());
    assert_eq!(told, (*kind, *id), "{command}: {look}");
}

/// What a typed client decodes a field into.
#[derive(Clone, Copy, Debug)]
enum Is {
    Text,
    Number,
    Flag,
    /// A text that has a number in it.
    Digits,
    List,
    /// An object of texts alone.
    Texts,
}

impl Is {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Number => value.is_i64() || value.is_u64(),
            Self::Flag => value.is_boolean(),
            Self::Digits => value.as_str().is_some_and(|digits| digits.parse::<i64>().is_ok()),
            Self::List => value.is_array(),
            Self::Texts => {
                value.as_object().is_some_and(|all: &Map<_, _>| all.values().all(Value::is_string))
            }
        }
    }
}

/// Reads fields that have to be there, and such as may be there.
fn reads(object: &Value, always: &[(&str, Is)], perhaps: &[(&str, Is)]) {
    for (name, is) in always {
        let value = object.get(*name).unwrap_or_else(|| panic!("no {name}: {object}"));
        assert!(is.fits(value), "{name} is no {is:?}: {object}");
    }
    for (name, is) in perhaps {
        let fits = object.get(*name).is_none_or(|value| is.fits(value));
        assert!(fits, "{name} is no {is:?}: {object}");
    }
}

/// The fields of each tag.
fn reads_tags(object: &Value, wanted: &[(&str, &str)]) {
    let mut told: Vec<(String, String)> = Vec::new();
    for tag in object["tags"].as_array().expect("tags") {
        reads(tag, &[("key", Is::Text), ("value", Is::Text)], &[]);
        told.push((text(&tag["key"]), text(&tag["value"])));
    }
    told.sort();
    let wanted: Vec<(String, String)> =
        wanted.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    assert_eq!(told, wanted, "{object}");
}

const ISOLATED: &str = "DefaultIsolatedNetworkOfferingWithSourceNatService";

/// An id that nothing has.
const NOTHING: &str = "8b0e8c1e-3c9d-4b8e-9d3a-0a51f3f5d7aa";
