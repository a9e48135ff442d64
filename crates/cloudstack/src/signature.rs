//! How a request proves who sent it.
//!
//! Everything here is a pure function over a list of `(name, value)` pairs, so that both ends can use it: the client to
//! sign, a server (or a test double of one) to verify. The rules are those of CloudStack's API servlet:
//!
//! 1. all parameters but `signature` itself count, whatever their names;
//! 2. they are sorted by their raw names, upper case before lower case, as Java compares strings;
//! 3. each becomes `name=value`, the name raw, the value URL-encoded; they are joined by `&`;
//! 4. the whole text is turned to lower case, escapes included, and signed with HMAC-SHA1 under the secret key; the
//!    signature is the Base64 text of that.
//!
//! Clients differ in what they leave unescaped. A real server accepts [`Encoding::Java`] alone; the other encodings are
//! here for a server that wants to welcome such clients.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;

/// What is left as it is by all encodings, beside letters and digits.
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
const JAVA: AsciiSet = UNRESERVED.remove(b'*');
const RAW_TILDE: AsciiSet = JAVA.remove(b'~');
const RAW_TILDE_ESCAPED_STAR: AsciiSet = UNRESERVED.remove(b'~');
const LIBCLOUD: AsciiSet = RAW_TILDE.remove(b'[').remove(b']');

/// A way of URL-encoding values (and of ordering names) before signing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// What a CloudStack server computes: `*` raw, `~` as `%7E`, space as `%20`.
    Java,
    /// `~` and `*` raw: newer Go clients and Python's `cs`.
    RawTilde,
    /// `~` raw, `*` as `%2A`: Go clients up to 2.12.
    EscapedStar,
    /// Names are turned to lower case before they are sorted, and `[`, `]`, `~` and `*` stay raw: Apache Libcloud.
    Libcloud,
}

impl Encoding {
    /// All encodings, the server's own first.
    pub const ALL: [Self; 4] = [Self::Java, Self::RawTilde, Self::EscapedStar, Self::Libcloud];

    fn escaped(self) -> &'static AsciiSet {
        match self {
            Self::Java => &JAVA,
            Self::RawTilde => &RAW_TILDE,
            Self::EscapedStar => &RAW_TILDE_ESCAPED_STAR,
            Self::Libcloud => &LIBCLOUD,
        }
    }
}

