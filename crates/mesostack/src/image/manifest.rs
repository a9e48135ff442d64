//! What an image is made of, told in three places: printed at the build's end, inside the image at
//! `/etc/mesostack/manifest.json`, and beside the template as tags. All that can be known of an image without starting
//! it is read from those tags.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where the manifest lies inside an image.
pub const PATH: &str = "/etc/mesostack/manifest.json";

/// CloudStack keeps at most this many characters of a tag's value.
const TAG_VALUE_LIMIT: usize = 255;

const TAG_PREFIX: &str = "mesostack.";

/// The part that is known before anything is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// mesostack's version.
    pub mesostack: String,
    /// The image's name.
    pub image: String,
    /// The build's id.
    pub build: String,
    /// When the build began, by the builder's clock, to the second.
    pub built: Timestamp,
    /// The recipe's digest.
    pub recipe: String,
    /// Which kind of source Mesos and Marathon came from: `clusterd`, `debs`, `standin`.
    pub source: String,
    /// The base template's id.
    pub base_id: String,
    /// The base template's name.
    pub base: String,
}

/// The whole manifest, as it lies in the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What was known beforehand.
    #[serde(flatten)]
    pub head: Head,
    /// The distribution and its release, such as `debian-12`.
    pub system: String,
    /// The main programs, by name: the package that brought each, and its version.
    pub programs: BTreeMap<String, String>,
    /// Every installed package and its version.
    pub packages: BTreeMap<String, String>,
}

/// What the tags beside a template tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Label {
    /// What was known beforehand.
    #[serde(flatten)]
    pub head: Head,
    /// The main programs and their versions; empty for an image that was built without any way into the machine.
    pub programs: BTreeMap<String, String>,
}

impl Head {
    /// The manifest's JSON up to, and without, what the machine adds to it.
    pub(super) fn open_json(&self) -> String {
        // A struct of strings always serialises, to an object.
        let text = serde_json::to_string(self).unwrap_or_default();
        text.strip_suffix('}').unwrap_or(&text).to_owned()
    }
}

impl Manifest {
    /// Reads what the recipe's manifest step printed.
    ///
    /// # Errors
    /// Text that is no manifest.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// What of it is told by tags.
    pub fn label(&self) -> Label {
        Label { head: self.head.clone(), programs: self.programs.clone() }
    }
}

impl Label {
    /// The label of an image whose machine could not be asked.
    pub(super) fn of_head(head: Head) -> Self {
        Self { head, programs: BTreeMap::new() }
    }

    /// As tags: keys `mesostack.…`, values cut to what CloudStack keeps, empty ones left out.
    pub fn tags(&self) -> Vec<(String, String)> {
        let head = &self.head;
        let built = head.built.to_string();
        let mut tags = vec![
            ("version", head.mesostack.as_str()),
            ("image", &head.image),
            ("build", &head.build),
            ("built", &built),
            ("recipe", &head.recipe),
            ("source", &head.source),
            ("base-id", &head.base_id),
            ("base", &head.base),
        ]
        .into_iter()
        .map(|(key, value)| (format!("{TAG_PREFIX}{key}"), cut(value)))
        .collect::<Vec<_>>();
        tags.extend(
            self.programs.iter().map(|(name, version)| (format!("{TAG_PREFIX}program.{name}"), cut(version))),
        );
        tags.retain(|(_, value)| !value.is_empty());
        tags
    }

    /// Reads tags back; none when they are not those of a finished image.
    pub fn of_tags<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let mut known: BTreeMap<&str, &str> = tags
            .into_iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(TAG_PREFIX)?, value)))
            .collect();
        let mut take = |key: &str| known.remove(key).map(str::to_owned);
        let head = Head {
            mesostack: take("version")?,
            image: take("image")?,
            build: take("build")?,
            built: take("built")?.parse().ok()?,
            recipe: take("recipe")?,
            source: take("source").unwrap_or_default(),
            base_id: take("base-id").unwrap_or_default(),
            base: take("base").unwrap_or_default(),
        };
        let programs = known
            .into_iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("program.")?.to_owned(), value.to_owned())))
            .collect();
        Some(Self { head, programs })
    }
}

fn cut(value: &str) -> String {
    value.chars().take(TAG_VALUE_LIMIT).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn head() -> Head {
        Head {
            mesostack: "0.1.0".into(),
            image: "mesos".into(),
            build: "0123456789ab".into(),
            built: "2026-11-23T08:40:00Z".parse().unwrap(),
            recipe: "ab".repeat(32),
            source: "standin".into(),
            base_id: "2f4c".into(),
            base: "Debian \"12\"".into(),
        }
    }

    #[test]
    fn the_machine_can_complete_the_opened_manifest() {
        let text = format!(
            "{},\"system\":\"debian-12\",\"programs\":{{\"mesos\":\"mesos 1.11.0\"}},\"packages\":{{\"adduser\":\"3.134\"}}}}",
            head().open_json()
        );
        let manifest = Manifest::parse(&text).unwrap();
        assert_eq!(manifest.head, head());
        assert_eq!(manifest.packages["adduser"], "3.134");
        assert_eq!(manifest.label().programs["mesos"], "mesos 1.11.0");
    }

    #[test]
    fn a_template_without_our_tags_is_none_of_ours() {
        assert_eq!(Label::of_tags([("os", "debian"), ("mesostack.image", "mesos")]), None);
    }

    proptest! {
        #[test]
        fn a_label_survives_its_tags(base in "[^\0]{1,255}", programs in prop::collection::btree_map("[a-z-]{1,12}", ".{1,40}", 0..5)) {
            let label = Label { head: Head { base, ..head() }, programs };
            let tags = label.tags();
            prop_assert!(tags.iter().all(|(_, value)| value.chars().count() <= 255));
            prop_assert_eq!(Label::of_tags(tags.iter().map(|(k, v)| (k.as_str(), v.as_str()))), Some(label));
        }

        #[test]
        fn no_value_is_longer_than_the_server_keeps(base in "[^\0]{200,600}") {
            let label = Label::of_head(Head { base, ..head() });
            prop_assert!(label.tags().iter().all(|(_, value)| value.chars().count() <= 255));
        }
    }
}
