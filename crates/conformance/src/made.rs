//! What the suite makes, and how it is taken away again: exactly, by the ids kept while making, and by name, for what a
//! killed run has left. Addresses and rules go with their network.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::caller::Caller;
use crate::finding::{Finding, Verdict};

/// All names begin so.
pub(crate) const PREFIX: &str = "conform-";

/// Kinds of things, in the order in which they can be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Machine,
    Snapshot,
    Template,
    Volume,
    Network,
    NetworkOffering,
    AffinityGroup,
    KeyPair,
}

/// Something that was made.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    pub(crate) kind: Kind,
    /// Its id; a key pair's name.
    pub(crate) id: String,
    pub(crate) name: String,
}

/// Who removes, and what they may do.
#[derive(Clone, Debug)]
pub(crate) struct Remover {
    pub(crate) caller: Caller,
    pub(crate) may_expunge: bool,
    /// A root admin, if one's keys were given: it expunges for users who may not.
    pub(crate) admin: Option<Caller>,
    /// The commands that there are: of what cannot be listed nothing was made.
    pub(crate) offered: BTreeSet<String>,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Machine,
        Self::Snapshot,
        Self::Template,
        Self::Volume,
        Self::Network,
        Self::NetworkOffering,
        Self::AffinityGroup,
        Self::KeyPair,
    ];

    /// The command that lists it, the list's key, and the filter that it needs.
    const fn listing(self) -> (&'static str, &'static str, Option<(&'static str, &'static str)>) {
        match self {
            Self::Machine => ("listVirtualMachines", "virtualmachine", None),
            Self::Snapshot => ("listSnapshots", "snapshot", None),
            Self::Template => ("listTemplates", "template", Some(("templatefilter", "self"))),
            Self::Volume => ("listVolumes", "volume", Some(("type", "DATADISK"))),
            Self::Network => ("listNetworks", "network", None),
            Self::NetworkOffering => ("listNetworkOfferings", "networkoffering", None),
            Self::AffinityGroup => ("listAffinityGroups", "affinitygroup", None),
            Self::KeyPair => ("listSSHKeyPairs", "sshkeypair", None),
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Snapshot => "snapshot",
            Self::Template => "template",
            Self::Volume => "volume",
            Self::Network => "network",
            Self::NetworkOffering => "network offering",
            Self::AffinityGroup => "affinity group",
            Self::KeyPair => "key pair",
        }
    }
}

/// Whether a name begins so, in whatever case: one behaviour is about names in other letters.
fn begins(name: &str, prefix: &str) -> bool {
    name.to_lowercase().starts_with(prefix)
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.words(), self.name)
    }
}

impl Remover {
    /// Everything whose name begins so, and all machines in such networks, whatever they are called.
    async fn find(&self, prefix: &str) -> Verdict<Vec<Thing>> {
        let mut found = Vec::new();
        for kind in Kind::ALL {
            let (command, key, filter) = kind.listing();
            if !self.offered.contains(command) {
                continue;
            }
            let mut parameters = vec![("keyword", prefix)];
            parameters.extend(filter);
            let things = self.caller.list(command, key, &parameters).await?;
            let ours = things.iter().filter_map(|thing| {
                let name = thing["name"].as_str()?;
                let id = if kind == Kind::KeyPair { name } else { thing["id"].as_str()? };
                begins(name, prefix).then(|| Thing { kind, id: id.to_owned(), name: name.to_owned() })
            });
            found.extend(ours);
        }
        let mut inside = Vec::new();
        for network in found.iter().filter(|thing| thing.kind == Kind::Network) {
            let parameters = [("networkid", network.id.as_str())];
            for machine in self.caller.list("listVirtualMachines", "virtualmachine", &parameters).await? {
                let (Some(id), Some(name)) = (machine["id"].as_str(), machine["name"].as_str()) else {
                    continue;
                };
                if !begins(name, prefix) {
                    inside.push(Thing { kind: Kind::Machine, id: id.to_owned(), name: name.to_owned() });
                }
            }
        }
        // Machines go first.
        inside.append(&mut found);
        Ok(inside)
    }

