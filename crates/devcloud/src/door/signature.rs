//! Who signed a request, and until when it counts. How signatures are computed is the client crate's to know.

use std::collections::BTreeMap;

use cloudstack::signature::{Encoding, verify};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

/// Whether `given` is the signature over everything else that came, under the secret key. A strict zone takes the real
/// server's own escaping alone.
pub(super) fn verifies(
    received: &BTreeMap<String, String>,
    secret_key: &SecretString,
    given: &str,
    strict: bool,
) -> bool {
    let pairs: Vec<(&String, &String)> = received.iter().collect();
    let accepted: &[Encoding] = if strict { &[Encoding::Java] } else { &Encoding::ALL };
    verify(&pairs, secret_key.expose_secret(), given, accepted).is_some()
}

/// An expiry as clients write it: `2026-11-23T12:00:00Z`, `…+0000`, `…+01:00`, with or without fractions.
pub(super) fn parse_expiry(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiries_come_in_three_forms() {
        let noon: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
        for text in [
            "2026-11-23T12:00:00Z",
            "2026-11-23T12:00:00+0000",
            "2026-11-23T12:00:00.000+0000",
            "2026-11-23T13:00:00+01:00",
        ] {
            assert_eq!(parse_expiry(text), Some(noon), "{text}");
        }
        assert_eq!(parse_expiry("soon"), None);
    }
}
