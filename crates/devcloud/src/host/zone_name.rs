//! What a zone may be called on a host.

use std::fmt;
use std::str::FromStr;

/// The longest zone name; a router's control socket with it still fits into a socket address.
const LONGEST: usize = 24;

/// A zone's name on this host: lower-case letters, digits and hyphens, 1 to 24 characters, a letter first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ZoneName(String);

/// A zone name that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" cannot be a zone's name on this host: use 1 to {LONGEST} lower-case letters, digits and hyphens, \
     starting with a letter and not ending with a hyphen"
)]
pub struct InvalidZoneName(String);

impl FromStr for ZoneName {
    type Err = InvalidZoneName;

    fn from_str(text: &str) -> Result<Self, InvalidZoneName> {
        let legal = (1..=LONGEST).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if legal { Ok(Self(text.to_owned())) } else { Err(InvalidZoneName(text.to_owned())) }
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl ZoneName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kernel_or_a_shell_could_trip_over_are_refused() {
        for name in
            ["", "Zone", "1zone", "a_b", "a b", "a-", "-a", "../a", "a/b", "abcdefghijklmnopqrstuvwxy"]
        {
            assert!(name.parse::<ZoneName>().is_err(), "{name:?} was accepted");
        }
        assert!("abcdefghijklmnopqrstuvwx".parse::<ZoneName>().is_ok());
    }
}
