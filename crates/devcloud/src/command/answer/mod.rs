//! Answers: the fields that what a command answers can have. `listApis` shows them, and tests hold every answer against
//! them.

mod dictionary;

use serde_json::{Value, json};

use self::dictionary::FIELDS;

/// The fields of an object.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Names, or `name:type` where the type is another one than the dictionary's.
    parts: &'static [&'static [&'static str]],
    /// What is in the fields that hold objects.
    inside: &'static [(&'static str, &'static Answer)],
}

/// Whether it was done, and nothing else.
pub(super) const SUCCESS: Answer = Answer::of(&[&["success", "displaytext"]]);

/// The fields of everything that belongs to somebody.
pub(super) const OWNED: &[&str] = &["account", "domainid", "domain", "domainpath", "project", "projectid"];

/// The fields of everything that is in a zone.
pub(super) const ZONED: &[&str] = &["zoneid", "zonename"];

/// What every object may carry: the job that is about it.
const OF_ALL: &[&str] = &["jobid", "jobstatus"];

impl Answer {
    pub(super) const fn of(parts: &'static [&'static [&'static str]]) -> Self {
        Self { parts, inside: &[] }
    }

    pub(super) const fn with(mut self, inside: &'static [(&'static str, &'static Answer)]) -> Self {
        self.inside = inside;
        self
    }

    /// The fields as `listApis` shows them.
    pub(super) fn view(&self) -> Vec<Value> {
        let mut fields: Vec<Value> = self.names().map(|name| self.field(name)).collect();
        fields.extend(
            OF_ALL.iter().filter(|name| !self.names().any(|own| own == **name)).map(|name| self.field(name)),
        );
        fields
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.parts.iter().flat_map(|part| part.iter().copied())
    }

    fn field(&self, entry: &str) -> Value {
        let (name, own_type) = match entry.split_once(':') {
            Some((name, own_type)) => (name, Some(own_type)),
            None => (entry, None),
        };
        let known = FIELDS.iter().find(|(known, ..)| *known == name);
        let (kind, meaning) = known.map_or(("string", ""), |(_, kind, meaning)| (*kind, *meaning));
        let mut field = json!({ "name": name, "description": meaning, "type": own_type.unwrap_or(kind) });
        if let Some((_, inside)) = self.inside.iter().find(|(of, _)| *of == name) {
            field["response"] = inside.names().map(|name| inside.field(name)).collect();
        }
        field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &str, answer: &Answer) {
        let mut names = std::collections::BTreeSet::new();
        for entry in answer.names() {
            let name = entry.split(':').next().unwrap_or(entry);
            assert!(
                FIELDS.iter().any(|(known, ..)| *known == name),
                "{command}: {name} is not in the dictionary"
            );
            assert!(names.insert(name), "{command} has the field {name} twice");
        }
        for (of, inside) in answer.inside {
            assert!(names.contains(of), "{command}: {of} is not a field");
            check(command, inside);
        }
    }

    #[test]
    fn every_field_of_an_answer_is_explained_and_there_once() {
        for command in super::super::all() {
            check(command.name, command.answer);
        }
    }

    #[test]
    fn the_dictionary_explains_each_name_once() {
        assert!(FIELDS.windows(2).all(|pair| pair[0].0 < pair[1].0), "the dictionary is not in order");
    }
}
