//! One call, drawn: which command, which of its parameters, what in each, and what is wrong with the request as a whole.

use cloudstack::signature::{Encoding, form, signature};
use devcloud::{Method, Request};
use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::target::{Parameter, Target};
use crate::kit::PUBLIC_KEY;

/// How a parameter is filled.
#[derive(Clone, Debug)]
enum Filling {
    /// With what it wants.
    Fitting(usize),
    /// With an id of another account's.
    Foreign(usize),
    /// With an id of something, whatever it is.
    Stray(usize),
    /// With something from the list of what has broken programs before.
    Nasty(usize),
    Number(i64),
    Text(String),
}

/// What is wrong with the request.
#[derive(Clone, Debug)]
enum Twist {
    Nothing,
    Get,
    Xml,
    OtherCase,
    Twice,
    BrokenEscapes,
    BrokenSignature(String),
    NoSignature,
    Unsigned,
    Expired(String),
    ContentType(String),
    Cookie(String),
    Method,
    Command(String),
    MapName(String),
    Noise(String, String),
}

/// A call, not yet aimed at a zone.
#[derive(Clone, Debug)]
pub(super) struct Shot {
    command: usize,
    /// Which of the parameters that are not required are there, by their places.
    there: u64,
    /// Whether required ones may be missing too.
    careless: bool,
    fillings: Vec<Filling>,
    twist: Twist,
}

/// A request, and what it was made of.
#[derive(Debug)]
pub(super) struct Sent {
    pairs: Vec<(String, String)>,
    pub(super) request: Request,
}

impl Sent {
    /// The command that the zone sees: of several the last.
    pub(super) fn command(&self) -> &str {
        let commands = self.pairs.iter().rev().filter(|(name, _)| name == "command");
        commands.map(|(_, command)| command.as_str()).next().unwrap_or_default()
    }

    /// The call as somebody would write it down.
    pub(super) fn told(&self) -> String {
        let shown = self.pairs.iter().filter(|(name, _)| !matches!(name.as_str(), "response" | "apiKey"));
        let short = |text: &str| text.chars().take(80).collect::<String>();
        shown.map(|(name, value)| format!("{}={:?}", short(name), short(value))).collect::<Vec<_>>().join(" ")
    }
}

fn filling() -> impl Strategy<Value = Filling> {
    prop_oneof![
        14 => any::<u16>().prop_map(|draw| Filling::Fitting(draw.into())),
        2 => any::<u16>().prop_map(|draw| Filling::Foreign(draw.into())),
        1 => any::<u16>().prop_map(|draw| Filling::Stray(draw.into())),
        3 => any::<u16>().prop_map(|draw| Filling::Nasty(draw.into())),
        1 => any::<i64>().prop_map(Filling::Number),
        1 => any::<String>().prop_map(Filling::Text),
    ]
}

fn twist() -> impl Strategy<Value = Twist> {
    prop_oneof![
        30 => Just(Twist::Nothing),
        2 => Just(Twist::Get),
        2 => Just(Twist::Xml),
        1 => Just(Twist::OtherCase),
        1 => Just(Twist::Twice),
        1 => Just(Twist::BrokenEscapes),
        1 => any::<String>().prop_map(Twist::BrokenSignature),
        1 => Just(Twist::NoSignature),
        1 => Just(Twist::Unsigned),
        1 => prop_oneof![any::<String>(), Just("2001-01-01T00:00:00Z".to_owned()), Just("9999-12-31T23:59:59+0000".to_owned())]
            .prop_map(Twist::Expired),
        1 => prop_oneof![any::<String>(), Just("multipart/form-data; boundary=x".to_owned()), Just("application/json".to_owned())]
            .prop_map(Twist::ContentType),
        1 => any::<String>().prop_map(|text| Twist::Cookie(format!("JSESSIONID={text}; sessionkey={text}"))),
        1 => Just(Twist::Method),
        1 => any::<String>().prop_map(Twist::Command),
        2 => "[a-z]{0,8}\\[[0-9a-z-]{0,12}\\]?\\.?[a-zA-Z\\[]{0,6}".prop_map(Twist::MapName),
        1 => (any::<String>(), any::<String>()).prop_map(|(name, value)| Twist::Noise(name, value)),
    ]
}

pub(super) fn any_shot() -> impl Strategy<Value = Shot> {
    let fillings = proptest::collection::vec(filling(), 1..12);
    // One in four of the parameters that may be left out.
    let there = (any::<u64>(), any::<u64>()).prop_map(|(one, other)| one & other);
    (any::<u16>(), there, proptest::bool::weighted(0.05), fillings, twist()).prop_map(
        |(command, there, careless, fillings, twist)| Shot {
            command: command.into(),
            there,
            careless,
            fillings,
            twist,
        },
    )
}

