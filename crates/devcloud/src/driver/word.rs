//! Words that a driver writes into a configuration file or a command line of the host: the only texts of a tenant's that
//! get there. Each is made by parsing alone and has no character in it that a file's or a command's reader gives a meaning.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// A text is not the word that it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not {0}")]
pub struct NotAWord(&'static str);

macro_rules! words {
    ($($(#[$about:meta])* $word:ident, $article:literal, $check:ident;)*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $word(String);

        impl $word {
            /// The word itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $word {
            type Err = NotAWord;

            fn from_str(text: &str) -> Result<Self, NotAWord> {
                if $check(text) { Ok(Self(text.to_owned())) } else { Err(NotAWord($article)) }
            }
        }

        impl TryFrom<String> for $word {
            type Error = NotAWord;

            fn try_from(text: String) -> Result<Self, NotAWord> {
                text.parse()
            }
        }

        impl fmt::Display for $word {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

words! {
    /// A machine's name: 1 to 63 letters, digits and hyphens, a letter first, no hyphen last.
    HostName, "a host name", is_host_name;
    /// The domain a network's machines are in: at most 190 characters, labels of 1 to 63 letters, digits and hyphens with
    /// no hyphen at either end, and dots between them.
    NetworkDomain, "a network domain", is_network_domain;
    /// A hardware address: six pairs of hexadecimal digits in lower case with colons between them.
    MacAddress, "a hardware address", is_mac_address;
    /// A cookie's name: letters, digits, `-`, `_` and `.`.
    CookieName, "a cookie's name", is_cookie_name;
}

impl MacAddress {
    /// Whether it is one interface's, and not that of several.
    pub(crate) fn is_unicast(&self) -> bool {
        u8::from_str_radix(&self.0[..2], 16).is_ok_and(|first| first & 1 == 0)
    }
}

impl NetworkDomain {
    /// Reads one from records. Earlier ones kept whatever text a tenant gave: what is none is read as `internal`.
    pub(crate) fn from_records<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(text.parse().unwrap_or_else(|_| Self("internal".to_owned())))
    }

    /// The same where there may be none: what is none is read so.
    pub(crate) fn some_from_records<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Self>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.and_then(|text| text.parse().ok()))
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_host_name(name: &str) -> bool {
    is_label(name) && name.starts_with(|first: char| first.is_ascii_alphabetic())
}

fn is_network_domain(domain: &str) -> bool {
    domain.len() <= 190 && domain.split('.').all(is_label)
}

fn is_mac_address(address: &str) -> bool {
    let pair = |pair: &str| {
        pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    address.split(':').count() == 6 && address.split(':').all(pair)
}

fn is_cookie_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn host_names_are_letters_digits_and_hyphens() {
        for good in ["a", "master-1", "M1", "a-b-c", &"a".repeat(63)] {
            assert!(good.parse::<HostName>().is_ok(), "{good}");
        }
        for bad in ["", "1a", "-a", "a-", "a.b", "a_b", "ä", &"a".repeat(64), "7", "a\nb", "a\n"] {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn network_domains_are_labels_with_dots_between_them() {
        let longest = format!("{}.{}.{}", "a".repeat(63), "b".repeat(63), "c".repeat(62));
        assert_eq!(longest.len(), 190);
        for good in ["a", "cs1cloud.internal", "7.example", "A-b.C", &longest] {
            assert!(good.parse::<NetworkDomain>().is_ok(), "{good}");
        }
        let longer = format!("{longest}c");
        let label = "a".repeat(64);
        for bad in [
            "",
            ".",
            "a..b",
            ".a",
            "a.",
            "-a",
            "a-.b",
            "a_b",
            "a/b",
            "a b",
            "a,b",
            "a#b",
            "x\nconf-script=/bin/sh",
            "x\r",
            "x\n",
            "ä.de",
            &longer,
            &label,
        ] {
            assert!(bad.parse::<NetworkDomain>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hardware_addresses_are_six_pairs_of_hexadecimal_digits() {
        assert!("02:00:0a:00:00:ff".parse::<MacAddress>().is_ok());
        for bad in ["", "02:00:0a:00:00", "02:00:0A:00:00:FF", "+2:00:0a:00:00:ff", "02:00:0a:00:00:ff\n"] {
            assert!(bad.parse::<MacAddress>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn records_of_an_earlier_zone_are_read_whatever_was_kept_in_them() {
        #[derive(Deserialize)]
        struct Kept {
            #[serde(deserialize_with = "NetworkDomain::from_records")]
            network: NetworkDomain,
            #[serde(default, deserialize_with = "NetworkDomain::some_from_records")]
            account: Option<NetworkDomain>,
        }
        let bad = r#"{"network":"x\nconf-script=/bin/sh","account":"x\naddn-hosts=/etc/shadow"}"#;
        let bad: Kept = serde_json::from_str(bad).expect("it is read");
        assert_eq!((bad.network.as_str(), bad.account), ("internal", None));
        let good: Kept = serde_json::from_str(r#"{"network":"a.b","account":"c"}"#).expect("it is read");
        assert_eq!(
            (good.network.as_str(), good.account.as_ref().map(NetworkDomain::as_str)),
            ("a.b", Some("c"))
        );
    }

    proptest! {
        #[test]
        fn no_word_has_a_character_with_a_meaning_to_the_files_it_is_written_into(text in "[a-z0-9.:\\-_\n\r \t/=,#'\"\\\\{}$%]{1,12}|\\PC{0,8}") {
            let harmless = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
            prop_assert!(text.parse::<HostName>().map_or(true, |word| harmless(word.as_str())));
            prop_assert!(text.parse::<NetworkDomain>().map_or(true, |word| harmless(word.as_str())));
            prop_assert!(text.parse::<MacAddress>().map_or(true, |word| harmless(word.as_str())));
            prop_assert!(text.parse::<CookieName>().map_or(true, |word| harmless(word.as_str())));
        }
    }
}
