//! `details` of `listVirtualMachines`: which groups of a machine's fields are told. Named groups are told beside what is
//! told of every machine; `min` names none.

use serde_json::{Value, json};

use crate::command::Call;
use crate::error::ApiError;

/// Every word that is taken, as the server's error lists them.
const WORDS: [&str; 15] = [
    "all", "group", "nics", "stats", "secgrp", "tmpl", "servoff", "diskoff", "backoff", "iso", "volume",
    "min", "affgrp", "vgpu", "tags",
];

/// Fields that are told only when one of these groups is.
const GROUPED: &[(&[&str], &[&str])] = &[
    (&["group"], &["group", "groupid"]),
    (&["nics"], &["ipaddress"]),
    (
        &["tmpl"],
        &[
            "templateid",
            "templatename",
            "templatedisplaytext",
            "templatetype",
            "templateformat",
            "passwordenabled",
        ],
    ),
    (&["iso"], &["isos", "isoid", "isoname", "isodisplaytext", "isomaxcount"]),
    (&["servoff"], &["serviceofferingid", "serviceofferingname"]),
    (&["servoff", "stats"], &["cpunumber", "cpuspeed", "memory"]),
    (&["volume"], &["rootdeviceid", "rootdevicetype"]),
];

/// Lists that are empty unless their group is told.
const EMPTIED: &[(&str, &str)] = &[("nics", "nic"), ("affgrp", "affinitygroup"), ("secgrp", "securitygroup")];

/// The groups that a call asks for; none is all of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Details<'a>(Option<&'a [String]>);

impl<'a> Details<'a> {
    /// # Errors
    /// A word that is no group.
    pub(super) fn of(call: &'a Call<'_>) -> Result<Self, ApiError> {
        let Some(wanted) = call.arguments.texts("details").filter(|wanted| !wanted.is_empty()) else {
            return Ok(Self(None));
        };
        if let Some(wrong) = wanted.iter().find(|word| !WORDS.contains(&word.as_str())) {
            return Err(ApiError::invalid(format!(
                "The details parameter contains a non permitted value: {wrong}. The allowed values are {}",
                WORDS.join(", ")
            )));
        }
        Ok(Self(Some(wanted).filter(|wanted| !wanted.iter().any(|word| word == "all"))))
    }

    /// What is left of a machine's view.
    pub(super) fn only(self, mut machine: Value) -> Value {
        let (Some(wanted), Some(fields)) = (self.0, machine.as_object_mut()) else { return machine };
        let told = |group: &str| wanted.iter().any(|word| word == group);
        for (groups, names) in GROUPED {
            if !groups.iter().any(|group| told(group)) {
                fields.retain(|name, _| !names.contains(&name.as_str()));
            }
        }
        for (group, name) in EMPTIED {
            if !told(group) && fields.contains_key(*name) {
                fields.insert((*name).to_owned(), json!([]));
            }
        }
        machine
    }
}
