//! The names of what a build makes for a while, and what they tell.
//!
//! Whatever a build leaves behind when it is killed has to be found without a file on anybody's disk, and a tag is a
//! call of its own after the create: a build killed in between would leave a thing that nobody knows. So name and
//! description, which are part of the create itself, say it all: whose, since when (the server keeps that), for how long
//! at most, and which ports of somebody else's address were opened for it.

use std::{
    fmt, fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use serde::Serialize;
use uuid::Uuid;

const PREFIX: &str = "mesostack-build-";
const TRY_SUFFIX: &str = "-try";
const DIGITS: usize = 12;

/// One build, by twelve hexadecimal digits. Random, so that no two builders anywhere can meet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BuildId(String);

/// Text that is no build's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a build's id is {DIGITS} hexadecimal digits")]
pub struct InvalidBuildId;

impl BuildId {
    /// A new one.
    pub fn random() -> Self {
        Self(Uuid::new_v4().simple().to_string()[..DIGITS].to_owned())
    }

    /// The build that something called `name` was made for, if any.
    pub fn of_name(name: &str) -> Option<Self> {
        let rest = name.strip_prefix(PREFIX)?;
        rest.strip_suffix(TRY_SUFFIX).unwrap_or(rest).parse().ok()
    }

    /// What the build's network, machine and unfinished template are called.
    pub fn name(&self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    /// What the machine is called that the finished template is tried on.
    pub fn try_name(&self) -> String {
        format!("{PREFIX}{}{TRY_SUFFIX}", self.0)
    }

    /// Where the key of a build that was kept lies, on the machine that built.
    pub(super) fn key_file(&self, directory: &Path) -> PathBuf {
        directory.join(format!("{}.key", self.name()))
    }

    /// Removes the key of a build that was kept, if it lies in `directory`: once the machine is gone it opens nothing.
    ///
    /// # Errors
    /// When the file is there and cannot be removed.
    pub fn forget_key(&self, directory: &Path) -> io::Result<()> {
        match fs::remove_file(self.key_file(directory)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }

    /// Where the search for a free pair of public ports begins: spread, so that two builds behind one address
    /// seldom want the same.
    pub(super) fn first_port(&self) -> u16 {
        let number = u64::from_str_radix(&self.0, 16).unwrap_or_default();
        // Remainder below 5000: it fits.
        50_000 + 2 * (number % 5_000) as u16
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BuildId {
    type Err = InvalidBuildId;

    fn from_str(text: &str) -> Result<Self, InvalidBuildId> {
        let hexadecimal = text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
        if text.len() == DIGITS && hexadecimal { Ok(Self(text.to_owned())) } else { Err(InvalidBuildId) }
    }
}

/// What the description of a temporary thing says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Purpose {
    /// Who builds: `user@host`.
    pub holder: String,
    /// How long the build lasts at most, counted from the thing's creation.
    pub lifetime: Duration,
    /// The first of two ports that were opened for the build on an address which is not its own.
    pub opened: Option<(Ipv4Addr, u16)>,
}

impl Purpose {
    /// Reads a description back; none when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("temporary, for an image build by ")?;
        let (holder, rest) = rest.split_once(" of at most ")?;
        let (seconds, rest) = rest.split_once(" s")?;
        let opened = rest.strip_prefix(" with ports of ").and_then(|rest| {
            let (address, port) = rest.split_once(" from ")?;
            Some((address.parse().ok()?, port.parse().ok()?))
        });
        Some(Self { holder: holder.to_owned(), lifetime: Duration::from_secs(seconds.parse().ok()?), opened })
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The holder's name is the only free text; it must not be able to look like the rest.
        let holder: String =
            self.holder.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).take(64).collect();
        write!(f, "temporary, for an image build by {holder} of at most {} s", self.lifetime.as_secs())?;
        if let Some((address, port)) = self.opened {
            write!(f, " with ports of {address} from {port}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn everything_a_build_makes_leads_back_to_it() {
        let id = BuildId::random();
        assert_eq!(BuildId::of_name(&id.name()), Some(id.clone()));
        assert_eq!(BuildId::of_name(&id.try_name()), Some(id));
    }

    #[test]
    fn names_that_only_look_like_a_build_are_not_ours() {
        for name in [
            "mesostack-build-",
            "mesostack-build-xyz",
            "mesostack-build-0123456789ab-x",
            "mesos-0123456789ab",
        ] {
            assert_eq!(BuildId::of_name(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_purpose_survives_its_description(holder in "[!-~]{1,40}", seconds in 0u64..1_000_000, opened in prop::option::of((any::<u32>(), any::<u16>()))) {
            let purpose = Purpose {
                holder,
                lifetime: Duration::from_secs(seconds),
                opened: opened.map(|(address, port)| (Ipv4Addr::from(address), port)),
            };
            let text = purpose.to_string();
            prop_assert!(text.len() <= 255);
            prop_assert_eq!(Purpose::parse(&text), Some(purpose));
        }

        #[test]
        fn ports_lie_in_the_range_for_the_purpose(number in any::<u128>()) {
            let id: BuildId = format!("{number:032x}")[..12].parse().unwrap();
            prop_assert!((50_000..60_000).contains(&id.first_port()) && id.first_port().is_multiple_of(2));
        }
    }
}