/// The text that is signed.
///
/// A pair called `signature` (in any case) is left out; the others may come in any order. Of several pairs with one
/// name all count, in the order given; a server has merged them before.
///
/// ```
/// use cloudstack::signature::{canonical, Encoding};
///
/// let pairs = [("command", "listZones"), ("apiKey", "Key"), ("name", "a b~")];
/// assert_eq!(canonical(&pairs, Encoding::Java), "apikey=key&command=listzones&name=a%20b%7e");
/// ```
#[must_use]
pub fn canonical<N: AsRef<str>, V: AsRef<str>>(pairs: &[(N, V)], encoding: Encoding) -> String {
    let mut counted: Vec<(std::borrow::Cow<'_, str>, &str)> = pairs
        .iter()
        .map(|(name, value)| (name.as_ref(), value.as_ref()))
        .filter(|(name, _)| !name.eq_ignore_ascii_case("signature"))
        .map(|(name, value)| match encoding {
            Encoding::Libcloud => (name.to_lowercase().into(), value),
            _ => (name.into(), value),
        })
        .collect();
    // Java orders strings by UTF-16 code units.
    counted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    let mut text = String::new();
    for (name, value) in counted {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(&name);
        text.push('=');
        text.extend(utf8_percent_encode(value, encoding.escaped()));
    }
    text.to_lowercase()
}

/// The signature over `pairs` under `secret`, as Base64 text (not yet URL-encoded).
///
/// ```
/// use cloudstack::signature::{signature, Encoding};
///
/// let pairs = [("command", "listZones"), ("response", "json"), ("apiKey", "key")];
/// assert_eq!(signature(&pairs, "secret", Encoding::Java), "CB2VceYQ2lFqNkAe+39yeUIsH5w=");
/// ```
#[must_use]
pub fn signature<N: AsRef<str>, V: AsRef<str>>(pairs: &[(N, V)], secret: &str, encoding: Encoding) -> String {
    BASE64.encode(keyed(secret, &canonical(pairs, encoding)).finalize().into_bytes())
}

/// A text of any kind signed with a secret key, in Base64: a cloud's identifier, for one.
#[must_use]
pub fn signed_text(text: &str, secret: &str) -> String {
    BASE64.encode(keyed(secret, text).finalize().into_bytes())
}

/// Tells by which of `accepted` encodings `given` (Base64 text) is the signature over `pairs`, if by any.
///
/// The comparison takes the same time wherever the signatures differ.
#[must_use]
pub fn verify<N: AsRef<str>, V: AsRef<str>>(
    pairs: &[(N, V)],
    secret: &str,
    given: &str,
    accepted: &[Encoding],
) -> Option<Encoding> {
    let given = BASE64.decode(given).ok()?;
    accepted
        .iter()
        .copied()
        .find(|encoding| keyed(secret, &canonical(pairs, *encoding)).verify_slice(&given).is_ok())
}

fn keyed(secret: &str, text: &str) -> Hmac<Sha1> {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac
}

/// Writes pairs as `application/x-www-form-urlencoded`, names and values escaped alike, a space as `%20`.
#[must_use]
pub fn form<N: AsRef<str>, V: AsRef<str>>(pairs: &[(N, V)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.extend(utf8_percent_encode(name.as_ref(), &UNRESERVED));
        text.push('=');
        text.extend(utf8_percent_encode(value.as_ref(), &UNRESERVED));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAIRS: [(&str, &str); 8] = [
        ("command", "deployVirtualMachine"),
        ("response", "json"),
        ("apiKey", "Some_Api-Key"),
        ("signatureVersion", "3"),
        ("expires", "2026-11-23T00:44:37+0000"),
        ("displayname", "VM two ~*(é)[0]/a+b"),
        ("details[0].cpuNumber", "2"),
        ("Zone", "Z"),
    ];

    /// Computed with Python's hmac and urllib, and with openssl.
    #[test]
    fn signatures_are_those_of_independent_implementations() {
        for (encoding, expected) in [
            (Encoding::Java, "GNHbQHtqGNJLGqhkY4y8pSXE4LI="),
            (Encoding::RawTilde, "BnUQY8mKq3Eew//jql2t1/Nq5tw="),
            (Encoding::EscapedStar, "WfUkMLRT+/Jzn9JpCTVf+9mJ1M4="),
            (Encoding::Libcloud, "twI42Qn+qV+TRFa95Sd1yk8p6zI="),
        ] {
            assert_eq!(signature(&PAIRS, "Some-Secret_Key", encoding), expected, "{encoding:?}");
        }
    }

    #[test]
    fn the_server_s_text_has_names_raw_and_sorted_upper_case_first() {
        assert_eq!(
            canonical(&PAIRS, Encoding::Java),
            "zone=z&apikey=some_api-key&command=deployvirtualmachine&details[0].cpunumber=2\
             &displayname=vm%20two%20%7e*%28%c3%a9%29%5b0%5d%2fa%2bb\
             &expires=2026-11-23t00%3a44%3a37%2b0000&response=json&signatureversion=3"
        );
    }

    /// What a real server accepted and refused for one value, by the way it was encoded before signing.
    #[test]
    fn encodings_agree_with_the_server_s_exactly_where_it_accepts_them() {
        let accepted = |value: &str, encoding| {
            canonical(&[("v", value)], encoding) == canonical(&[("v", value)], Encoding::Java)
        };
        for value in ["a b", "a[b]", "a/b", "a,b", "é", "a+b", "a@b", "a'b", "a(b)!", "A:B"] {
            assert!(accepted(value, Encoding::EscapedStar), "{value}");
            assert!(accepted(value, Encoding::RawTilde), "{value}");
        }
        assert!(!accepted("a*b", Encoding::EscapedStar));
        assert!(accepted("a*b", Encoding::RawTilde));
        assert!(!accepted("a~b", Encoding::EscapedStar));
        assert!(!accepted("a~b", Encoding::RawTilde));
    }

    #[test]
    fn a_signature_among_the_pairs_does_not_count() {
        let mut with = PAIRS.to_vec();
        with.push(("Signature", "anything"));
        assert_eq!(canonical(&with, Encoding::Java), canonical(&PAIRS, Encoding::Java));
    }

    #[test]
    fn verification_tells_the_encoding_and_refuses_what_is_not_accepted() {
        let given = signature(&PAIRS, "secret", Encoding::EscapedStar);
        assert_eq!(verify(&PAIRS, "secret", &given, &Encoding::ALL), Some(Encoding::EscapedStar));
        assert_eq!(verify(&PAIRS, "secret", &given, &[Encoding::Java]), None);
        assert_eq!(verify(&PAIRS, "Secret", &given, &Encoding::ALL), None);
        assert_eq!(verify(&PAIRS, "secret", "no base64!", &Encoding::ALL), None);
        assert_eq!(verify(&PAIRS, "secret", "", &Encoding::ALL), None);
    }

    fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
        prop::collection::vec(("[a-zA-Z][a-zA-Z0-9\\[\\].]{0,12}", "\\PC{0,20}"), 0..8)
    }

    proptest! {
        #[test]
        fn what_is_signed_verifies_and_a_changed_value_does_not(
            pairs in pairs(), secret in "\\PC{0,40}", at in any::<prop::sample::Index>()
        ) {
            let given = signature(&pairs, &secret, Encoding::Java);
            prop_assert_eq!(verify(&pairs, &secret, &given, &[Encoding::Java]), Some(Encoding::Java));
            if !pairs.is_empty() {
                let mut changed = pairs.clone();
                let index = at.index(changed.len());
                changed[index].1.push('x');
                let counts = !changed[index].0.eq_ignore_ascii_case("signature");
                prop_assert_eq!(verify(&changed, &secret, &given, &[Encoding::Java]).is_none(), counts);
            }
        }

        #[test]
        fn the_order_of_pairs_with_different_names_does_not_count(pairs in pairs(), seed in any::<u64>()) {
            let mut unique = pairs;
            unique.sort();
            unique.dedup_by(|a, b| a.0 == b.0);
            let mut turned = unique.clone();
            let by = (seed as usize) % turned.len().max(1);
            turned.rotate_left(by);
            prop_assert_eq!(canonical(&unique, Encoding::Java), canonical(&turned, Encoding::Java));
        }

        #[test]
        fn a_form_reads_back_as_it_was_written(pairs in pairs()) {
            let read: Vec<(String, String)> = url::form_urlencoded::parse(form(&pairs).as_bytes())
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect();
            prop_assert_eq!(read, pairs);
        }
    }
}
