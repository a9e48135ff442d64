//! Parameters: what a command takes, and the checks that are the same for all of them. After [`check`] every value has
//! its type and every id is one that was once given out here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Call, Caller, Command, Settings};
use crate::error::ApiError;
use crate::model::{self, Model};

/// A parameter of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// The longest text taken, in characters.
    pub(crate) length: usize,
    pub(crate) description: &'static str,
    /// Whether a write to it needs it to be the caller's; commands with rules of their own say no.
    owned: bool,
}

/// What a parameter's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Boolean,
    Integer,
    Id(Entity),
    Texts,
    Ids(Entity),
    Map,
    Time,
}

/// What an id is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entity {
    Account,
    AffinityGroup,
    DiskOffering,
    Domain,
    Event,
    FirewallRule,
    Job,
    KeyPair,
    LoadBalancerRule,
    Network,
    NetworkOffering,
    OsCategory,
    OsType,
    PortForwardingRule,
    PublicIpAddress,
    Role,
    ServiceOffering,
    Template,
    User,
    VirtualMachine,
    Volume,
    Zone,
    /// Something this zone has none of: projects, hosts, VPCs.
    Nothing,
}

impl Parameter {
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: false, length: 255, description: "", owned: true }
    }

    pub(crate) const fn text(name: &'static str) -> Self {
        Self::new(name, Kind::Text)
    }

    pub(crate) const fn boolean(name: &'static str) -> Self {
        Self::new(name, Kind::Boolean)
    }

    pub(crate) const fn integer(name: &'static str) -> Self {
        Self::new(name, Kind::Integer)
    }

    pub(crate) const fn id(name: &'static str, entity: Entity) -> Self {
        Self::new(name, Kind::Id(entity))
    }

    pub(crate) const fn ids(name: &'static str, entity: Entity) -> Self {
        Self::new(name, Kind::Ids(entity))
    }

    pub(crate) const fn texts(name: &'static str) -> Self {
        Self::new(name, Kind::Texts)
    }

    pub(crate) const fn map(name: &'static str) -> Self {
        Self::new(name, Kind::Map)
    }

    pub(crate) const fn time(name: &'static str) -> Self {
        Self::new(name, Kind::Time)
    }

    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(crate) const fn length(mut self, length: usize) -> Self {
        self.length = length;
        self
    }

    pub(crate) const fn about(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// The command decides itself whose it may be.
    pub(crate) const fn of_anyone(mut self) -> Self {
        self.owned = false;
        self
    }

    /// The type's name, as `listApis` has it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Text => "string",
            Kind::Boolean => "boolean",
            Kind::Integer => "integer",
            Kind::Id(_) => "uuid",
            Kind::Texts | Kind::Ids(_) => "list",
            Kind::Map => "map",
            Kind::Time => "date",
        }
    }

    /// The commands that list what its ids are of, as `listApis` has them.
    pub(crate) fn related(&self) -> &'static str {
        match self.kind {
            Kind::Id(entity) | Kind::Ids(entity) => entity.listed_by(),
            _ => "",
        }
    }
}

/// What every list command takes besides its own parameters.
pub(crate) const LIST_PARAMETERS: [Parameter; 9] = [
    Parameter::text("keyword"),
    Parameter::integer("page"),
    Parameter::integer("pagesize"),
    Parameter::boolean("listall"),
    Parameter::boolean("isrecursive"),
    Parameter::text("account"),
    Parameter::id("domainid", Entity::Domain),
    Parameter::text("projectid"),
    Parameter::map("tags"),
];

/// A command's values, each of its parameter's type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments(BTreeMap<&'static str, Value>);

#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Boolean(bool),
    Integer(i64),
    Id(Uuid),
    Texts(Vec<String>),
    Ids(Vec<Uuid>),
    Map(Vec<BTreeMap<String, String>>),
    Time(Timestamp),
}

