//! Accounts and their users.

use std::collections::BTreeMap;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use super::{Entity, Model, secret};
use crate::driver::NetworkDomain;

/// Who owns things.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) name: String,
    /// Root admins see and may do everything; others only what is theirs.
    pub(crate) root_admin: bool,
    /// Domain admins see and may do everything in their domain and those below it.
    #[serde(default)]
    pub(crate) domain_admin: bool,
    /// The domain it is in; none is ROOT.
    #[serde(default)]
    pub(crate) domain: Option<Uuid>,
    #[serde(default)]
    pub(crate) standing: Standing,
    /// Whether it is being removed: nobody acts for it any more, and it is given nothing.
    #[serde(default)]
    pub(crate) leaving: bool,
    /// The project whose things belong to it; nobody logs in to such an account.
    #[serde(default)]
    pub(crate) project: Option<Uuid>,
    #[serde(default, deserialize_with = "NetworkDomain::some_from_records")]
    pub(crate) network_domain: Option<NetworkDomain>,
    pub(crate) created: Timestamp,
    /// Limits that `updateResourceLimit` set, by the number of the resource type.
    pub(crate) limits: BTreeMap<u8, i64>,
    // Earlier records have accounts with one user each.
    #[serde(alias = "user", deserialize_with = "one_or_several")]
    pub(crate) users: Vec<User>,
}

/// Who calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    #[serde(default)]
    pub(crate) timezone: Option<String>,
    #[serde(default)]
    pub(crate) standing: Standing,
    /// When it was made; none is with its account.
    #[serde(default)]
    pub(crate) created: Option<Timestamp>,
    pub(crate) api_key: Option<String>,
    #[serde(with = "secret")]
    pub(crate) secret_key: SecretString,
    #[serde(with = "secret")]
    pub(crate) password: SecretString,
}

/// Whether an account or a user may do anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Standing {
    #[default]
    Enabled,
    Disabled,
    Locked,
}

impl Standing {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Locked => "locked",
        }
    }
}

fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<User>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Users {
        Several(Vec<User>),
        One(Box<User>),
    }
    Ok(match Users::deserialize(deserializer)? {
        Users::Several(users) => users,
        Users::One(user) => vec![*user],
    })
}

impl Entity for Account {
    const KIND: &'static str = "account";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}

impl Account {
    /// 0 a user's, 1 a root admin's, 2 a domain admin's, 5 a project's.
    pub(crate) fn kind(&self) -> i64 {
        match (self.root_admin, self.domain_admin, self.project) {
            (_, _, Some(_)) => 5,
            (true, ..) => 1,
            (_, true, _) => 2,
            _ => 0,
        }
    }

    /// The user who stands for the account where one is shown.
    pub(crate) fn first_user(&self) -> Option<&User> {
        self.users.first()
    }
}

impl Model {
    /// All users, each with its account.
    pub(crate) fn users(&self) -> impl Iterator<Item = (&Account, &User)> {
        self.accounts.iter().flat_map(|account| account.users.iter().map(move |user| (account, user)))
    }

    /// The user with this id, and its account.
    pub(crate) fn user(&self, id: Uuid) -> Option<(&Account, &User)> {
        self.users().find(|(_, user)| user.id == id)
    }

    /// The user, to be changed.
    pub(crate) fn edit_user(&mut self, id: Uuid) -> Option<&mut User> {
        let account = self.user(id)?.0.id;
        self.accounts.edit(account)?.users.iter_mut().find(|user| user.id == id)
    }

    /// Whether an account is being removed, or has been.
    pub(crate) fn is_leaving(&self, account: Uuid) -> bool {
        self.accounts.get(account).is_none_or(|account| account.leaving)
    }

    /// The account with this name in a domain (names are compared without regard to case, as the server's database does).
    pub(crate) fn account_in(&self, domain: Option<Uuid>, name: &str) -> Option<&Account> {
        self.accounts
            .iter()
            .find(|account| account.domain == domain && account.name.eq_ignore_ascii_case(name))
    }
}
