//! What a command sends: names and values, in CloudStack's ways of writing lists and maps.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret, SecretString};

use crate::id::{Id, JobId};

/// The parameters of one command, in the order in which they were added.
///
/// Values may be secrets (user data, for one), so `Debug` shows names only.
///
/// ```
/// use cloudstack::{Id, Parameters};
///
/// let parameters = Parameters::new()
///     .with("name", "subnet01")
///     .with("networkids", vec![Id::from("a"), Id::from("b")])
///     .with("keyword", None::<String>);
/// let pairs: Vec<_> = parameters.iter().collect();
/// assert_eq!(pairs, [("name", "subnet01"), ("networkids", "a,b")]);
/// ```
#[derive(Clone, Default)]
pub struct Parameters(Vec<(Cow<'static, str>, String)>);

impl Parameters {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value under a name, however many pairs it takes; see [`Parameter`].
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Parameter) -> Self {
        value.add(name.into(), &mut self);
        self
    }

    /// Adds one pair as it is.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// The pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_str()))
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// Something that can be sent as a parameter. What is absent or empty sends nothing: CloudStack reads an empty filter
/// as one that nothing matches.
pub trait Parameter {
    /// Adds the pairs of this value under `name`.
    fn add(&self, name: Cow<'static, str>, to: &mut Parameters);
}

macro_rules! displayed {
    ($($type:ty),*) => {$(
        impl Parameter for $type {
            fn add(&self, name: Cow<'static, str>, to: &mut Parameters) {
                to.push(name, self.to_string());
            }
        }
    )*};
}

displayed!(String, &str, Id, JobId, bool, u16, u32, u64, i32, i64, Ipv4Addr, IpAddr);

impl<T: Parameter> Parameter for Option<T> {
    fn add(&self, name: Cow<'static, str>, to: &mut Parameters) {
        if let Some(value) = self {
            value.add(name, to);
        }
    }
}

/// A list is its elements with commas between.
impl<T: fmt::Display> Parameter for Vec<T> {
    fn add(&self, name: Cow<'static, str>, to: &mut Parameters) {
        if !self.is_empty() {
            let elements: Vec<String> = self.iter().map(ToString::to_string).collect();
            to.push(name, elements.join(","));
        }
    }
}

/// Free fields of a resource: `details[0].name=value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details(pub BTreeMap<String, String>);

impl Parameter for Details {
    fn add(&self, name: Cow<'static, str>, to: &mut Parameters) {
        for (key, value) in &self.0 {
            to.push(format!("{name}[0].{key}"), value);
        }
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Details {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

/// Tags as they are written or looked for: `tags[0].key=k&tags[0].value=v`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagList(pub Vec<(String, Option<String>)>);

impl TagList {
    /// Tags with these keys, whatever their values.
    pub fn keys<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self(keys.into_iter().map(|key| (key.into(), None)).collect())
    }
}

impl Parameter for TagList {
    fn add(&self, name: Cow<'static, str>, to: &mut Parameters) {
        for (index, (key, value)) in self.0.iter().enumerate() {
            to.push(format!("{name}[{index}].key"), key);
            if let Some(value) = value {
                to.push(format!("{name}[{index}].value"), value);
            }
        }
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for TagList {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), Some(value.into()))).collect())
    }
}

/// A machine's interfaces with wished-for addresses: `iptonetworklist[0].networkid=…&iptonetworklist[0].ip=…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpToNetworkList(pub Vec<(Id, Option<Ipv4Addr>)>);

impl Parameter for IpToNetworkList {
    fn add(&self, name: Cow<'static, str>, to: &mut Parameters) {
        for (index, (network, address)) in self.0.iter().enumerate() {
            to.push(format!("{name}[{index}].networkid"), network.as_str());
            if let Some(address) = address {
                to.push(format!("{name}[{index}].ip"), address.to_string());
            }
        }
    }
}

/// User data for a machine's first boot; Base64 on the wire. It often carries keys, so it is never printed.
///
/// A server takes 32,768 characters of Base64 by default (`vm.userdata.max.length`), which is 24,576 bytes, and answers
/// more with code 431.
#[derive(Clone, Debug)]
pub struct UserData(SecretString);

impl UserData {
    /// The largest user data in bytes, before Base64, that a server takes by default.
    pub const DEFAULT_MAX_BYTES: usize = 24_576;

    /// User data as the machine shall see it.
    pub fn new(plain: impl AsRef<[u8]>) -> Self {
        Self(BASE64.encode(plain).into())
    }
}

impl From<&SecretString> for UserData {
    fn from(plain: &SecretString) -> Self {
        Self::new(plain.expose_secret())
    }
}

impl From<SecretString> for UserData {
    fn from(plain: SecretString) -> Self {
        Self::from(&plain)
    }
}

impl Parameter for UserData {
    fn add(&self, name: Cow<'static, str>, to: &mut Parameters) {
        to.push(name, self.0.expose_secret());
    }
}
