//! What is not as it was when a plan was saved.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use super::{Facts, SavedPlan};

/// So many lines of each kind are shown.
const SHOWN: usize = 12;

/// Something that was otherwise, was not there, or is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// What it is.
    pub what: String,
    /// How it was; none when it was not there.
    pub then: Option<String>,
    /// How it is; none when it is gone.
    pub now: Option<String>,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.then, &self.now) {
            (Some(then), Some(now)) => write!(f, "{}: {then} then, {now} now", self.what),
            (Some(then), None) => write!(f, "{} is gone ({then})", self.what),
            (None, Some(now)) => write!(f, "{} is new ({now})", self.what),
            (None, None) => f.write_str(&self.what),
        }
    }
}

/// Between a saved plan and one made now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What the file says otherwise.
    pub file: Vec<Moved>,
    /// What is otherwise in the cloud.
    pub cloud: Vec<Moved>,
    /// Steps that would be done now and were not planned.
    pub only_now: Vec<String>,
    /// Steps that were planned and would not be done now.
    pub only_then: Vec<String>,
    /// Steps that would be done otherwise now.
    pub otherwise: Vec<String>,
    /// The versions of mesostack, where they are two.
    pub versions: Option<(String, String)>,
}

impl Difference {
    pub(super) fn between(then: &SavedPlan, now: &SavedPlan) -> Self {
        let (before, after) = (steps(&then.plan), steps(&now.plan));
        let lacks = |steps: &BTreeMap<&str, &Value>, others: &BTreeMap<&str, &Value>| {
            let lacking = steps.keys().filter(|name| !others.contains_key(*name));
            lacking.map(|name| (*name).to_owned()).collect::<Vec<_>>()
        };
        let changed = after.iter().filter(|(name, step)| before.get(*name).is_some_and(|then| then != *step));
        let mut difference = Self {
            file: moved(&then.wanted, &now.wanted),
            cloud: moved(&then.seen, &now.seen),
            only_now: lacks(&after, &before),
            only_then: lacks(&before, &after),
            otherwise: changed.map(|(name, _)| (*name).to_owned()).collect(),
            versions: None,
        };
        if order(&then.plan) != order(&now.plan) && difference.is_none() {
            difference.otherwise.push("the order of the steps".to_owned());
        }
        // Another version that plans the same is as good.
        if !difference.is_none() && then.mesostack != now.mesostack {
            difference.versions = Some((then.mesostack.clone(), now.mesostack.clone()));
        }
        difference
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.file.is_empty()
            && self.cloud.is_empty()
            && self.only_now.is_empty()
            && self.only_then.is_empty()
            && self.otherwise.is_empty()
    }
}

/// The steps of a document by their names. What has no name is compared as a whole.
fn steps(plan: &Value) -> BTreeMap<&str, &Value> {
    let steps = plan["steps"].as_array().into_iter().flatten();
    steps.map(|step| (step["name"].as_str().unwrap_or_default(), &step["action"])).collect()
}

/// What comes after what. How a step is put into words, and why it is done, may be worded anew.
fn order(plan: &Value) -> Vec<[&Value; 4]> {
    let steps = plan["steps"].as_array().into_iter().flatten();
    steps.map(|step| ["name", "action", "after", "once_over"].map(|field| &step[field])).collect()
}

fn moved(then: &Facts, now: &Facts) -> Vec<Moved> {
    let keys = then.keys().chain(now.keys().filter(|key| !then.contains_key(*key)));
    let mut moved = keys
        .map(|what| Moved { what: what.clone(), then: then.get(what).cloned(), now: now.get(what).cloned() })
        .filter(|moved| moved.then != moved.now)
        .collect::<Vec<_>>();
    moved.sort_by(|one, other| one.what.cmp(&other.what));
    // Of the whole file only its digest is known: it says something where no line of its own does.
    if moved.len() > 1 {
        moved.retain(|moved| moved.what != "the file as a whole");
    }
    moved
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = vec![
            part("in the file", &self.file),
            part("in the cloud", &self.cloud),
            part("would be done now, and was not planned", &self.only_now),
            part("was planned, and would not be done now", &self.only_then),
            part("would be done otherwise", &self.otherwise),
        ];
        if let Some((then, now)) = &self.versions {
            parts.push(format!("saved by mesostack {then}; this is {now}"));
        }
        parts.retain(|part| !part.is_empty());
        f.write_str(&parts.join("\n"))
    }
}

fn part(heading: &str, lines: &[impl fmt::Display]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!("{heading}:");
    for line in lines.iter().take(SHOWN) {
        text.push_str(&format!("\n  {line}"));
    }
    if lines.len() > SHOWN {
        text.push_str(&format!("\n  and {} more", lines.len() - SHOWN));
    }
    text
}
