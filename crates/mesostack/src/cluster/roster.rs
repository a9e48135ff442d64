//! Things in a fixed order, each found by its name without going through all of them.
//!
//! A plan asks for every one of ten thousand machines several times: looking through all each time would take minutes. The
//! places are noted at the first question, and forgotten with every change.

use std::{
    borrow::Cow,
    collections::HashMap,
    ops::{Deref, DerefMut},
    sync::OnceLock,
};

/// What is known by a name. The cloud compares names without regard to case, and so is it found.
pub trait Called {
    /// Its name.
    fn called(&self) -> &str;
}

/// Things in their order; a slice of them, with a quick way to one by its name.
#[derive(Clone, Debug)]
pub struct Roster<T> {
    all: Vec<T>,
    places: OnceLock<HashMap<String, usize>>,
}

impl<T> Default for Roster<T> {
    fn default() -> Self {
        Self { all: Vec::new(), places: OnceLock::new() }
    }
}

impl<T: Called> Roster<T> {
    /// The first one of that name.
    pub fn named(&self, name: &str) -> Option<&T> {
        let places = self.places.get_or_init(|| {
            let mut places = HashMap::with_capacity(self.all.len());
            for (at, one) in self.all.iter().enumerate() {
                places.entry(lower(one.called()).into_owned()).or_insert(at);
            }
            places
        });
        self.all.get(*places.get(&*lower(name))?)
    }
}

impl<T> Roster<T> {
    /// Adds one at the end.
    pub fn push(&mut self, one: T) {
        self.changed().push(one);
    }

    /// Leaves only those that `keep` wants.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.changed().retain(keep);
    }

    fn changed(&mut self) -> &mut Vec<T> {
        self.places = OnceLock::new();
        &mut self.all
    }
}

fn lower(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => name.to_ascii_lowercase().into(),
        false => name.into(),
    }
}

impl<T> Deref for Roster<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.all
    }
}

impl<T> DerefMut for Roster<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.changed()
    }
}

impl<T> FromIterator<T> for Roster<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        Self { all: all.into_iter().collect(), places: OnceLock::new() }
    }
}

impl<'a, T> IntoIterator for &'a Roster<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Called for (String, u8) {
        fn called(&self) -> &str {
            &self.0
        }
    }

    proptest! {
        #[test]
        fn the_first_of_a_name_is_found_whatever_its_case_and_whatever_changed_before(
            names in prop::collection::vec("[aAbB]{1,2}", 0..12),
            then in prop::collection::vec((0u8..3, "[aAbB]{1,2}"), 0..12),
            asked in prop::collection::vec("[aAbB]{1,2}", 1..6),
        ) {
            let mut roster: Roster<_> = names.into_iter().map(|name| (name, 0)).collect();
            for (number, (what, name)) in then.into_iter().enumerate() {
                let _ = roster.named(&name);
                match what {
                    0 => roster.push((name, number as u8)),
                    1 => roster.retain(|one| one.0 != name),
                    _ => roster.iter_mut().take(1).for_each(|one| one.0.clone_from(&name)),
                }
                for name in &asked {
                    let found = roster.iter().find(|one| one.0.eq_ignore_ascii_case(name));
                    prop_assert_eq!(roster.named(name), found);
                }
            }
        }
    }
}
