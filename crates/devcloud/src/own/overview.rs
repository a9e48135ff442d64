//! What exists, as the page shows it: names, states and addresses of everything in the zone, whoever owns it. Keys,
//! passwords, user-data, tags, details and the results of jobs are no part of it.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::rules::{Rule, rules};
use crate::model::{Event, Job, JobStatus, Model, Network, Template, VirtualMachine};
use crate::zone::Zone;

/// How many of a kind are told; a zone can hold ten thousand machines, and a page that is looked at cannot.
const SHOWN: usize = 300;
/// How many jobs and events are told.
const JOBS: usize = 20;
const EVENTS: usize = 40;

/// Everything in the zone.
#[derive(Debug, Serialize)]
pub(super) struct Overview {
    zone: String,
    /// The zone's time.
    now: Timestamp,
    driver: &'static str,
    /// Whether a file of faults is in force.
    faults: bool,
    addresses: Addresses,
    machines: Listed<Machine>,
    networks: Listed<NetworkRow>,
    rules: Listed<Rule>,
    templates: Listed<TemplateRow>,
    jobs: Listed<JobRow>,
    events: Listed<EventRow>,
}

#[derive(Debug, Serialize)]
struct Addresses {
    taken: usize,
    total: usize,
}

/// The newest of a kind, in the order they were made or, jobs and events, the newest first.
#[derive(Debug, Serialize)]
pub(super) struct Listed<T> {
    total: usize,
    rows: Vec<T>,
}

impl<T> Listed<T> {
    /// The last rows, in their order.
    fn last<E>(total: usize, newest_first: impl Iterator<Item = E>, row: impl Fn(E) -> T) -> Self {
        let mut rows: Vec<T> = newest_first.take(SHOWN).map(row).collect();
        rows.reverse();
        Self { total, rows }
    }

    fn newest_first<E>(total: usize, newest_first: impl Iterator<Item = E>, row: impl Fn(E) -> T) -> Self {
        Self { total, rows: newest_first.map(row).collect() }
    }
}

#[derive(Debug, Serialize)]
struct Machine {
    id: Uuid,
    name: String,
    state: &'static str,
    addresses: Vec<Ipv4Addr>,
    networks: Vec<String>,
    template: Option<String>,
    offering: Option<String>,
    host: Option<u32>,
    account: Option<String>,
}

#[derive(Debug, Serialize)]
struct NetworkRow {
    id: Uuid,
    name: String,
    state: &'static str,
    range: String,
    source_nat: Option<Ipv4Addr>,
    machines: usize,
    account: Option<String>,
}

#[derive(Debug, Serialize)]
struct TemplateRow {
    id: Uuid,
    name: String,
    state: &'static str,
    kind: &'static str,
    created: Timestamp,
    account: Option<String>,
}

#[derive(Debug, Serialize)]
struct JobRow {
    id: Uuid,
    created: Timestamp,
    command: String,
    state: &'static str,
    /// How long it took, once it has ended.
    took: Option<String>,
    error: Option<String>,
    account: Option<String>,
}

#[derive(Debug, Serialize)]
struct EventRow {
    created: Timestamp,
    kind: String,
    state: String,
    description: String,
    account: Option<String>,
}

impl Overview {
    /// The zone as it is.
    pub(super) fn of(zone: &Zone) -> Self {
        let core = zone.core();
        let (now, settings, faults) = (core.now(), core.settings(), !core.faults_text().is_empty());
        let driver = core.driver().hypervisor();
        core.read(|model| {
            let names = Names { model };
            let rules = rules(model);
            Self {
                zone: settings.config.name.clone(),
                now,
                driver,
                faults,
                addresses: Addresses {
                    taken: model.addresses_taken(),
                    total: model.public_ip_addresses.len(),
                },
                machines: Listed::last(
                    model.virtual_machines.len(),
                    model.virtual_machines.iter().rev(),
                    |machine| names.machine(machine),
                ),
                networks: Listed::last(model.networks.len(), model.networks.iter().rev(), |network| {
                    names.network(network)
                }),
                rules: Listed::last(rules.len(), rules.iter().rev(), |made| made.row(model)),
                templates: Listed::last(model.templates.len(), model.templates.iter().rev(), |template| {
                    names.template(template)
                }),
                jobs: Listed::newest_first(model.jobs.len(), model.jobs.iter().rev().take(JOBS), |job| {
                    names.job(job)
                }),
                events: Listed::newest_first(
                    model.events.len(),
                    model.events.iter().rev().take(EVENTS),
                    |event| names.event(event),
                ),
            }
        })
    }
}

/// Rows, with names in place of ids.
struct Names<'a> {
    model: &'a Model,
}

impl Names<'_> {
    fn account(&self, id: Uuid) -> Option<String> {
        self.model.accounts.get(id).map(|account| account.name.clone())
    }

    fn machine(&self, machine: &VirtualMachine) -> Machine {
        let network = |id| self.model.networks.get(id).map(|network| network.name.clone());
        Machine {
            id: machine.id,
            name: machine.name.clone(),
            state: machine.state.name(),
            addresses: machine.nics.iter().map(|nic| nic.address).collect(),
            networks: machine.nics.iter().filter_map(|nic| network(nic.network)).collect(),
            template: self.model.templates.get(machine.template).map(|template| template.name.clone()),
            offering: self
                .model
                .service_offerings
                .get(machine.offering)
                .map(|offering| offering.name.clone()),
            host: machine.host,
            account: self.account(machine.account),
        }
    }

    fn network(&self, network: &Network) -> NetworkRow {
        NetworkRow {
            id: network.id,
            name: network.name.clone(),
            state: network.state.name(),
            range: network.range.to_string(),
            source_nat: self.model.source_nat_of(network.id).map(|address| address.address),
            machines: self.model.machines_in(network.id).count(),
            account: self.account(network.account),
        }
    }

    fn template(&self, template: &Template) -> TemplateRow {
        TemplateRow {
            id: template.id,
            name: template.name.clone(),
            state: if template.ready { "Ready" } else { "Being made" },
            kind: template.kind.name(),
            created: template.created,
            account: template.account.and_then(|account| self.account(account)),
        }
    }

    fn job(&self, job: &Job) -> JobRow {
        let (state, error) = match &job.status {
            JobStatus::Pending => ("Pending", None),
            JobStatus::Succeeded(_) => ("Succeeded", None),
            JobStatus::Failed { code, text } => ("Failed", Some(format!("{code}: {text}"))),
        };
        let took = job.completed.map(|completed| {
            format!("{:.1} s", completed.duration_since(job.created).as_secs_f64().max(0.0))
        });
        let class = job.class.rsplit('.').next().unwrap_or_default();
        JobRow {
            id: job.id,
            created: job.created,
            command: class.strip_suffix("Cmd").unwrap_or(class).to_owned(),
            state,
            took,
            error,
            account: self.account(job.account),
        }
    }

    fn event(&self, event: &Event) -> EventRow {
        EventRow {
            created: event.created,
            kind: event.kind.clone(),
            state: if event.error { "Error".to_owned() } else { event.state.clone() },
            description: event.description.clone(),
            account: self.account(event.account),
        }
    }
}
