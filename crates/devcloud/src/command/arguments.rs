//! Arguments: what came, checked against what a command takes. After [`check`] every value has its type, and every id is
//! one that was once given out here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::call::may_use;
use super::parameter::Kind;
use super::{Begun, Call, Caller, Command, Entity, Parameter, Settings};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::Model;

/// A command's values, each of its parameter's type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    values: BTreeMap<&'static str, Value>,
    gone: Option<Gone>,
}

/// Something that a job is to work on, and that was removed: only the job says so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    entity: Entity,
    id: Uuid,
    number: u64,
}

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
        match self.values.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        match self.values.get(name) {
            Some(Value::Boolean(boolean)) => Some(*boolean),
            _ => None,
        }
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        match self.values.get(name) {
            Some(Value::Integer(integer)) => Some(*integer),
            _ => None,
        }
    }

    pub(crate) fn id(&self, name: &str) -> Option<Uuid> {
        match self.values.get(name) {
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
        match self.values.get(name) {
            Some(Value::Texts(texts)) => Some(texts),
            _ => None,
        }
    }

    pub(crate) fn ids(&self, name: &str) -> Option<&[Uuid]> {
        match self.values.get(name) {
            Some(Value::Ids(ids)) => Some(ids),
            _ => None,
        }
    }

    pub(crate) fn map(&self, name: &str) -> &[BTreeMap<String, String>] {
        match self.values.get(name) {
            Some(Value::Map(map)) => map,
            _ => &[],
        }
    }

    /// The thing that the command is about, where its parameters name one.
    pub(crate) fn about(&self) -> Option<Uuid> {
        ["id", "virtualmachineid", "templateid", "userdataid"].iter().find_map(|name| self.id(name))
    }

    /// What the job is to work on, where that was removed.
    pub(crate) fn gone(&self) -> Option<Gone> {
        self.gone
    }

    pub(crate) fn time(&self, name: &str) -> Option<Timestamp> {
        match self.values.get(name) {
            Some(Value::Time(time)) => Some(*time),
            _ => None,
        }
    }
}

impl Gone {
    /// The job that has nothing to work on; of a network it is said at once, in the server's own words.
    ///
    /// # Errors
    /// That the network is gone.
    pub(crate) fn begun(self) -> Result<Begun, ApiError> {
        if self.entity == Entity::Network {
            return Err(ApiError::invalid(format!("Networkd ID={} doesn't exist", self.number)));
        }
        let instance = self.entity.job_instance().map(|kind| (kind, Some(self.id)));
        let text = format!("unable to find a {} with id {}", self.entity.words(), self.number);
        Ok(Begun::doing(instance, Lane::Free, move |_| async move { Err(ApiError::invalid(text)) }))
    }
}

/// Checks what came (names in lower case, but for the part of a map's after its dot) against what the command takes.
/// Parameters it does not take are ignored.
///
/// # Errors
/// The API's own texts: 430 for a name that can't be decoded, 431 for what is missing, wrong or not served, 531 for what belongs to
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
    let unserved = command.unserved.iter().find(|name| {
        received.get(**name).is_some_and(|value| !value.is_empty()) || maps.contains_key(**name)
    });
    if let Some(name) = unserved {
        return Err(ApiError::parameter(format!(
            "Unable to execute API command {}: this zone does not serve its parameter {name}. Leave it out",
            command.error_name()
        )));
    }
    let gone = gone(command, received, model, settings);
    let mut arguments = Arguments { gone, ..Arguments::default() };
    for parameter in command.all_parameters() {
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
                Some(text) => typed(command, parameter, text, model, settings, caller, gone)?,
            }
        };
        match value {
            Some(value) => {
                arguments.values.insert(parameter.name, value);
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

/// What a job is to work on, where that was removed. What makes something of it looks for itself, and at once.
fn gone(
    command: &Command,
    received: &BTreeMap<String, String>,
    model: &Model,
    settings: &Settings,
) -> Option<Gone> {
    if !command.is_job() || command.name.starts_with("create") {
        return None;
    }
    command.all_parameters().filter(|parameter| parameter.required).find_map(|parameter| {
        let Kind::Id(entity) = parameter.kind else { return None };
        let found = entity.resolve(received.get(parameter.name)?, model, settings)?;
        (!found.live && entity.leaves_a_row()).then_some(Gone { entity, id: found.id, number: found.number })
    })
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
    gone: Option<Gone>,
) -> Result<Option<Value>, ApiError> {
    let wrong = || {
        ApiError::parameter(format!(
            "Unable to execute API command {} due to invalid value {text} for parameter {}",
            command.error_name(),
            parameter.name
        ))
    };
    let is_gone = |id: Uuid| gone.is_some_and(|gone| gone.id == id);
    let resolved = |entity: Entity, text: &str| -> Result<Uuid, ApiError> {
        let found = entity
            .resolve(text, model, settings)
            .filter(|found| found.live || command.only_reads() || is_gone(found.id))
            .ok_or_else(|| ApiError::unknown_entity(&command.error_name(), parameter.name, text))?;
        let foreign = found.owner.is_some_and(|owner| !may_use(model, caller, owner));
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
        Kind::Integer | Kind::Long if text.is_empty() => return Ok(None),
        Kind::Integer | Kind::Long => Value::Integer(text.trim().parse().map_err(|_| wrong())?),
        Kind::Id(_) if text.is_empty() => return Ok(None),
        // As far as the server is concerned nothing has this number, and an optional id that is it is none, or all.
        Kind::Id(_) if text == "-1" && !parameter.required => Value::Integer(-1),
        Kind::Id(entity) => Value::Id(resolved(entity, text)?),
        Kind::Project if text == "-1" => Value::Integer(-1),
        Kind::Project if text.is_empty() => return Ok(None),
        Kind::Project => Value::Id(resolved(Entity::Project, text)?),
        Kind::Texts => Value::Texts(list().map(str::to_owned).collect()),
        Kind::Ids(entity) => Value::Ids(
            list()
                .filter(|text| *text != "-1")
                .map(|text| resolved(entity, text))
                .collect::<Result<_, _>>()?,
        ),
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

impl Call<'_> {
    /// What a list command looks through: the one thing that its `id` parameter names, or everything of the kind.
    pub(crate) fn candidates<'t, T: crate::model::Entity>(
        &self,
        table: &'t crate::model::Table<T>,
    ) -> impl Iterator<Item = &'t T> {
        let named = self.arguments.id("id");
        let all = if named.is_some() { 0 } else { usize::MAX };
        named.and_then(|id| table.get(id)).into_iter().chain(table.iter().take(all))
    }

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
