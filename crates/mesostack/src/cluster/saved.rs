//! A plan in a file, made now and carried out later: what it was made from goes with it, so that it is carried out only as
//! long as that still holds.
//!
//! Nothing in such a file is ever done because the file says so. The cloud is looked at anew, a plan is made anew, and the
//! two are compared: the file only tells what somebody agreed to. So a file that was changed by hand can at most be
//! refused, and it needs no secret and holds none. The document is described in docs/plan.md.

mod difference;
mod facts;

use std::collections::BTreeMap;

use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use self::difference::{Difference, Moved};
use super::{desired::Desired, observed::Observed, plan::Plan};

/// The version of the document. One that is read has to have this one.
const VERSION: u64 = 1;
/// What the document says that it is.
const KIND: &str = "mesostack plan";
/// The largest file that is read: a plan of 10,000 nodes has some 30 MB.
pub const LARGEST: u64 = 256 << 20;

/// What was wanted or seen: what it is about, and how that was.
type Facts = BTreeMap<String, String>;

/// A plan with everything it was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// The version of mesostack that made it.
    mesostack: String,
    /// The cluster's name.
    cluster: String,
    /// The zone, as the file names it.
    zone: String,
    /// The API's address, without anything secret.
    cloud: String,
    /// What the file asks for.
    wanted: Facts,
    /// What the cloud had.
    seen: Facts,
    /// The document that `plan --json` prints.
    plan: Value,
}

/// The file as a whole.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File<S> {
    kind: String,
    version: u64,
    /// SHA-256 of the compact form of `saved`: tells a damaged file from one that is whole.
    digest: String,
    saved: S,
}

/// What has to be right before anything else is read.
#[derive(Deserialize)]
struct Head {
    kind: Option<String>,
    version: Option<u64>,
}

/// Why a saved plan is not carried out.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum Unusable {
    /// It is no saved plan, or not all of one.
    #[error("this is not a saved plan: {0}")]
    #[diagnostic(code(mesostack::plan::unreadable), help("`mesostack plan --out FILE` writes one"))]
    NotOne(String),
    /// Another version of the document.
    #[error(
        "this plan was saved in version {found} of the document, and this mesostack reads version {VERSION}"
    )]
    #[diagnostic(
        code(mesostack::plan::version),
        help("save it again with this mesostack, or use the one it was saved with")
    )]
    Version {
        /// The file's.
        found: u64,
    },
    /// What it holds is not what was written.
    #[error("this plan was changed since it was saved")]
    #[diagnostic(code(mesostack::plan::changed), help("save it again: `mesostack plan --out FILE`"))]
    Changed,
    /// It is about something else.
    #[error("this plan is for the {what} {then}, and the file describes {now}")]
    #[diagnostic(
        code(mesostack::plan::elsewhere),
        help("name the file it was made from with --file, or save a plan of this one")
    )]
    Elsewhere {
        /// What is another.
        what: &'static str,
        /// The plan's.
        then: String,
        /// The file's.
        now: String,
    },
    /// Something has moved since.
    #[error("this plan is out of date\n{0}")]
    #[diagnostic(
        code(mesostack::plan::out_of_date),
        help(
            "nothing was changed; look at the difference, then save a new plan: `mesostack plan --out FILE`"
        )
    )]
    Moved(Box<Difference>),
}

impl SavedPlan {
    /// A plan, with what it was made from. `cloud` is the API's address.
    ///
    /// # Errors
    /// The plan cannot be written as a document; that would be a mistake of this program's.
    pub fn of(
        plan: &Plan,
        desired: &Desired,
        observed: &Observed,
        cloud: &str,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            mesostack: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: plan.cluster.clone(),
            zone: desired.spec.cloud.zone.clone(),
            cloud: cloud.to_owned(),
            wanted: facts::wanted(desired),
            seen: facts::seen(observed),
            plan: serde_json::to_value(plan)?,
        })
    }

    /// The file's text.
    ///
    /// # Errors
    /// See [`SavedPlan::of`].
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        let file = File { kind: KIND.to_owned(), version: VERSION, digest: self.digest()?, saved: self };
        Ok(serde_json::to_string_pretty(&file)? + "\n")
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// It is no saved plan of this version, or not a whole one.
    pub fn parse(text: &[u8]) -> Result<Self, Unusable> {
        let unreadable = |error: serde_json::Error| Unusable::NotOne(error.to_string());
        let head: Head = serde_json::from_slice(text).map_err(unreadable)?;
        if head.kind.as_deref() != Some(KIND) {
            return Err(Unusable::NotOne(format!("its `kind` is not \"{KIND}\"")));
        }
        match head.version {
            Some(VERSION) => {}
            Some(found) => return Err(Unusable::Version { found }),
            None => return Err(Unusable::NotOne("it has no `version`".to_owned())),
        }
        let file: File<Self> = serde_json::from_slice(text).map_err(unreadable)?;
        if file.saved.digest().map_err(unreadable)? != file.digest {
            return Err(Unusable::Changed);
        }
        Ok(file.saved)
    }

    /// Whether a file's text says that it is a saved plan, of whatever version and whole or not: one that may be written
    /// over by another.
    pub fn is_one(text: &[u8]) -> bool {
        serde_json::from_slice::<Head>(text).is_ok_and(|head| head.kind.as_deref() == Some(KIND))
    }

    /// Whether this plan still is what would be done: `now` is one made of the same file and cloud as they are now.
    ///
    /// # Errors
    /// It is about another cluster, or something has moved.
    pub fn holds(&self, now: &Self) -> Result<(), Unusable> {
        let places = [
            ("cluster", &self.cluster, &now.cluster),
            ("zone", &self.zone, &now.zone),
            ("cloud", &self.cloud, &now.cloud),
        ];
        for (what, then, now) in places {
            if then != now {
                return Err(Unusable::Elsewhere { what, then: then.clone(), now: now.clone() });
            }
        }
        let difference = Difference::between(self, now);
        if difference.is_none() { Ok(()) } else { Err(Unusable::Moved(difference.into())) }
    }

    fn digest(&self) -> Result<String, serde_json::Error> {
        Ok(sha256(&serde_json::to_vec(self)?))
    }
}

/// In lower-case hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
