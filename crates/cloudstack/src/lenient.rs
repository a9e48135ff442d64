//! Decoding that forgives what servers do: numbers as text and text as numbers, `"true"`, missing fields, `null`, an
//! empty text where a number was meant. Versions of CloudStack differ in all of these, and one odd field should not
//! cost a whole reply. A value that really cannot be meant (an object for a number) is still an error.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::net::Ipv4Addr;
use std::ops::Deref;

use secrecy::{ExposeSecret, SecretString};
use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::id::{Id, JobId};

/// Decodes one field; named by every field of [`item!`].
pub(crate) fn field<'de, D: Deserializer<'de>, T: Lenient>(deserializer: D) -> Result<T, D::Error> {
    T::lenient(deserializer)
}

/// A type that a field can have.
pub(crate) trait Lenient: Sized {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// A JSON value that is neither list nor object, as text; `None` for `null`.
struct Scalar(Option<String>);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;
        impl Visitor<'_> for ScalarVisitor {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number or a truth value")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_string())))
            }
            fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar(Some(value.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar(None))
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// A type written as one scalar.
pub(crate) trait FromScalar: Sized {
    /// For the error: what was expected.
    const EXPECTED: &'static str;
    /// `None` when the text does not name a value of this type.
    fn from_scalar(text: &str) -> Option<Self>;
    /// Whether blank text means that there is no value.
    const BLANK_IS_NOTHING: bool = true;
}

fn scalar<'de, D: Deserializer<'de>, T: FromScalar>(deserializer: D) -> Result<Option<T>, D::Error> {
    match Scalar::deserialize(deserializer)?.0 {
        None => Ok(None),
        Some(text) if T::BLANK_IS_NOTHING && text.trim().is_empty() => Ok(None),
        Some(text) => T::from_scalar(&text)
            .map(Some)
            .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&text), &T::EXPECTED)),
    }
}

impl<T: FromScalar> Lenient for Option<T> {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer)
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl FromScalar for $type {
            const EXPECTED: &'static str = concat!("a number (", stringify!($type), ")");
            fn from_scalar(text: &str) -> Option<Self> {
                let text = text.trim();
                // Some servers write whole numbers with a fraction of nothing.
                let whole = text.split_once('.').filter(|(_, f)| f.bytes().all(|b| b == b'0'));
                whole.map_or(text, |(whole, _)| whole).parse().ok()
            }
        }
    )*};
}

integers!(u16, u32, u64, i32, i64);

impl FromScalar for bool {
    const EXPECTED: &'static str = "true or false";
    fn from_scalar(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => None,
        }
    }
}

