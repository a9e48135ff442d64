//! Domains: what accounts are in, one below the other. The topmost, ROOT, is the catalogue's and has no record; here it is
//! where no domain is named.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entity, Model};
use crate::catalogue::DOMAIN;
use crate::driver::NetworkDomain;

/// A domain below ROOT.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Domain {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) name: String,
    /// The domain it is in; none is ROOT.
    pub(crate) parent: Option<Uuid>,
    #[serde(default, deserialize_with = "NetworkDomain::some_from_records")]
    pub(crate) network_domain: Option<NetworkDomain>,
    pub(crate) created: Timestamp,
    /// Limits that `updateResourceLimit` set, by the number of the resource type; what is not here is without limit.
    #[serde(default)]
    pub(crate) limits: BTreeMap<u8, i64>,
}

impl Entity for Domain {
    const KIND: &'static str = "domain";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}

impl Model {
    /// A domain and those it is in, the innermost first, without ROOT.
    pub(super) fn domains_up_from(&self, domain: Option<Uuid>) -> impl Iterator<Item = &Domain> {
        let first = domain.and_then(|domain| self.domains.get(domain));
        std::iter::successors(first, |domain| domain.parent.and_then(|parent| self.domains.get(parent)))
    }

    /// `ROOT/department/team`.
    pub(crate) fn domain_path(&self, domain: Option<Uuid>) -> String {
        let mut names: Vec<&str> =
            self.domains_up_from(domain).map(|domain| domain.name.as_str()).chain([DOMAIN]).collect();
        names.reverse();
        names.join("/")
    }

    /// The domain's own name.
    pub(crate) fn domain_name(&self, domain: Option<Uuid>) -> &str {
        domain.and_then(|domain| self.domains.get(domain)).map_or(DOMAIN, |domain| &domain.name)
    }

    /// What the networks of an account are called where nothing else is said: as its own record says, else as the
    /// innermost of its domains that says anything does.
    pub(crate) fn network_domain_of(&self, account: Uuid) -> Option<&NetworkDomain> {
        let account = self.accounts.get(account)?;
        let above = || self.domains_up_from(account.domain).find_map(|domain| domain.network_domain.as_ref());
        account.network_domain.as_ref().or_else(above)
    }

    /// How many domains there are above it.
    pub(crate) fn domain_level(&self, domain: Option<Uuid>) -> usize {
        self.domains_up_from(domain).count()
    }

    /// Whether `inner` is `outer` or somewhere below it.
    pub(crate) fn domain_holds(&self, outer: Option<Uuid>, inner: Option<Uuid>) -> bool {
        outer.is_none() || self.domains_up_from(inner).any(|domain| Some(domain.id) == outer)
    }
}
