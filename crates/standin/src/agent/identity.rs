//! Who an agent is, across restarts: `work_dir/meta/slaves/latest` leads to a directory named by its id, which holds
//! what it was when it registered. An agent that has become another one must not use the id, and does not start.

use std::path::{Path, PathBuf};

use crate::protocol::AgentInfo;

/// The agent's id, kept on disk.
#[derive(Debug)]
pub(super) struct Identity {
    meta: PathBuf,
    id: Option<String>,
}

impl Identity {
    /// Reads what an earlier run has left. The error tells how to start as a new agent.
    pub(super) fn recover(meta: PathBuf, now: &AgentInfo, additive: bool) -> Result<Self, String> {
        let latest = meta.join("slaves/latest");
        let Ok(directory) = std::fs::read_link(&latest) else {
            return Ok(Self { meta, id: None });
        };
        let id = directory.file_name().map(|name| name.to_string_lossy().into_owned());
        let file = latest.join("slave.info");
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self { meta, id: None }),
            Err(error) => return Err(format!("Failed to read {}: {error}", file.display())),
        };
        let before: AgentInfo = serde_json::from_slice(&text)
            .map_err(|error| format!("Failed to recover agent info from {}: {error}", file.display()))?;
        if let Some(difference) = incompatible(&before, now, additive) {
            return Err(format!(
                "Failed to perform recovery: Incompatible agent info detected: {difference}. To restart this agent \
                 with a new agent id instead, do as follows: rm -f {}",
                latest.display()
            ));
        }
        tracing::info!("Recovered agent id {}", id.as_deref().unwrap_or_default());
        Ok(Self { meta, id })
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Keeps the id that the master gave. Whole or not at all: the link is turned last.
    pub(super) fn keep(&mut self, id: &str, info: &AgentInfo) -> std::io::Result<()> {
        let slaves = self.meta.join("slaves");
        let own = slaves.join(id);
        std::fs::create_dir_all(&own)?;
        replace(&own.join("slave.info"), |path| {
            std::fs::write(path, serde_json::to_vec(info).map_err(std::io::Error::other)?)
        })?;
        replace(&slaves.join("latest"), |path| std::os::unix::fs::symlink(&own, path))?;
        self.id = Some(id.to_owned());
        Ok(())
    }
}

fn replace(path: &Path, make: impl FnOnce(&Path) -> std::io::Result<()>) -> std::io::Result<()> {
    let new = path.with_extension("new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    make(&new)?;
    std::fs::rename(&new, path)
}

/// What keeps an agent from going on as the one it was. Host name and port never change; resources and attributes
/// only grow, and only with the additive policy.
fn incompatible(before: &AgentInfo, now: &AgentInfo, additive: bool) -> Option<String> {
    if before.hostname != now.hostname {
        return Some(format!("the host name was {} and is {}", before.hostname, now.hostname));
    }
    if before.port != now.port {
        return Some(format!("the port was {} and is {}", before.port, now.port));
    }
    let (was, is) = (&before.resources, &now.resources);
    let grown = was.cpus <= is.cpus && was.mem <= is.mem && was.disk <= is.disk && was.ports == is.ports;
    if was != is && !(additive && grown) {
        return Some(format!("the resources were {} and are {}", was.json(), is.json()));
    }
    let kept = before.attributes.iter().all(|(name, value)| now.attributes.get(name) == Some(value));
    if before.attributes != now.attributes && !(additive && kept) {
        return Some(format!("the attributes were {:?} and are {:?}", before.attributes, now.attributes));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{Found, Resources};

    fn info(mem: f64) -> AgentInfo {
        AgentInfo {
            hostname: "agent-1".into(),
            ip: "10.0.0.21".into(),
            port: 5051,
            version: "1.11.0".into(),
            resources: Resources::read(None, Found { cpus: 2.0, mem, disk: 20_000.0 }).unwrap(),
            attributes: [("rack".to_owned(), "r1".to_owned())].into(),
        }
    }

    #[test]
    fn the_id_is_kept_across_restarts_and_a_new_one_replaces_it() {
        let directory = tempfile::tempdir().unwrap();
        let recover = || Identity::recover(directory.path().join("meta"), &info(4096.0), false);
        let mut first = recover().unwrap();
        assert_eq!(first.id(), None);
        first.keep("m-S0", &info(4096.0)).unwrap();
        assert_eq!(recover().unwrap().id(), Some("m-S0"));
        first.keep("m-S7", &info(4096.0)).unwrap();
        assert_eq!(recover().unwrap().id(), Some("m-S7"));
        std::fs::remove_file(directory.path().join("meta/slaves/latest")).unwrap();
        assert_eq!(recover().unwrap().id(), None);
    }

    #[test]
    fn an_agent_that_has_become_another_does_not_start() {
        let directory = tempfile::tempdir().unwrap();
        let meta = directory.path().join("meta");
        Identity::recover(meta.clone(), &info(4096.0), false).unwrap().keep("m-S0", &info(4096.0)).unwrap();
        let refusal = Identity::recover(meta.clone(), &info(8192.0), false).unwrap_err();
        assert!(refusal.contains("rm -f") && refusal.contains("resources"), "{refusal}");
        assert!(Identity::recover(meta.clone(), &info(8192.0), true).is_ok());
        let renamed = AgentInfo { hostname: "agent-2".into(), ..info(4096.0) };
        assert!(Identity::recover(meta, &renamed, true).is_err());
    }
}