impl Arguments {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        match self.0.get(name) {
            Some(Value::Boolean(boolean)) => Some(*boolean),
            _ => None,
        }
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        match self.0.get(name) {
            Some(Value::Integer(integer)) => Some(*integer),
            _ => None,
        }
    }

    pub(crate) fn id(&self, name: &str) -> Option<Uuid> {
        match self.0.get(name) {
            Some(Value::Id(id)) => Some(*id),
            _ => None,
        }
    }

    /// The id of a required parameter; [`check`] has seen that it is there.
    pub(crate) fn required_id(&self, name: &'static str) -> Result<Uuid, ApiError> {
        self.id(name).ok_or_else(|| {
            ApiError::internal(format!("the parameter {name} is not declared as a required id"))
        })
    }

    /// The text of a required parameter; [`check`] has seen that it is there.
    pub(crate) fn required_text(&self, name: &'static str) -> Result<&str, ApiError> {
        self.text(name).ok_or_else(|| {
            ApiError::internal(format!("the parameter {name} is not declared as a required text"))
        })
    }

    pub(crate) fn texts(&self, name: &str) -> Option<&[String]> {
        match self.0.get(name) {
            Some(Value::Texts(texts)) => Some(texts),
            _ => None,
        }
    }

    pub(crate) fn ids(&self, name: &str) -> Option<&[Uuid]> {
        match self.0.get(name) {
            Some(Value::Ids(ids)) => Some(ids),
            _ => None,
        }
    }

    pub(crate) fn map(&self, name: &str) -> &[BTreeMap<String, String>] {
        match self.0.get(name) {
            Some(Value::Map(map)) => map,
            _ => &[],
        }
    }

    pub(crate) fn time(&self, name: &str) -> Option<Timestamp> {
        match self.0.get(name) {
            Some(Value::Time(time)) => Some(*time),
            _ => None,
        }
    }
}

/// Checks what came (names in lower case, but for the part of a map's after its dot) against what the command takes.
/// Parameters it does not take are ignored.
///
/// # Errors
/// The API's own texts: 430 for a name that can't be decoded, 431 for what is missing or wrong, 531 for what belongs to
/// another account.
pub(crate) fn check(
    command: &Command,
    received: &BTreeMap<String, String>,
    model: &Model,
    settings: &Settings,
    caller: &Caller,
) -> Result<Arguments, ApiError> {
    let mut maps: BTreeMap<&str, BTreeMap<u32, BTreeMap<String, String>>> = BTreeMap::new();
    for (name, value) in received.iter().filter(|(name, _)| name.contains('[')) {
        let (map, index, field) = map_entry(name)?;
        maps.entry(map).or_default().entry(index).or_default().insert(field.to_owned(), value.clone());
    }
    let generic: &[Parameter] =
        if matches!(command.run, super::Run::List(_)) { &LIST_PARAMETERS } else { &[] };
    let mut arguments = Arguments::default();
    for parameter in command.parameters.iter().chain(generic) {
        if arguments.0.contains_key(parameter.name) {
            continue;
        }
        let invalid = || {
            ApiError::parameter(format!(
                "Unable to execute API command {} due to invalid value. Invalid value provided for API arg: {}",
                command.error_name(),
                parameter.name
            ))
        };
        let value = if parameter.kind == Kind::Map {
            maps.get(parameter.name).map(|entries| Value::Map(entries.values().cloned().collect()))
        } else {
            match received.get(parameter.name) {
                None => None,
                Some(text) if text.is_empty() && parameter.required => return Err(invalid()),
                Some(text) => typed(command, parameter, text, model, settings, caller)?,
            }
        };
        match value {
            Some(value) => {
                arguments.0.insert(parameter.name, value);
            }
            None if parameter.required => {
                return Err(ApiError::parameter(format!(
                    "Unable to execute API command {} due to missing parameter {}",
                    command.error_name(),
                    parameter.name
                )));
            }
            None => {}
        }
    }
    Ok(arguments)
}

/// `tags[0].key`: the map's name, the index, the field.
fn map_entry(name: &str) -> Result<(&str, u32, &str), ApiError> {
    let undecodable = || {
        ApiError::malformed(format!(
            "Unable to decode parameter {name}, it is not of the form name[index].field with a number as index"
        ))
    };
    let (map, rest) = name.split_once('[').ok_or_else(undecodable)?;
    let (index, field) = rest.split_once(']').ok_or_else(undecodable)?;
    let field = field.strip_prefix('.').filter(|field| !field.is_empty() && !field.contains('['));
    let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    match (digits.then(|| index.parse().ok()).flatten(), field) {
        (Some(index), Some(field)) => Ok((map, index, field)),
        _ => Err(undecodable()),
    }
}

