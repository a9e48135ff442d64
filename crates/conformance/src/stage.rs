//! What a behaviour has to work with: callers, what the server offers, fresh names, and things it can make, which are
//! taken away behind it. Networks with machines in them take a real server a while, so some are made once for a run.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::caller::Caller;
use crate::door::Door;
use crate::finding::{Verdict, skipped, text};
use crate::ground::Ground;
use crate::made::{Kind, Remover, Thing};
use crate::public_key::PublicKey;
use crate::run::Login;

/// Everything for one run.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) door: Door,
    pub(crate) user: Caller,
    pub(crate) ground: Ground,
    pub(crate) prefix: String,
    /// A public key that was never registered before this run.
    pub(crate) key: PublicKey,
    other: Option<Caller>,
    admin: Option<Caller>,
    login: Option<Login>,
    named: AtomicUsize,
    made: Mutex<Vec<(Thing, Keep)>>,
    asleep: OnceCell<Asleep>,
    awake: OnceCell<Awake>,
}

/// How long something made is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Until its behaviour ends.
    Behaviour,
    /// Until the run ends.
    Run,
}

/// A network in which nothing was ever started, with its address and a machine that was not started.
#[derive(Clone, Debug)]
pub(crate) struct Asleep {
    pub(crate) network: String,
    pub(crate) address: String,
    pub(crate) machine: String,
}

/// A network with a running machine and a second address, which is no source NAT.
#[derive(Clone, Debug)]
pub(crate) struct Awake {
    pub(crate) network: String,
    pub(crate) address: String,
    pub(crate) machine: String,
}

/// Whose keys there are beside the user's.
#[derive(Debug, Default)]
pub(crate) struct Others {
    pub(crate) other: Option<Caller>,
    pub(crate) admin: Option<Caller>,
    pub(crate) login: Option<Login>,
}

impl Stage {
    pub(crate) fn new(user: Caller, others: Others, ground: Ground, prefix: String) -> Self {
        let Others { other, admin, login } = others;
        Self {
            door: user.door.clone(),
            user,
            ground,
            prefix,
            key: PublicKey::of(rand::random()),
            other,
            admin,
            login,
            named: AtomicUsize::new(0),
            made: Mutex::default(),
            asleep: OnceCell::new(),
            awake: OnceCell::new(),
        }
    }

    /// A name that nothing else has.
    pub(crate) fn name(&self) -> String {
        format!("{}{}", self.prefix, self.named.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn other(&self) -> Verdict<&Caller> {
        self.other.as_ref().ok_or_else(|| skipped("no keys of another account were given"))
    }

    pub(crate) fn admin(&self) -> Verdict<&Caller> {
        self.admin.as_ref().ok_or_else(|| skipped("no root admin's keys were given"))
    }

    pub(crate) fn login(&self) -> Verdict<&Login> {
        self.login.as_ref().ok_or_else(|| skipped("no user name and password were given"))
    }

    /// Skips what only normal users meet.
    pub(crate) fn as_normal_user(&self) -> Verdict {
        if self.ground.root_admin { Err(skipped("the keys are a root admin's")) } else { Ok(()) }
    }

    /// Remembers a thing to be taken away.
    pub(crate) fn made(&self, kind: Kind, id: &str, name: &str, keep: Keep) {
        let thing = Thing { kind, id: id.to_owned(), name: name.to_owned() };
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push((thing, keep));
    }

    /// Removes with the rights there are.
    pub(crate) fn remover(&self) -> Remover {
        Remover {
            caller: self.user.clone(),
            may_expunge: self.ground.may_expunge(),
            admin: self.admin.clone(),
            offered: self.ground.commands.clone(),
        }
    }

    /// Removes what the other account made.
    pub(crate) fn other_remover(&self) -> Option<Remover> {
        let may_expunge = self.ground.users_expunge;
        Some(Remover { caller: self.other.clone()?, may_expunge, ..self.remover() })
    }

    /// Takes away what the last behaviour made. What does not go is left to the end of the run.
    pub(crate) async fn clear(&self) {
        self.take_away(|keep| keep == Keep::Behaviour).await;
    }

    /// Takes away all that the run made, and still remembers.
    pub(crate) async fn clear_all(&self) {
        self.take_away(|_| true).await;
    }

    /// What does not go stays remembered for the run's end: trying after each behaviour would only cost time.
    async fn take_away(&self, which: impl Fn(Keep) -> bool) {
        let mut things: Vec<(Thing, Keep)> = {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            made.extract_if(.., |(_, keep)| which(*keep)).collect()
        };
        things.sort_by_key(|(thing, _)| thing.kind);
        let remover = self.remover();
        for (thing, _) in things {
            if remover.remove(&thing).await.is_err() {
                self.made(thing.kind, &thing.id, &thing.name, Keep::Run);
            }
        }
    }

    /// Makes a network; its view.
    pub(crate) async fn network(&self, more: &[(&str, &str)], keep: Keep) -> Verdict<Value> {
        let name = self.name();
        let mut parameters = vec![
            ("name", name.as_str()),
            ("displaytext", name.as_str()),
            ("zoneid", &self.ground.zone),
            ("networkofferingid", &self.ground.network_offering),
        ];
        let addressed = more.iter().any(|(name, _)| *name == "gateway");
        if !addressed {
            parameters.extend([("gateway", "10.97.0.1"), ("netmask", "255.255.255.0")]);
        }
        parameters.extend(more);
        let network = self.user.ask("createNetwork", &parameters).await?["network"].clone();
        self.made(Kind::Network, text(&network, "id")?, &name, keep);
        Ok(network)
    }

    /// The parameters of a machine.
    pub(crate) fn machine_in<'a>(&'a self, network: &'a str, name: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("name", name),
            ("zoneid", &self.ground.zone),
            ("serviceofferingid", &self.ground.offering),
            ("templateid", &self.ground.template),
            ("networkids", network),
        ]
    }