impl Shot {
    /// The request that this is in a zone, signed.
    pub(super) fn aim(&self, target: &Target, as_admin: bool) -> Sent {
        let mut api = &target.apis[self.command % target.apis.len()];
        // Making a key takes longer than a hundred other calls; one in 32 of these is enough.
        if api.name == "createSSHKeyPair" && !self.there.is_multiple_of(32) {
            api = &target.apis[(self.command + 1) % target.apis.len()];
        }
        let mut pairs =
            vec![("command".to_owned(), api.name.clone()), ("response".to_owned(), "json".to_owned())];
        for (place, parameter) in api.parameters.iter().enumerate() {
            let asked = self.there >> (place % 64) & 1 == 1;
            if asked || (parameter.required && !self.careless) {
                pairs.extend(self.filled(target, parameter, place));
            }
        }
        let keys = target.shooter(as_admin);
        pairs.push(("apiKey".to_owned(), keys.api_key.clone()));
        self.request(pairs, keys.secret_key.expose_secret())
    }

    fn filled(&self, target: &Target, parameter: &Parameter, place: usize) -> Vec<(String, String)> {
        let one = |value: String| vec![(parameter.name.clone(), value)];
        match &self.fillings[place % self.fillings.len()] {
            Filling::Fitting(draw) => fill(target, parameter, draw + place),
            Filling::Foreign(draw) => match target.foreign_for(parameter, *draw) {
                Some(id) => one(id),
                None => fill(target, parameter, *draw),
            },
            Filling::Stray(draw) => one(target.any_id(*draw)),
            Filling::Nasty(draw) => one(nasty(draw + place)),
            Filling::Number(number) => one(number.to_string()),
            Filling::Text(text) => one(text.clone()),
        }
    }

    fn request(&self, mut pairs: Vec<(String, String)>, secret: &str) -> Sent {
        match &self.twist {
            Twist::Xml => pairs.retain(|(name, _)| name != "response"),
            Twist::OtherCase => {
                for (name, _) in
                    pairs.iter_mut().filter(|(name, _)| !matches!(name.as_str(), "command" | "response"))
                {
                    *name = name.to_uppercase();
                }
            }
            Twist::Expired(time) => {
                pairs.push(("signatureVersion".to_owned(), "3".to_owned()));
                pairs.push(("expires".to_owned(), time.clone()));
            }
            Twist::Unsigned => pairs.retain(|(name, _)| name != "apiKey"),
            Twist::Command(name) => pairs[0].1 = name.clone(),
            Twist::MapName(name) => pairs.push((name.clone(), "value".to_owned())),
            Twist::Noise(name, value) => pairs.push((name.clone(), value.clone())),
            _ => {}
        }
        // What the server sees of several parameters of one name, and so what is signed, is the last.
        let counted: std::collections::BTreeMap<&str, &str> =
            pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let counted: Vec<(&str, &str)> = counted.into_iter().collect();
        let mut signed = signature(&counted, secret, Encoding::Java);
        if let Twist::BrokenSignature(text) = &self.twist {
            signed = text.clone();
        }
        let mut text = form(&pairs);
        if matches!(self.twist, Twist::Twice) {
            // The first ones do not count.
            text = format!("{}&{text}", text.replace('=', "=x"));
        }
        if !matches!(self.twist, Twist::NoSignature | Twist::Unsigned) {
            text = format!("{text}&{}", form(&[("signature", signed.as_str())]));
        }
        if matches!(self.twist, Twist::BrokenEscapes) {
            text.push_str("&%=%zz&%c3%28=%f&&=&=%00&a%5b0%5d=%e2%82");
        }
        let mut request = Request::post(text.clone());
        match &self.twist {
            Twist::Get => request = Request::get(text),
            Twist::ContentType(kind) => request.content_type = Some(kind.clone()),
            Twist::Cookie(cookie) => request.cookie = Some(cookie.clone()),
            Twist::Method => request.method = Method::Other,
            _ => {}
        }
        Sent { pairs, request }
    }
}