    /// Takes a thing away. A thing that is gone already is fine.
    pub(crate) async fn remove(&self, thing: &Thing) -> Verdict {
        let id = thing.id.as_str();
        match thing.kind {
            Kind::Machine => self.remove_machine(id).await,
            Kind::KeyPair => self.done(self.caller.ask("deleteSSHKeyPair", &[("name", id)]).await),
            Kind::Volume => self.done(self.caller.ask("deleteVolume", &[("id", id)]).await),
            Kind::Snapshot => self.done(self.caller.run("deleteSnapshot", &[("id", id)]).await),
            Kind::Template => self.done(self.caller.run("deleteTemplate", &[("id", id)]).await),
            Kind::Network => self.done(self.caller.run("deleteNetwork", &[("id", id)]).await),
            Kind::NetworkOffering => match &self.admin {
                Some(admin) => self.done(admin.ask("deleteNetworkOffering", &[("id", id)]).await),
                None => Ok(()),
            },
            Kind::AffinityGroup => self.done(self.caller.run("deleteAffinityGroup", &[("id", id)]).await),
        }
    }

    async fn remove_machine(&self, id: &str) -> Verdict {
        if self.may_expunge {
            // A machine that was destroyed already is not listed for a user any more, and still has to be expunged.
            let parameters = [("id", id), ("expunge", "true")];
            return self.done(self.caller.run("destroyVirtualMachine", &parameters).await);
        }
        let seen = self.caller.list("listVirtualMachines", "virtualmachine", &[("id", id)]).await;
        if seen.is_ok_and(|seen| !seen.is_empty()) {
            self.done(self.caller.run("destroyVirtualMachine", &[("id", id)]).await)?;
        }
        let Some(admin) = &self.admin else { return Ok(()) };
        let there = admin.list("listVirtualMachines", "virtualmachine", &[("id", id)]).await?;
        if there.is_empty() {
            return Ok(());
        }
        self.done(admin.run("expungeVirtualMachine", &[("id", id)]).await)
    }

    /// Unknown means gone.
    fn done(&self, removed: Verdict<Value>) -> Verdict {
        match removed {
            Err(Finding::Differs { came, .. })
                if came.contains("entity does not exist")
                    || came.contains("does not exist for account")
                    || came.contains("unable to find") =>
            {
                Ok(())
            }
            other => other.map(drop),
        }
    }

    /// Takes away all that carries this prefix, again and again until it is gone or the time is over: a network waits for
    /// its destroyed machines, which the server expunges when it pleases. What stays, or that it cannot be known.
    pub(crate) async fn sweep(&self, prefix: &str, patience: Duration) -> Vec<String> {
        let deadline = Instant::now() + patience;
        loop {
            self.expunge_destroyed(prefix).await;
            for thing in self.find(prefix).await.unwrap_or_default() {
                let _ = self.remove(&thing).await;
            }
            let left = match self.find(prefix).await {
                Ok(things) => things.iter().map(ToString::to_string).collect(),
                Err(Finding::Differs { came: why, .. } | Finding::Skipped(why)) => {
                    vec![format!("whatever is called {prefix}…, which cannot be listed: {why}")]
                }
            };
            if left.is_empty() || Instant::now() >= deadline {
                return left;
            }
            sleep(Duration::from_secs(2)).await;
        }
    }

    /// Expunges destroyed machines that only a root admin sees.
    async fn expunge_destroyed(&self, prefix: &str) {
        let Some(admin) = &self.admin else { return };
        let parameters = [("listall", "true"), ("state", "Destroyed"), ("keyword", prefix)];
        let Ok(machines) = admin.list("listVirtualMachines", "virtualmachine", &parameters).await else {
            return;
        };
        for machine in machines {
            let ours = machine["name"].as_str().is_some_and(|name| begins(name, prefix));
            if let (true, Some(id)) = (ours, machine["id"].as_str()) {
                let _ = admin.run("expungeVirtualMachine", &[("id", id)]).await;
            }
        }
    }
}
