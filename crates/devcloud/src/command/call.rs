//! What a command has at hand: who calls, with what, and the zone as it is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Arguments, Generated};
use crate::catalogue::Catalogue;
use crate::config::ZoneConfig;
use crate::door::Windows;
use crate::error::ApiError;
use crate::model::{Model, Resource};
use crate::own::Tickets;

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
    /// The domain whose admin it is, where it is one; the inner none is ROOT.
    pub(crate) domain_admin: Option<Option<Uuid>>,
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
    /// Templates to be fetched once the change is durable.
    pub(crate) fetch: Vec<Uuid>,
    /// The server that it came to.
    pub(crate) server: Server<'a>,
    /// A fresh key, for the command that asked for one.
    pub(crate) generated: Option<Generated>,
}

/// The host of a call that came by no socket.
pub(crate) const NOWHERE: &str = "localhost";

/// What of the server itself commands use, besides the zone.
#[derive(Clone, Copy)]
pub(crate) struct Server<'a> {
    /// How often everyone has called.
    pub(crate) windows: &'a Windows,
    /// Who may see which console.
    pub(crate) tickets: &'a Tickets,
    /// The host and port it was called at.
    pub(crate) host: &'a str,
}

/// What rendering needs.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) model: &'a Model,
    pub(crate) settings: &'a Settings,
    pub(crate) root_admin: bool,
    /// Who looks.
    pub(crate) account: Uuid,
}

/// Whose things a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Account(Uuid),
    Several(BTreeSet<Uuid>),
    Everyone,
}

impl Scope {
    pub(crate) fn includes(&self, owner: Uuid) -> bool {
        match self {
            Self::Account(account) => *account == owner,
            Self::Several(accounts) => accounts.contains(&owner),
            Self::Everyone => true,
        }
    }
}

/// Whether a caller may see and change what belongs to an account: its own, that of its projects, for a domain admin that
/// of its domain, for a root admin everything.
pub(crate) fn may_use(model: &Model, caller: &Caller, owner: Uuid) -> bool {
    if caller.root_admin || owner == caller.account {
        return true;
    }
    let Some(owner) = model.accounts.get(owner) else { return false };
    let in_project = model.project_of(owner).is_some_and(|project| project.members.contains(&caller.account));
    in_project || caller.domain_admin.is_some_and(|domain| model.domain_holds(domain, owner.domain))
}

