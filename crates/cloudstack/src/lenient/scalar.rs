//! Values that are one word: texts, numbers, truth values, addresses, dates, secrets.

use std::fmt;
use std::net::Ipv4Addr;
use std::ops::Deref;

use secrecy::{ExposeSecret, SecretString};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::Lenient;
use crate::id::{Id, JobId};

/// A JSON value that is neither list nor object, as text; `None` for `null`.
pub(super) struct Scalar(pub(super) Option<String>);

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read<T: Lenient>(value: Value) -> Result<T, serde_json::Error> {
        T::lenient(value)
    }

    #[test]
    fn truth_values_have_many_shapes() {
        for value in [json!(true), json!("true"), json!("True"), json!("yes"), json!(1), json!("1")] {
            assert_eq!(read::<Option<bool>>(value.clone()).unwrap(), Some(true), "{value}");
        }
        for value in [json!(false), json!("false"), json!("no"), json!(0)] {
            assert_eq!(read::<Option<bool>>(value.clone()).unwrap(), Some(false), "{value}");
        }
        assert!(read::<bool>(json!("maybe")).is_err());
    }

    #[test]
    fn nothing_and_blank_are_absent_numbers_but_a_blank_text_is_a_text() {
        for value in [json!(null), json!(""), json!("  ")] {
            assert_eq!(read::<Option<u16>>(value.clone()).unwrap(), None);
            assert_eq!(read::<u16>(value).unwrap(), 0);
        }
        assert_eq!(read::<Option<String>>(json!("")).unwrap(), Some(String::new()));
        assert_eq!(read::<Option<String>>(json!(null)).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_meant_is_an_error() {
        assert!(read::<u16>(json!(70_000)).is_err());
        assert!(read::<u16>(json!(-1)).is_err());
        assert!(read::<u32>(json!(1.5)).is_err());
        assert!(read::<String>(json!({})).is_err());
        assert!(read::<Option<Id>>(json!(["x"])).is_err());
        let error = read::<Option<Ipv4Addr>>(json!("10.0.0.256")).unwrap_err().to_string();
        assert!(error.contains("an IPv4 address"), "{error}");
    }

    #[test]
    fn dates_come_with_an_offset() {
        let read = |text: &str| read::<Option<jiff::Timestamp>>(json!(text)).unwrap().unwrap().to_string();
        assert_eq!(read("2026-11-23T00:44:37+0000"), "2026-11-23T00:44:37Z");
        assert_eq!(read("2026-11-23T02:44:37+0200"), "2026-11-23T00:44:37Z");
        assert_eq!(read("2026-11-23T00:44:37Z"), "2026-11-23T00:44:37Z");
    }

    proptest! {
        #[test]
        fn a_number_is_the_same_as_its_text(number in any::<i64>()) {
            prop_assert_eq!(read::<i64>(json!(number)).unwrap(), number);
            prop_assert_eq!(read::<i64>(json!(number.to_string())).unwrap(), number);
            prop_assert_eq!(read::<String>(json!(number)).unwrap(), number.to_string());
        }
    }
}