fn typed(
    command: &Command,
    parameter: &Parameter,
    text: &str,
    model: &Model,
    settings: &Settings,
    caller: &Caller,
) -> Result<Option<Value>, ApiError> {
    let wrong = || {
        ApiError::parameter(format!(
            "Unable to execute API command {} due to invalid value {text} for parameter {}",
            command.error_name(),
            parameter.name
        ))
    };
    let resolved = |entity: Entity, text: &str| -> Result<Uuid, ApiError> {
        let found = entity
            .resolve(text, model, settings)
            .filter(|found| found.live || command.only_reads())
            .ok_or_else(|| ApiError::unknown_entity(&command.error_name(), parameter.name, text))?;
        let foreign = found.owner.is_some_and(|owner| owner != caller.account) && !caller.root_admin;
        if foreign && parameter.owned && !command.only_reads() {
            return Err(ApiError::not_yours());
        }
        Ok(found.id)
    };
    let list = || text.split(',').map(str::trim).filter(|part| !part.is_empty());
    Ok(Some(match parameter.kind {
        Kind::Text => {
            if text.chars().count() > parameter.length {
                return Err(ApiError::parameter(format!(
                    "Unable to execute API command {} due to invalid value. Value greater than max allowed length {} for \
                     param: {}",
                    command.error_name(),
                    parameter.length,
                    parameter.name
                )));
            }
            Value::Text(text.to_owned())
        }
        Kind::Boolean => Value::Boolean(text.eq_ignore_ascii_case("true")),
        Kind::Integer if text.is_empty() => return Ok(None),
        Kind::Integer => Value::Integer(text.trim().parse().map_err(|_| wrong())?),
        Kind::Id(_) if text.is_empty() => return Ok(None),
        Kind::Id(entity) => Value::Id(resolved(entity, text)?),
        Kind::Texts => Value::Texts(list().map(str::to_owned).collect()),
        Kind::Ids(entity) => Value::Ids(list().map(|text| resolved(entity, text)).collect::<Result<_, _>>()?),
        Kind::Time => Value::Time(parse_time(text, parameter.name).ok_or_else(wrong)?),
        Kind::Map => return Ok(None),
    }))
}

/// ISO with a zone, `yyyy-MM-dd HH:mm:ss`, or a day (its first second, or its last one for an end date).
fn parse_time(text: &str, name: &str) -> Option<Timestamp> {
    let utc = |civil: jiff::civil::DateTime| {
        civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    };
    text.parse()
        .ok()
        .or_else(|| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%z", text).ok())
        .or_else(|| jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok().and_then(utc))
        .or_else(|| {
            let day = jiff::civil::Date::strptime("%Y-%m-%d", text).ok()?;
            utc(if name == "enddate" { day.at(23, 59, 59, 0) } else { day.at(0, 0, 0, 0) })
        })
}

/// What an id leads to.
pub(crate) struct Resolved {
    pub(crate) id: Uuid,
    /// The account whose it is, for things that are someone's.
    owner: Option<Uuid>,
    /// Whether it is still there.
    live: bool,
}

impl Entity {
    fn listed_by(self) -> &'static str {
        match self {
            Self::Account => "listAccounts",
            Self::AffinityGroup => "listAffinityGroups",
            Self::DiskOffering => "listDiskOfferings",
            Self::Event => "listEvents",
            Self::FirewallRule => "listFirewallRules,listEgressFirewallRules",
            Self::Job => "listAsyncJobs",
            Self::KeyPair => "listSSHKeyPairs",
            Self::LoadBalancerRule => "listLoadBalancerRules",
            Self::Network => "listNetworks",
            Self::NetworkOffering => "listNetworkOfferings",
            Self::OsCategory => "listOsCategories",
            Self::OsType => "listOsTypes",
            Self::PortForwardingRule => "listPortForwardingRules",
            Self::PublicIpAddress => "listPublicIpAddresses",
            Self::ServiceOffering => "listServiceOfferings",
            Self::Template => "listTemplates",
            Self::User => "listUsers",
            Self::VirtualMachine => "listVirtualMachines",
            Self::Volume => "listVolumes",
            Self::Zone => "listZones",
            Self::Domain | Self::Role | Self::Nothing => "",
        }
    }

    /// What an id (or an internal number, which the real server takes too) leads to.
    fn resolve(self, text: &str, model: &Model, settings: &Settings) -> Option<Resolved> {
        let id = text.parse::<Uuid>().ok();
        let number = text.parse::<u64>().ok();
        let catalogue = &settings.catalogue;
        let fixed = |mut ids: Box<dyn Iterator<Item = Uuid> + '_>| {
            ids.find(|fixed| Some(*fixed) == id).map(|id| Resolved { id, owner: None, live: true })
        };
        macro_rules! kept {
            ($table:ident: $entity:ty, $owner:expr) => {{
                let table = &model.$table;
                let found = id
                    .and_then(|id| table.get(id))
                    .or_else(|| number.and_then(|number| table.numbered(number)));
                let owner: fn(&$entity) -> Option<Uuid> = $owner;
                found
                    .map(|found| Resolved { id: model::Entity::id(found), owner: owner(found), live: true })
                    .or_else(|| {
                        let gone = model
                            .removed
                            .iter()
                            .find(|gone| Some(gone.id) == id && gone.kind == kind_of(table))?;
                        Some(Resolved { id: gone.id, owner: None, live: false })
                    })
            }};
        }
        match self {
            Self::Account => kept!(accounts: model::Account, |account| Some(account.id)),
            Self::User => model
                .accounts
                .iter()
                .find(|account| Some(account.user.id) == id)
                .map(|account| Resolved { id: account.user.id, owner: Some(account.id), live: true }),
            Self::AffinityGroup => kept!(affinity_groups: model::AffinityGroup, |group| Some(group.account)),
            Self::Event => kept!(events: model::Event, |event| Some(event.account)),
            Self::FirewallRule => kept!(firewall_rules: model::FirewallRule, |rule| Some(rule.account)),
            Self::Job => kept!(jobs: model::Job, |job| Some(job.account)),
            Self::KeyPair => kept!(key_pairs: model::KeyPair, |pair| Some(pair.account)),
            Self::LoadBalancerRule => {
                kept!(load_balancer_rules: model::LoadBalancerRule, |rule| Some(rule.account))
            }
            Self::Network => kept!(networks: model::Network, |network| Some(network.account)),
            Self::PortForwardingRule => {
                kept!(port_forwarding_rules: model::PortForwardingRule, |rule| Some(rule.account))
            }
            Self::PublicIpAddress => {
                kept!(public_ip_addresses: model::PublicIpAddress, |address| address.account)
            }
            Self::Template => kept!(templates: model::Template, |template| template.account),
            Self::VirtualMachine => {
                kept!(virtual_machines: model::VirtualMachine, |machine| Some(machine.account))
            }
            Self::Volume => kept!(volumes: model::Volume, |volume| Some(volume.account)),
            Self::Zone => fixed(Box::new(std::iter::once(catalogue.zone_id))),
            Self::Domain => fixed(Box::new(std::iter::once(catalogue.domain_id))),
            Self::Role => fixed(Box::new([catalogue.user_role, catalogue.admin_role].into_iter())),
            Self::DiskOffering => {
                fixed(Box::new(catalogue.disk_offerings.iter().map(|offering| offering.id)))
            }
            Self::NetworkOffering => {
                fixed(Box::new(catalogue.network_offerings.iter().map(|offering| offering.id)))
            }
            Self::ServiceOffering => {
                fixed(Box::new(catalogue.service_offerings.iter().map(|offering| offering.id)))
            }
            Self::OsType => fixed(Box::new(catalogue.os_types.iter().map(|os_type| os_type.id))),
            Self::OsCategory => fixed(Box::new(catalogue.os_categories.iter().map(|category| category.id))),
            Self::Nothing => None,
        }
    }
}

