//! The file as it was written: its text, and where in it each value stands.
//!
//! A [`Spec`](super::Spec) holds values only, so that two files that say the same are equal. What is found wrong later
//! (an offering the zone does not have) is still told with the line: the place of each value is kept here, by its path.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use miette::NamedSource;

use super::problem::{Error, Invalid, Problem};

/// A file's text and the places of its values.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: Arc<str>,
    places: BTreeMap<String, Range<usize>>,
}

impl Source {
    pub(super) fn new(name: &str, text: &str, places: BTreeMap<String, Range<usize>>) -> Self {
        Self { name: name.to_owned(), text: Arc::from(text), places }
    }

    /// The file's name, as the reader knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the value at `path` (such as `cluster.masters`) stands. The section when the value is a default; the
    /// file's beginning when not even the section is written.
    pub fn place(&self, path: &str) -> Range<usize> {
        let mut path = path;
        loop {
            if let Some(place) = self.places.get(path) {
                return place.clone();
            }
            match path.rfind('.') {
                Some(end) => path = &path[..end],
                None => return 0..0,
            }
        }
    }

    /// A problem with the value at `path`.
    pub fn problem(&self, path: &str, message: impl Into<String>) -> Problem {
        Problem::new(self.place(path), message)
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }

    /// The report of all `problems`, in the order of the lines.
    pub fn refuse(&self, mut problems: Vec<Problem>) -> Error {
        problems.sort_by_key(|problem| problem.span.offset());
        Error::Invalid(Box::new(Invalid {
            name: self.name.clone(),
            source: NamedSource::new(&self.name, self.text.to_string()).with_language("toml"),
            problems,
        }))
    }
}