impl Call<'_> {
    pub(crate) fn view(&self) -> View<'_> {
        View {
            model: self.model,
            settings: self.settings,
            root_admin: self.caller.root_admin,
            account: self.caller.account,
        }
    }

    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.settings.catalogue
    }

    /// Whose things this list command shows: a normal user's own, whatever is asked; an admin's own, or all with
    /// `listall` or an id; those of a project, or of all the caller's projects.
    pub(crate) fn scope(&self) -> Result<Scope, ApiError> {
        let arguments = self.arguments;
        if arguments.integer("projectid") == Some(-1) {
            let all = self.model.projects.iter();
            let mine = all
                .filter(|project| self.caller.root_admin || project.members.contains(&self.caller.account));
            return Ok(Scope::Several(mine.map(|project| project.account).collect()));
        }
        if let Some(project) = arguments.id("projectid") {
            if arguments.text("account").is_some() {
                return Err(ApiError::invalid("Account and projectId can't be specified together"));
            }
            return Ok(Scope::Account(self.project(project)?));
        }
        if let Some(name) = arguments.text("account") {
            let domain = self.named_domain();
            let account = self.model.account_in(domain, name).ok_or_else(|| {
                ApiError::invalid(format!(
                    "could not find account {name} in domain {}",
                    self.model.domain_name(domain)
                ))
            })?;
            if !self.may_use(account.id) {
                return Err(ApiError::not_yours());
            }
            return Ok(Scope::Account(account.id));
        }
        if let Some(domain) = arguments.id("domainid") {
            return self.scope_of_domain(domain);
        }
        let by_id = arguments.id("id").is_some() || arguments.ids("ids").is_some();
        let everyone = arguments.boolean("listall") == Some(true);
        if self.caller.root_admin && (by_id || (everyone && self.model.projects.len() == 0)) {
            return Ok(Scope::Everyone);
        }
        let admin = self.caller.root_admin || self.caller.domain_admin.is_some();
        if by_id && (admin || self.model.projects.len() > 0) {
            let usable = self.model.accounts.iter().filter(|account| self.may_use(account.id));
            return Ok(Scope::Several(usable.map(|account| account.id).collect()));
        }
        if admin && everyone {
            let usable = self.model.accounts.iter();
            let usable = usable.filter(|account| account.project.is_none() && self.may_use(account.id));
            return Ok(Scope::Several(usable.map(|account| account.id).collect()));
        }
        Ok(Scope::Account(self.caller.account))
    }

    /// What a list shows when it is asked for a domain's things: those of the domain's accounts, and with `isrecursive` of
    /// the accounts in the domains below; a normal user's own still.
    fn scope_of_domain(&self, domain: Uuid) -> Result<Scope, ApiError> {
        let domain = Some(domain).filter(|domain| *domain != self.catalogue().domain_id);
        if !self.reaches_domain(domain) {
            return Err(ApiError::not_yours());
        }
        if !self.caller.root_admin && self.caller.domain_admin.is_none() {
            return Ok(Scope::Account(self.caller.account));
        }
        let recursive = self.arguments.boolean("isrecursive") == Some(true);
        let inside = self.model.accounts.iter().filter(|account| {
            account.project.is_none()
                && (account.domain == domain
                    || (recursive && self.model.domain_holds(domain, account.domain)))
        });
        Ok(Scope::Several(inside.map(|account| account.id).collect()))
    }

    /// Whether the caller may ask about a domain: a root admin about every one, a domain admin about its own and those
    /// below, a user about the one it is in.
    pub(crate) fn reaches_domain(&self, domain: Option<Uuid>) -> bool {
        self.caller.root_admin
            || self.caller.domain_admin.is_some_and(|top| self.model.domain_holds(top, domain))
            || self.model.accounts.get(self.caller.account).is_some_and(|own| own.domain == domain)
    }

    /// The account that a project's things belong to.
    fn project(&self, id: Uuid) -> Result<Uuid, ApiError> {
        let project = self.model.projects.get(id);
        let project =
            project.ok_or_else(|| ApiError::invalid(format!("Unable to find project by id {id}")))?;
        if !self.may_use(project.account) {
            return Err(ApiError::permission(format!(
                "Account {} can't access project id={id}",
                self.caller.name
            )));
        }
        Ok(project.account)
    }

    /// The domain that `domainid` names, else the caller's.
    pub(crate) fn named_domain(&self) -> Option<Uuid> {
        match self.arguments.id("domainid") {
            Some(domain) => Some(domain).filter(|domain| *domain != self.catalogue().domain_id),
            None => self.model.accounts.get(self.caller.account).and_then(|account| account.domain),
        }
    }

    /// Whose a new thing is: the caller's, a project's, or (for an admin who names it) another account's.
    pub(crate) fn owner(&self) -> Result<Uuid, ApiError> {
        if let Some(project) = self.arguments.id("projectid") {
            let account = self.project(project)?;
            let active = self.model.projects.get(project).is_some_and(|project| project.active);
            let leaving = self.model.is_leaving(account);
            if !active || leaving {
                let state = if leaving { "Disabled" } else { "Suspended" };
                return Err(ApiError::permission(format!(
                    "Can't add resources to the project with specified projectId in state={state} as it's no longer active"
                ))
                .about(project, "projectId"));
            }
            return Ok(account);
        }
        let Some(name) = self.arguments.text("account") else { return Ok(self.caller.account) };
        if self.arguments.id("domainid").is_none() {
            return Err(ApiError::invalid("account and domainid must be specified together"));
        }
        let domain = self.named_domain();
        let account = self.model.account_in(domain, name).filter(|account| !account.leaving);
        let account = account.ok_or_else(|| {
            let domain = self.model.domain_name(domain);
            ApiError::invalid(format!("Unable to find account {name} in domain {domain}"))
        })?;
        if !self.may_use(account.id) {
            return Err(ApiError::not_yours());
        }
        Ok(account.id)
    }

    /// Whether a thing of this owner is the caller's to see and change.
    pub(crate) fn may_use(&self, owner: Uuid) -> bool {
        may_use(self.model, self.caller, owner)
    }

    /// Whether a thing is the caller's to change.
    pub(crate) fn must_be_mine(&self, owner: Uuid) -> Result<(), ApiError> {
        if self.may_use(owner) { Ok(()) } else { Err(ApiError::not_yours()) }
    }

    /// Whether names match as the server's database matches them.
    pub(crate) fn name_is(&self, name: &str) -> bool {
        self.text_is("name", name)
    }

    /// Whether a text parameter, if it is there, says this, in whatever case, as the server's database compares.
    pub(crate) fn text_is(&self, parameter: &str, value: &str) -> bool {
        self.arguments.text(parameter).is_none_or(|wanted| wanted.eq_ignore_ascii_case(value))
    }

    /// Whether a text parameter, if it is there, is a part of this, in whatever case.
    pub(crate) fn text_has(&self, parameter: &str, value: &str) -> bool {
        let part = self.arguments.text(parameter).map(str::to_lowercase);
        part.is_none_or(|part| value.to_lowercase().contains(&part))
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
        self.within_limits_of_domains(account, resource, more)?;
        let limit = self.model.limit(account, resource, &self.settings.config.limits);
        if limit < 0 {
            return Ok(());
        }
        let used = self.model.usage(account, resource);
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

impl Call<'_> {
    /// Whether the domains that an account is in may have this much more of a resource. Root admins are not asked.
    fn within_limits_of_domains(&self, account: Uuid, resource: Resource, more: i64) -> Result<(), ApiError> {
        if self.model.accounts.get(account).is_none_or(|account| account.root_admin) {
            return Ok(());
        }
        let Some((domain, limit, used)) = self.model.full_domain_of(account, resource, more) else {
            return Ok(());
        };
        Err(ApiError::limit(format!(
            "Maximum amount of resources of Type = '{}', tag = 'null' for Domain Id = {domain} is exceeded: Domain Resource \
             Limit = {limit}, Current Domain Resource Amount = {used}, Current Resource Reservation = 0, Requested Resource \
             Amount = {more}.",
            resource.name()
        )))
    }
}