    /// Deploys a machine; its view at the job's end.
    pub(crate) async fn machine(&self, network: &str, more: &[(&str, &str)], keep: Keep) -> Verdict<Value> {
        let name = self.name();
        let mut parameters = self.machine_in(network, &name);
        parameters.extend(more);
        let begun = self.user.begin("deployVirtualMachine", &parameters).await?;
        self.made(Kind::Machine, begun.id.as_deref().unwrap_or_default(), &name, keep);
        let end = self.user.outcome(&begun.job).await?;
        crate::finding::hold(end["jobstatus"] == 1, "deployVirtualMachine ends well", &end)?;
        Ok(end["jobresult"]["virtualmachine"].clone())
    }

    /// A machine that is not started.
    pub(crate) async fn stopped(&self, network: &str, keep: Keep) -> Verdict<Value> {
        self.machine(network, &[("startvm", "false")], keep).await
    }

    /// An address for a network; its id.
    pub(crate) async fn address(&self, network: &str) -> Verdict<String> {
        let result = self.user.run("associateIpAddress", &[("networkid", network)]).await?;
        Ok(text(&result["ipaddress"], "id")?.to_owned())
    }

    /// The run's network that is never woken.
    pub(crate) async fn asleep(&self) -> Verdict<&Asleep> {
        let make = async || {
            let network = self.network(&[], Keep::Run).await?;
            let network = text(&network, "id")?.to_owned();
            let address = self.address(&network).await?;
            let machine = self.stopped(&network, Keep::Run).await?;
            Ok(Asleep { address, machine: text(&machine, "id")?.to_owned(), network })
        };
        self.asleep.get_or_try_init(make).await
    }

    /// The run's network with a running machine.
    pub(crate) async fn awake(&self) -> Verdict<&Awake> {
        let make = async || {
            let network = self.network(&[], Keep::Run).await?;
            let network = text(&network, "id")?.to_owned();
            let machine = self.machine(&network, &[], Keep::Run).await?;
            let machine = text(&machine, "id")?.to_owned();
            let running = ("state", "Running");
            self.user.until("listVirtualMachines", "virtualmachine", &machine, running).await?;
            let implemented = ("state", "Implemented");
            self.user.until("listNetworks", "network", &network, implemented).await?;
            let address = self.address(&network).await?;
            Ok(Awake { address, machine, network })
        };
        self.awake.get_or_try_init(make).await
    }
}
