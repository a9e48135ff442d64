//! One section of the file, read key by key.
//!
//! Reading never stops at the first mistake: a value of the wrong type is noted and counts as absent, and a key that
//! nobody asked for is noted when the section is done, with the nearest right one. So a reader sees all that is wrong
//! with the file at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Range, RangeInclusive},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{nearest::nearest, problem::Problem};

/// What was found while reading: problems, things to know, and where each value stands.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<(Range<usize>, String)>,
    pub(super) places: BTreeMap<String, Range<usize>>,
}

impl Findings {
    pub(super) fn refuse(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Where the first of these values stands that the file says; none when it says none of them.
    pub(super) fn first_written(&self, paths: &[&str]) -> Option<Range<usize>> {
        paths.iter().find_map(|path| self.places.get(*path)).cloned()
    }

    pub(super) fn warn(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.warnings.push((span, message.into()));
    }
}

/// A value and where it stands; a default stands at its section's heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

impl<T> Located<T> {
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: change(self.value), span: self.span }
    }
}

/// A section of the file: its path, where its heading stands, and its keys. An absent section is an empty one.
#[derive(Debug)]
pub(super) struct Section<'a> {
    path: String,
    span: Range<usize>,
    table: Option<&'a DeTable<'a>>,
    asked: BTreeSet<&'static str>,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(table: &'a DeTable<'a>) -> Self {
        Self { path: String::new(), span: 0..0, table: Some(table), asked: BTreeSet::new() }
    }

    /// An inline table, such as an entry of a list.
    pub(super) fn inline(path: String, span: Range<usize>, table: &'a DeTable<'a>) -> Self {
        Self { path, span, table: Some(table), asked: BTreeSet::new() }
    }

    /// The section `name` below this one.
    pub(super) fn section(&mut self, found: &mut Findings, name: &'static str) -> Section<'a> {
        let path = self.path_of(name);
        let (span, table) = match self.value(found, name) {
            None => (self.span.clone(), None),
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => (value.span(), Some(table)),
                other => {
                    found.refuse(wrong_type(&path, value.span(), "a section", other));
                    (value.span(), None)
                }
            },
        };
        Section { path, span, table, asked: BTreeSet::new() }
    }

    /// Where the section's heading stands.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The value of `key`, of any type.
    pub(super) fn value(
        &mut self,
        found: &mut Findings,
        key: &'static str,
    ) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.insert(key);
        let value = self.table?.get(key)?;
        found.places.insert(self.path_of(key), value.span());
        Some(value)
    }

    /// A text. Empty text and text with control characters are refused: no value of the file may be either.
    pub(super) fn text(&mut self, found: &mut Findings, key: &'static str) -> Option<Located<String>> {
        let path = self.path_of(key);
        let value = self.value(found, key)?;
        text_of(found, &path, value)
    }

    /// A text, or `default` at the section's heading.
    pub(super) fn text_or(
        &mut self,
        found: &mut Findings,
        key: &'static str,
        default: &str,
    ) -> Located<String> {
        let span = self.span();
        self.text(found, key).unwrap_or_else(|| Located { value: default.to_owned(), span })
    }

    /// A list of texts.
    pub(super) fn texts(
        &mut self,
        found: &mut Findings,
        key: &'static str,
    ) -> Option<Located<Vec<Located<String>>>> {
        let path = self.path_of(key);
        let value = self.value(found, key)?;
        let DeValue::Array(entries) = value.get_ref() else {
            found.refuse(wrong_type(
                &path,
                value.span(),
                "a list of texts, such as [\"…\"]",
                value.get_ref(),
            ));
            return None;
        };
        let texts = entries.iter().filter_map(|entry| text_of(found, &path, entry)).collect();
        Some(Located { value: texts, span: value.span() })
    }

    /// A whole number within `range`, or `default` at the section's heading.
    pub(super) fn number_or(
        &mut self,
        found: &mut Findings,
        key: &'static str,
        range: RangeInclusive<u32>,
        default: u32,
    ) -> Located<u32> {
        let span = self.span();
        self.number(found, key, range).unwrap_or(Located { value: default, span })
    }

    /// A whole number within `range`, if there is one.
    pub(super) fn number(
        &mut self,
        found: &mut Findings,
        key: &'static str,
        range: RangeInclusive<u32>,
    ) -> Option<Located<u32>> {
        let path = self.path_of(key);
        let value = self.value(found, key)?;
        let DeValue::Integer(integer) = value.get_ref() else {
            found.refuse(wrong_type(&path, value.span(), "a whole number", value.get_ref()));
            return None;
        };
        let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        match number.and_then(|number| u32::try_from(number).ok()).filter(|number| range.contains(number)) {
            Some(number) => Some(Located { value: number, span: value.span() }),
            None => {
                let (low, high) = (range.start(), range.end());
                let message = format!("`{path}` is a whole number from {low} to {high}, not {integer}");
                found.refuse(Problem::new(value.span(), message));
                None
            }
        }
    }

    /// True or false.
    pub(super) fn boolean_or(&mut self, found: &mut Findings, key: &'static str, default: bool) -> bool {
        let path = self.path_of(key);
        let Some(value) = self.value(found, key) else { return default };
        value.get_ref().as_bool().unwrap_or_else(|| {
            found.refuse(wrong_type(&path, value.span(), "true or false", value.get_ref()));
            default
        })
    }

    /// Notes every key that nobody asked for, with the nearest one that somebody did.
    pub(super) fn finish(self, found: &mut Findings) {
        for (key, _) in self.table.into_iter().flatten() {
            let name = key.get_ref().as_ref();
            if self.asked.contains(name) {
                continue;
            }
            let path = join(&self.path, name);
            let problem = Problem::new(key.span(), format!("`{path}` is not a key of this file"));
            let known = self.asked.iter().copied().collect::<Vec<_>>();
            let help = match nearest(name, &known) {
                Some(near) => format!("did you mean `{}`?", join(&self.path, near)),
                None => format!("keys known here: {}", known.join(", ")),
            };
            found.refuse(problem.label("unknown key").help(help));
        }
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn text_of(found: &mut Findings, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Located<String>> {
    let Some(text) = value.get_ref().as_str() else {
        found.refuse(wrong_type(path, value.span(), "a text in quotes", value.get_ref()));
        return None;
    };
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        let message = format!("`{path}` must not be empty or hold control characters");
        found.refuse(Problem::new(value.span(), message).help("leave the key out to get its default"));
        return None;
    }
    Some(Located { value: text.to_owned(), span: value.span() })
}

pub(super) fn wrong_type(path: &str, span: Range<usize>, wanted: &str, got: &DeValue<'_>) -> Problem {
    let got = match got {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    };
    Problem::new(span, format!("`{path}` is {wanted}, and this is {got}")).label("wrong type")
}