fn kind_of<T: model::Entity>(_: &model::Table<T>) -> &'static str {
    T::KIND
}

impl Call<'_> {
    /// Whether a thing with this owner passes the command's `id` and `ids` parameters.
    pub(crate) fn wanted(&self, id: Uuid) -> bool {
        self.arguments.id("id").is_none_or(|wanted| wanted == id)
            && self.arguments.ids("ids").is_none_or(|wanted| wanted.contains(&id))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_well_formed_map_name_is_taken_apart(map in "[a-z]{1,8}", index in 0_u32..100_000, field in "[A-Za-z][A-Za-z0-9.:_-]{0,12}") {
            let name = format!("{map}[{index}].{field}");
            prop_assert_eq!(map_entry(&name).map_err(|error| error.text), Ok((map.as_str(), index, field.as_str())));
        }

        #[test]
        fn no_map_name_makes_the_decoder_panic(name in ".{0,24}") {
            let _ = map_entry(&name);
        }
    }

    #[test]
    fn map_names_without_number_or_field_are_malformed() {
        for name in
            ["tags[].key", "tags[x].key", "tags[0]key", "tags[0].", "tags[0].a[1]", "tags[0", "tags[-1].key"]
        {
            assert_eq!(map_entry(name).expect_err(name).code, 430, "{name}");
        }
    }

    #[test]
    fn times_come_in_the_server_s_forms() {
        let noon = "2026-11-23T12:00:00Z".parse::<Timestamp>().expect("a time");
        for text in [
            "2026-11-23T12:00:00Z",
            "2026-11-23T12:00:00+0000",
            "2026-11-23T13:00:00+01:00",
            "2026-11-23 12:00:00",
        ] {
            assert_eq!(parse_time(text, "startdate"), Some(noon), "{text}");
        }
        assert_eq!(
            parse_time("2026-11-23", "enddate"),
            Some("2026-11-23T23:59:59Z".parse().expect("a time"))
        );
        assert_eq!(parse_time("tomorrow", "startdate"), None);
    }
}
