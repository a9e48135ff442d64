//! Whom a fault is about, and when it strikes.

use std::collections::BTreeSet;
use std::fmt;

/// Names that a rule is about: `*` is every name, `create*` every name that begins so, anything else is that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Whether a name is meant.
    pub fn matches(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == self.0,
        }
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// When a rule strikes, among all that it is about.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// Each time.
    Always,
    /// Each time with this chance, from 0 to 1.
    Chance(f64),
    /// At these positions, counted from 1.
    At(BTreeSet<u64>),
}

impl When {
    /// Once, at this position, counted from 1.
    pub fn nth(position: u64) -> Self {
        Self::At(BTreeSet::from([position]))
    }

    /// Each time with this chance, from 0 to 1.
    pub fn chance(chance: f64) -> Self {
        Self::Chance(chance)
    }
}

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule<F> {
    /// Whom it is about.
    pub on: Pattern,
    /// When it strikes.
    pub when: When,
    /// What happens then.
    pub fault: F,
}
