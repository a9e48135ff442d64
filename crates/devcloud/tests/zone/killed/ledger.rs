//! What a zone has answered for, as a client would remember it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::whole::Seen;

/// Whether a thing has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// It has to be, in this state if one was told.
    There(Option<&'static str>),
    Gone,
    /// Something was asked for and not answered: either is right.
    Perhaps,
}

#[derive(Clone, Debug)]
pub(super) struct Thing {
    pub(super) list: &'static str,
    pub(super) held: Held,
    /// The hand that works with it.
    pub(super) hand: u64,
    /// What it belongs to: a network, an address, a machine.
    pub(super) of: Vec<String>,
}

/// Which machine has a data disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attached {
    /// This one, or none.
    To(Option<String>),
    /// A change was asked for and not answered.
    Perhaps,
}

/// All that was told.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Data disks that were attached or detached.
    pub(super) attached: BTreeMap<String, Attached>,
    pub(super) things: BTreeMap<String, Thing>,
    /// Jobs, and the last answer to each that told its end.
    pub(super) jobs: BTreeMap<String, Option<Value>>,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    pub(super) things: usize,
    pub(super) jobs: usize,
    cut_off: usize,
}

impl std::ops::AddAssign for Told {
    fn add_assign(&mut self, other: Self) {
        self.things += other.things;
        self.jobs += other.jobs;
        self.cut_off += other.cut_off;
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { things, jobs, cut_off } = self;
        write!(
            f,
            "{things} acknowledged things and {jobs} jobs found as they were told, {cut_off} of them cut off and failed"
        )
    }
}

impl Ledger {
    /// Compares with what a zone shows after it came back; what was left open is closed by it.
    pub(super) fn compare(&mut self, seen: &Seen, ends: &BTreeMap<String, Value>) -> (Told, Vec<String>) {
        let mut wrong = Vec::new();
        let mut told = Told::default();
        for (id, thing) in &mut self.things {
            // An address that was given back may be another network's by now, under the same id.
            let found = seen.get(thing.list, id).filter(|found| {
                found["associatednetworkid"]
                    .as_str()
                    .is_none_or(|network| thing.of.iter().any(|of| of == network))
            });
            match (thing.held, found) {
                (Held::There(None), Some(_)) | (Held::Gone, None) => told.things += 1,
                (Held::There(Some(state)), Some(found)) if found["state"] == state => told.things += 1,
                (Held::Perhaps, _) => {}
                (held, found) => wrong.push(format!("{} {id} was {held:?} and is {found:?}", thing.list)),
            }
            thing.held = match found.map(|found| found["state"].as_str().unwrap_or_default()) {
                None => Held::Gone,
                Some("Running") => Held::There(Some("Running")),
                Some("Stopped") => Held::There(Some("Stopped")),
                // On its way out when the zone died: nothing is asked of it any more.
                Some("Destroyed" | "Error") => Held::Perhaps,
                Some(_) => Held::There(None),
            };
        }
        self.things.retain(|_, thing| thing.held != Held::Gone);
        for (disk, attached) in &mut self.attached {
            let Some(found) = seen.get("listVolumes", disk) else { continue };
            let to = found["virtualmachineid"].as_str().map(str::to_owned);
            match attached {
                Attached::To(was) if *was == to => told.things += 1,
                Attached::To(was) => wrong.push(format!("the disk {disk} was {was:?}'s and is {to:?}'s")),
                Attached::Perhaps => {}
            }
            *attached = Attached::To(to);
        }
        self.attached.retain(|disk, _| self.things.contains_key(disk));
        for (id, was) in &mut self.jobs {
            let Some(end) = ends.get(id) else {
                wrong.push(format!("the job {id} is lost"));
                continue;
            };
            told.jobs += 1;
            if end["jobstatus"] == json!(0) {
                wrong.push(format!("the job {id} has no end: {end}"));
            }
            match was {
                Some(was) if *was != *end => {
                    wrong.push(format!("the job {id} ended as {was} and now as {end}"))
                }
                Some(_) => {}
                None => {
                    let text = end["jobresult"]["errortext"].as_str().unwrap_or_default();
                    told.cut_off += usize::from(text.contains("process ended while this job was under way"));
                    *was = Some(end.clone());
                }
            }
        }
        (told, wrong)
    }
}