impl View<'_> {
    /// How much an account has of a resource.
    pub(crate) fn usage(&self, account: Uuid, resource: Resource) -> i64 {
        self.model.usage(account, resource)
    }

    /// The fields every owned thing has: its account or project, and its domain.
    pub(crate) fn ownership(&self, account: Uuid) -> Value {
        let owner = self.model.accounts.get(account);
        let project = owner.and_then(|owner| self.model.project_of(owner));
        object([
            match project {
                Some(project) => json!({ "project": project.name, "projectid": project.id }),
                None => json!({ "account": owner.map(|owner| &owner.name) }),
            },
            self.domain(owner.and_then(|owner| owner.domain)),
        ])
    }

    /// The fields that say which domain something is in.
    pub(crate) fn domain(&self, domain: Option<Uuid>) -> Value {
        json!({
            "domainid": domain.unwrap_or(self.settings.catalogue.domain_id),
            "domain": self.model.domain_name(domain),
            "domainpath": self.model.domain_path(domain),
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

/// An object, or each of several, without these fields.
pub(crate) fn without(mut object: Value, names: &[&str]) -> Value {
    match &mut object {
        Value::Object(fields) => fields.retain(|name, _| !names.contains(&name.as_str())),
        Value::Array(several) => {
            for one in several {
                *one = without(one.take(), names);
            }
        }
        _ => {}
    }
    object
}

/// A time as the API writes it.
pub(crate) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string()
}