/// A parameter with something that it wants.
pub(super) fn fill(target: &Target, parameter: &Parameter, draw: usize) -> Vec<(String, String)> {
    let name = parameter.name.as_str();
    let of = |values: &[&str]| values[draw % values.len()].to_owned();
    let map = |fields: &[(&str, String)]| {
        fields.iter().map(|(field, value)| (format!("{name}[{}].{field}", draw % 3), value.clone())).collect()
    };
    let id = || target.fitting(parameter, draw).unwrap_or_else(|| target.any_id(draw));
    let value = match parameter.kind.as_str() {
        "boolean" => of(&["true", "false", "TRUE", "no"]),
        "uuid" => id(),
        "list" => match name {
            "cidrlist" | "destcidrlist" => of(&["0.0.0.0/0", "10.0.0.0/8,192.168.0.0/16", "172.16.0.0/24"]),
            "keypairs" => of(&["wombat-key", "none"]),
            "affinitygroupnames" => of(&["wombat-group", "none"]),
            "details" => of(&["nics", "all", "min,tmpl"]),
            "supportedservices" => of(&["SourceNat", "Dhcp,Dns"]),
            _ if draw.is_multiple_of(3) => format!("{},{}", id(), target.any_id(draw / 3)),
            _ => id(),
        },
        "map" => {
            return match name {
                "vmidipmap" => {
                    map(&[("vmid", target.any_id(draw)), ("vmip", format!("172.16.0.{}", draw % 256))])
                }
                "iptonetworklist" => {
                    map(&[("networkid", target.any_id(draw)), ("ip", format!("172.16.0.{}", draw % 256))])
                }
                _ => map(&[("key", format!("k{}", draw % 4)), ("value", format!("v{}", draw % 4))]),
            };
        }
        "date" => of(&["2026-01-01", "2026-11-23 12:00:00", "2030-01-01T00:00:00+0000"]),
        "integer" => match name {
            "resourcetype" => (draw % 12).to_string(),
            "bits" => "2048".to_owned(),
            "page" => (draw % 3).to_string(),
            "pagesize" => of(&["1", "2", "500", "-1"]),
            _ => of(&["0", "1", "8", "22", "80", "100", "443", "8080", "65535"]),
        },
        _ => match name {
            "protocol" => of(&["tcp", "udp", "icmp", "all", "TCP"]),
            "algorithm" => of(&["roundrobin", "leastconn", "source"]),
            "type" => of(&["host anti-affinity", "host affinity", "Isolated", "ROOT"]),
            "templatefilter" => of(&["featured", "self", "executable", "community", "selfexecutable"]),
            "resourcetype" => {
                of(&["UserVm", "Network", "PublicIpAddress", "Volume", "Template", "FirewallRule"])
            }
            "resourceid" | "nicid" | "userapikey" => target.any_id(draw),
            "publickey" => PUBLIC_KEY.to_owned(),
            "gateway" => of(&["10.2.0.1", "192.168.7.1"]),
            "netmask" => of(&["255.255.255.0", "255.255.0.0"]),
            "startip" | "endip" | "ipaddress" | "vmguestip" => format!("172.16.0.{}", draw % 256),
            "macaddress" => format!("02:01:00:00:00:{:02x}", draw % 256),
            "userdata" => of(&["aGVsbG8=", "I2Nsb3VkLWNvbmZpZwo="]),
            "account" => of(&["mesostack", "other", "admin"]),
            "projectid" => "-1".to_owned(),
            "networkdomain" => of(&["a.example", "cs2cloud.internal"]),
            "hypervisor" => "Simulator".to_owned(),
            "keypair" => "wombat-key".to_owned(),
            "state" => of(&["Running", "Stopped", "Allocated", "Free", "Active"]),
            "name" | "displayname" | "displaytext" | "group" | "description" | "username" => {
                format!("n{}", draw % 50)
            }
            _ => target.fitting(parameter, draw).unwrap_or_else(|| format!("t{}", draw % 8)),
        },
    };
    vec![(name.to_owned(), value)]
}

/// What has broken programs before.
fn nasty(draw: usize) -> String {
    const TEXTS: [&str; 44] = [
        "",
        " ",
        "0",
        "-0",
        "-1",
        "-2",
        "1",
        "65536",
        "4294967295",
        "4294967296",
        "2147483648",
        "-2147483649",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "18446744073709551616",
        "1e309",
        "NaN",
        "0x10",
        "١",
        "true",
        "null",
        "[]",
        "{}",
        "a,b",
        ",",
        ",,,",
        "\u{0}",
        "a\u{1}b",
        "\u{7f}",
        "\r\nX-Evil: 1",
        "\t",
        "\u{fffe}\u{ffff}",
        "\u{202e}evil",
        "é̂",
        "𝕏",
        "%00%zz",
        "<a>&\"'",
        "../../../../etc/passwd",
        "'; drop table record; --",
        "0.0.0.0/0,::/0,10.0.0.0/33",
        "255.255.255.255",
        "-009999-01-01T00:00:00Z",
        "9999-12-31T23:59:60+9999",
    ];
    match draw % (TEXTS.len() + 4) {
        nth if nth < TEXTS.len() => TEXTS[nth].to_owned(),
        nth if nth == TEXTS.len() => "x".repeat(256),
        nth if nth == TEXTS.len() + 1 => "00000000-0000-0000-0000-000000000000,".repeat(500),
        nth if nth == TEXTS.len() + 2 => "9".repeat(70_000),
        _ => "A".repeat(200_000),
    }
}
