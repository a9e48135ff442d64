//! What an agent has to give: `cpus:4;mem:8192;disk:40000;ports:[31000-32000]`, given or found on the host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An agent's resources; memory and disk in MB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Resources {
    pub(crate) cpus: f64,
    pub(crate) mem: f64,
    pub(crate) disk: f64,
    pub(crate) ports: String,
    /// Whatever else was given by name.
    pub(crate) other: BTreeMap<String, f64>,
}

/// What the host has; memory and disk in MB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    pub(crate) cpus: f64,
    pub(crate) mem: f64,
    pub(crate) disk: f64,
}

impl Found {
    /// Looks at this host; the disk is the one that holds `work_dir`.
    pub(crate) fn here(work_dir: &std::path::Path) -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let mem = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| memory_total(&text));
        let disk = rustix::fs::statvfs(work_dir).map(|disk| (disk.f_blocks * disk.f_frsize) >> 20);
        #[expect(clippy::cast_precision_loss, reason = "megabytes and processors stay far below 2^52")]
        Self { cpus: cpus as f64, mem: mem.unwrap_or(1024) as f64, disk: disk.unwrap_or(1024) as f64 }
    }
}

fn memory_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes >> 10)
}

impl Resources {
    /// What the flag gives, completed by what the host has: all processors; memory less 1 GB, or half of less than
    /// 2 GB; disk less 5 GB, or half of less than 10 GB.
    pub(crate) fn read(flag: Option<&str>, found: Found) -> Result<Self, String> {
        let spare = |has: f64, keep: f64| if has >= 2.0 * keep { has - keep } else { (has / 2.0).floor() };
        let mut resources = Self {
            cpus: found.cpus,
            mem: spare(found.mem, 1024.0),
            disk: spare(found.disk, 5120.0),
            ports: "[31000-32000]".to_owned(),
            other: BTreeMap::new(),
        };
        for (name, value) in pairs(flag.unwrap_or_default())? {
            // The role that a resource is reserved for is of no matter to a stand-in.
            let name = name.split('(').next().unwrap_or_default();
            if name == "ports" {
                resources.ports = ranges(&value)?;
                continue;
            }
            let number: f64 = match value.parse() {
                Ok(number) if f64::is_finite(number) && number >= 0.0 => number,
                _ => return Err(format!("Bad value for resources, '{value}' is no quantity of {name}")),
            };
            match name {
                "cpus" => resources.cpus = number,
                "mem" => resources.mem = number,
                "disk" => resources.disk = number,
                other => drop(resources.other.insert(other.to_owned(), number)),
            }
        }
        Ok(resources)
    }

    /// As the endpoints show them.
    pub(crate) fn json(&self) -> serde_json::Value {
        let mut json = serde_json::json!({
            "cpus": self.cpus, "mem": self.mem, "disk": self.disk, "gpus": 0.0, "ports": self.ports,
        });
        if let Some(object) = json.as_object_mut() {
            object.extend(self.other.iter().map(|(name, value)| (name.clone(), (*value).into())));
        }
        json
    }
}

/// Reads `rack:r1;zone:z1`.
pub(crate) fn attributes(flag: Option<&str>) -> Result<BTreeMap<String, String>, String> {
    Ok(pairs(flag.unwrap_or_default())?.into_iter().collect())
}

fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    text.split([';', '\n'])
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| match pair.split_once(':') {
            Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
                Ok((name.trim().to_owned(), value.trim().to_owned()))
            }
            _ => Err(format!("Bad value '{pair}', it must be of the form name:value")),
        })
        .collect()
}

fn ranges(text: &str) -> Result<String, String> {
    let invalid =
        || format!("Bad value for resources, '{text}' is no list of port ranges like [31000-32000]");
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or_else(invalid)?;
    for range in inner.split(',') {
        let (first, last) = range.trim().split_once('-').ok_or_else(invalid)?;
        let (first, last) = (first.trim().parse::<u16>(), last.trim().parse::<u16>());
        match (first, last) {
            (Ok(first), Ok(last)) if first <= last => {}
            _ => return Err(invalid()),
        }
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOST: Found = Found { cpus: 2.0, mem: 8000.0, disk: 40_000.0 };

    #[test]
    fn what_is_not_given_is_found_on_the_host_with_something_kept_back() {
        let all = Resources::read(None, HOST).unwrap();
        assert_eq!((all.cpus, all.mem, all.disk), (2.0, 6976.0, 34_880.0));
        let small = Resources::read(None, Found { cpus: 1.0, mem: 1001.0, disk: 9000.0 }).unwrap();
        assert_eq!((small.mem, small.disk), (500.0, 4500.0));
        let given =
            Resources::read(Some("cpus(*):4;mem:512;ports:[80-80, 31000-32000];licences:3"), HOST).unwrap();
        assert_eq!((given.cpus, given.mem, given.other["licences"]), (4.0, 512.0, 3.0));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for flag in
            ["cpus", "cpus:", "cpus:two", "mem:-1", "cpus:NaN", "ports:31000-32000", "ports:[9-8]", ":4"]
        {
            assert!(Resources::read(Some(flag), HOST).is_err(), "{flag}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = Resources::read(Some(&text), HOST);
            let _ = attributes(Some(&text));
            let _ = memory_total(&text);
        }
    }
}