impl FromScalar for String {
    const EXPECTED: &'static str = "a text";
    const BLANK_IS_NOTHING: bool = false;
    fn from_scalar(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl FromScalar for Id {
    const EXPECTED: &'static str = "an id";
    fn from_scalar(text: &str) -> Option<Self> {
        Some(Self::from(text))
    }
}

impl FromScalar for JobId {
    const EXPECTED: &'static str = "a job's id";
    fn from_scalar(text: &str) -> Option<Self> {
        Some(Self::from(text))
    }
}

impl FromScalar for Ipv4Addr {
    const EXPECTED: &'static str = "an IPv4 address";
    fn from_scalar(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }
}

/// A secret in a reply: a new private key, a password. Never printed; see [`secrecy::ExposeSecret`].
#[derive(Clone, Debug)]
pub struct Secret(pub SecretString);

impl Deref for Secret {
    type Target = SecretString;
    fn deref(&self) -> &SecretString {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose_secret() == other.expose_secret()
    }
}

impl From<Secret> for SecretString {
    fn from(secret: Secret) -> Self {
        secret.0
    }
}

impl FromScalar for Secret {
    const EXPECTED: &'static str = "a text";
    fn from_scalar(text: &str) -> Option<Self> {
        Some(Self(text.to_owned().into()))
    }
}

/// Dates come as `2026-11-23T00:44:37+0000`.
impl FromScalar for jiff::Timestamp {
    const EXPECTED: &'static str = "a date with time and offset";
    fn from_scalar(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }
}

macro_rules! default_when_absent {
    ($($type:ty),*) => {$(
        impl Lenient for $type {
            fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(scalar(deserializer)?.unwrap_or_default())
            }
        }
    )*};
}

default_when_absent!(String, Id, JobId, bool, u16, u32, u64, i32, i64);

impl<T: DeserializeOwned> Lenient for Vec<T> {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(PhantomData<T>);
        impl<'de, T: DeserializeOwned> Visitor<'de> for ListVisitor<T> {
            type Value = Vec<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_unit<E>(self) -> Result<Vec<T>, E> {
                Ok(Vec::new())
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
                if text.is_empty() {
                    Ok(Vec::new())
                } else {
                    Err(E::invalid_type(de::Unexpected::Str(text), &self))
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(element) = elements.next_element()? {
                    list.push(element);
                }
                Ok(list)
            }
        }
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

/// Free fields; values of any scalar type become text.
impl Lenient for BTreeMap<String, String> {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor;
        impl<'de> Visitor<'de> for MapVisitor {
            type Value = BTreeMap<String, String>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(BTreeMap::new())
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                if text.is_empty() {
                    Ok(BTreeMap::new())
                } else {
                    Err(E::invalid_type(de::Unexpected::Str(text), &self))
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut map = BTreeMap::new();
                while let Some((key, Scalar(value))) = entries.next_entry()? {
                    map.insert(key, value.unwrap_or_default());
                }
                Ok(map)
            }
        }
        deserializer.deserialize_any(MapVisitor)
    }
}

/// A list that CloudStack writes as one text, with commas or blanks between: key pair names, address ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextList(pub Vec<String>);

impl Deref for TextList {
    type Target = [String];
    fn deref(&self) -> &[String] {
        &self.0
    }
}

impl<T: Into<String>> FromIterator<T> for TextList {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        Self(texts.into_iter().map(Into::into).collect())
    }
}

impl Lenient for TextList {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextListVisitor;
        impl<'de> Visitor<'de> for TextListVisitor {
            type Value = TextList;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list in one text")
            }
            fn visit_unit<E>(self) -> Result<TextList, E> {
                Ok(TextList::default())
            }
            fn visit_str<E>(self, text: &str) -> Result<TextList, E> {
                let separator = |c: char| c == ',' || c.is_whitespace();
                Ok(text.split(separator).filter(|piece| !piece.is_empty()).collect())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<TextList, A::Error> {
                let mut list = Vec::new();
                while let Some(Scalar(element)) = elements.next_element()? {
                    list.extend(element);
                }
                Ok(TextList(list))
            }
        }
        deserializer.deserialize_any(TextListVisitor)
    }
}

/// Writes a struct of a reply: every field may be missing, and is decoded leniently under its wire name.
macro_rules! item {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$field_meta:meta])* $wire:literal $field:ident: $type:ty,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(rename = $wire, deserialize_with = "crate::lenient::field")]
                pub $field: $type,
            )*
        }
    };
}

/// Writes an enum of words, with `Other` for words that this version does not know.
macro_rules! words {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$word_meta:meta])* $word:ident = $wire:literal,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$word_meta])* $word,)*
            /// A word that this version of the crate does not know; empty when the server sent none.
            Other(String),
        }

        impl $name {
            /// The word as CloudStack writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$word => $wire,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::Other(String::new())
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                $(if word.eq_ignore_ascii_case($wire) { return Self::$word; })*
                Self::Other(word.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::lenient::FromScalar for $name {
            const EXPECTED: &'static str = "a word";
            fn from_scalar(text: &str) -> Option<Self> {
                Some(Self::from(text))
            }
        }

        impl $crate::lenient::Lenient for $name {
            fn lenient<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(<Option<Self> as $crate::lenient::Lenient>::lenient(deserializer)?.unwrap_or_default())
            }
        }

        impl $crate::parameters::Parameter for $name {
            fn add(&self, name: std::borrow::Cow<'static, str>, to: &mut $crate::parameters::Parameters) {
                to.push(name, self.as_str());
            }
        }
    };
}

pub(crate) use {item, words};
