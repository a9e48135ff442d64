//! What a command has at hand: who calls, with what, and the zone as it is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Arguments, Generated};
use crate::catalogue::{Catalogue, DOMAIN};
use crate::config::ZoneConfig;
use crate::error::ApiError;
use crate::model::{Account, Model, Resource};

/// What does not change while the zone is open.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) config: ZoneConfig,
    pub(crate) catalogue: Catalogue,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) account: Uuid,
    pub(crate) name: String,
    pub(crate) user: Uuid,
    pub(crate) root_admin: bool,
}

/// A command being carried out, under the zone's lock.
pub(crate) struct Call<'a> {
    pub(crate) model: &'a mut Model,
    pub(crate) settings: &'a Settings,
    pub(crate) caller: &'a Caller,
    pub(crate) arguments: &'a Arguments,
    pub(crate) now: Timestamp,
    /// Networks whose routers have to learn of the change before it is answered.
    pub(crate) refresh: Vec<Uuid>,
    /// A fresh key, for the command that asked for one.
    pub(crate) generated: Option<Generated>,
}

/// What rendering needs.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) model: &'a Model,
    pub(crate) settings: &'a Settings,
    pub(crate) root_admin: bool,
}

/// Whose things a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Nobody,
    Account(Uuid),
    Everyone,
}

impl Scope {
    pub(crate) fn includes(self, owner: Uuid) -> bool {
        match self {
            Self::Nobody => false,
            Self::Account(account) => account == owner,
            Self::Everyone => true,
        }
    }
}

impl Call<'_> {
    pub(crate) fn view(&self) -> View<'_> {
        View { model: self.model, settings: self.settings, root_admin: self.caller.root_admin }
    }

    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.settings.catalogue
    }

    /// Whose things this list command shows: a normal user's own, whatever is asked; a root admin's own, or all with
    /// `listall` or an id.
    pub(crate) fn scope(&self) -> Result<Scope, ApiError> {
        let arguments = self.arguments;
        match arguments.text("projectid") {
            Some("-1") => return Ok(Scope::Nobody),
            Some(_) if arguments.text("account").is_some() => {
                return Err(ApiError::invalid("Account and projectId can't be specified together"));
            }
            Some(project) => return Err(ApiError::unknown_entity("list", "projectid", project)),
            None => {}
        }
        if let Some(name) = arguments.text("account") {
            let account = self.model.account_named(name).ok_or_else(|| {
                ApiError::invalid(format!("could not find account {name} in domain {DOMAIN}"))
            })?;
            if account.id != self.caller.account && !self.caller.root_admin {
                return Err(ApiError::not_yours());
            }
            return Ok(Scope::Account(account.id));
        }
        let everyone = arguments.boolean("listall") == Some(true)
            || arguments.id("id").is_some()
            || arguments.ids("ids").is_some();
        Ok(if self.caller.root_admin && everyone {
            Scope::Everyone
        } else {
            Scope::Account(self.caller.account)
        })
    }

    /// Whose a new thing is: the caller's, or (for a root admin who names it) another account's.
    pub(crate) fn owner(&self) -> Result<Uuid, ApiError> {
        let Some(name) = self.arguments.text("account") else { return Ok(self.caller.account) };
        if self.arguments.id("domainid").is_none() {
            return Err(ApiError::invalid("account and domainid must be specified together"));
        }
        let account = self
            .model
            .account_named(name)
            .ok_or_else(|| ApiError::invalid(format!("Unable to find account {name} in domain {DOMAIN}")))?;
        if account.id != self.caller.account && !self.caller.root_admin {
            return Err(ApiError::not_yours());
        }
        Ok(account.id)
    }

    /// Whether a thing is the caller's to change.
    pub(crate) fn must_be_mine(&self, owner: Uuid) -> Result<(), ApiError> {
        if self.caller.root_admin || owner == self.caller.account {
            Ok(())
        } else {
            Err(ApiError::not_yours())
        }
    }

    /// Whether names match as the server's database matches them.
    pub(crate) fn name_is(&self, name: &str) -> bool {
        self.arguments.text("name").is_none_or(|wanted| wanted.eq_ignore_ascii_case(name))
    }

    /// Whether the `keyword` parameter is in one of these texts.
    pub(crate) fn keyword_in(&self, texts: &[&str]) -> bool {
        let Some(keyword) = self.arguments.text("keyword") else { return true };
        let keyword = keyword.to_lowercase();
        texts.iter().any(|text| text.to_lowercase().contains(&keyword))
    }

    /// Whether a thing has one of the tags of the `tags` parameter.
    pub(crate) fn tags_match(&self, resource: Uuid) -> bool {
        let wanted = self.arguments.map("tags");
        let has = |tag: &BTreeMap<String, String>| {
            let set = self.model.tags.get(resource);
            set.is_some_and(|set| {
                set.tags.iter().any(|(key, value)| {
                    tag.get("key").is_none_or(|wanted| wanted == key)
                        && tag.get("value").is_none_or(|wanted| wanted == value)
                })
            })
        };
        wanted.is_empty() || wanted.iter().any(has)
    }

    /// Whether an account may have this much more of a resource.
    pub(crate) fn within_limit(&self, account: Uuid, resource: Resource, more: i64) -> Result<(), ApiError> {
        let limit = self.model.limit(account, resource, &self.settings.config.limits);
        if limit < 0 {
            return Ok(());
        }
        let used = self.model.usage(account, resource, |offering| self.catalogue().size(offering));
        if used + more <= limit {
            return Ok(());
        }
        let name = self.model.accounts.get(account).map(|account| account.name.clone()).unwrap_or_default();
        Err(ApiError::limit(format!(
            "Maximum amount of resources of Type = '{}', tag = 'null' for Account Name = {name} in Domain Id = 1 is exceeded: \
             Account Resource Limit = {limit}, Current Account Resource Amount = {used}, Current Account Resource Reservation \
             = 0, Requested Resource Amount = {more}.",
            resource.name()
        )))
    }
}

impl View<'_> {
    /// The fields every owned thing has: its account and domain.
    pub(crate) fn ownership(&self, account: Uuid) -> Value {
        let name = self.model.accounts.get(account).map(|account: &Account| account.name.as_str());
        json!({
            "account": name,
            "domainid": self.settings.catalogue.domain_id,
            "domain": DOMAIN,
            "domainpath": DOMAIN,
        })
    }

    /// The fields every thing in the zone has.
    pub(crate) fn zone(&self) -> Value {
        json!({ "zoneid": self.settings.catalogue.zone_id, "zonename": self.settings.catalogue.zone_name })
    }

    /// A thing's tags, rendered.
    pub(crate) fn tags(&self, resource: Uuid) -> Value {
        let Some(set) = self.model.tags.get(resource) else { return json!([]) };
        set.tags.iter().map(|(key, value)| super::tag::view(*self, set, key, value)).collect()
    }
}

/// One object of several, fields without a value left out.
pub(crate) fn object<const N: usize>(parts: [Value; N]) -> Value {
    let mut merged = serde_json::Map::new();
    for part in parts {
        if let Value::Object(part) = part {
            merged.extend(part.into_iter().filter(|(_, value)| !value.is_null()));
        }
    }
    Value::Object(merged)
}

/// A time as the API writes it.
pub(crate) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string()
}
