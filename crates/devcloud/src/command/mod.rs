//! The commands: one room a resource, each with a table of what it answers to. The tables together are all the zone can
//! do: they drive dispatch, parameter checks, roles and `listApis` alike.

mod account;
mod affinity_group;
mod answer;
mod api;
mod arguments;
mod async_job;
mod call;
mod capacity;
mod catalogue;
mod configuration;
mod console;
mod deed;
mod domain;
mod egress_firewall_rule;
mod entity;
mod event;
mod firewall_rule;
mod history;
mod infrastructure;
mod instance_group;
mod ip_forwarding_rule;
mod iso;
mod key_pair;
mod listing;
mod load_balancer_member;
mod load_balancer_policy;
mod load_balancer_rule;
mod network;
mod network_change;
mod network_domain;
mod network_offering;
mod network_view;
mod none;
mod offering;
mod parameter;
mod port_forwarding_rule;
mod project;
mod public_ip_address;
mod registered_user_data;
mod resource_details;
mod resource_limit;
mod snapshot;
mod standing;
mod static_nat;
mod tag;
mod template;
mod template_sharing;
mod user;
mod virtual_machine;
mod volume;

use futures::future::BoxFuture;
use serde_json::Value;
use uuid::Uuid;

use self::answer::{Answer, SUCCESS};
pub use self::api::apis;
pub(crate) use self::arguments::{Arguments, check};
pub(crate) use self::call::{Call, Caller, NOWHERE, Server, Settings, View};
pub(crate) use self::catalogue::VERSION;
pub(crate) use self::deed::Deed;
pub(crate) use self::entity::Entity;
pub(crate) use self::event::{LOGIN, LOGOUT};
pub(crate) use self::history::History;
pub(crate) use self::key_pair::Generated;
pub(crate) use self::listing::Listing;
pub(crate) use self::parameter::{Parameter, Reach};
pub(crate) use self::virtual_machine::USER_DATA_GET_LIMIT;
use crate::error::ApiError;
use crate::faults::not_doomed;
use crate::job::Lane;
use crate::zone::Core;

/// One command of the API.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) parameters: &'static [Parameter],
    /// Parameters that the real server's has, and that would make something else of the call: it is refused for them,
    /// since whoever sends them would not get what was asked for.
    pub(crate) unserved: &'static [&'static str],
    /// Which parameters it takes besides its own, as all lists of its kind do.
    pub(crate) reach: Reach,
    /// What its answer, or its job's result, is made of.
    pub(crate) answer: &'static Answer,
    pub(crate) who: Who,
    /// What events say of it; none of a command that only looks.
    pub(crate) deed: Option<&'static Deed>,
    pub(crate) run: Run,
}

/// Who may call a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Everyone,
    /// Root admins and domain admins.
    Admins,
    RootAdmin,
}

/// How a command is carried out.
pub(crate) enum Run {
    /// Many things, in pages.
    List(fn(&Call<'_>) -> Result<Listing, ApiError>),
    /// One answer that changes nothing.
    Read(fn(&Call<'_>) -> Result<Value, ApiError>),
    /// A change that is done when it is answered.
    Change(fn(&mut Call<'_>) -> Result<Value, ApiError>),
    /// A change that needs a fresh RSA key, which takes too long to be made under the zone's lock.
    ChangeWithKey(fn(&mut Call<'_>) -> Result<Value, ApiError>),
    /// A change that is begun when it is answered.
    Job(JobKind, fn(&mut Call<'_>) -> Result<Begun, ApiError>),
}

/// What clients see of a kind of job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JobKind {
    /// The class of the command, after `org.apache.cloudstack.api.command.`.
    pub(crate) class: &'static str,
    /// The class when a root admin calls, where it is another one.
    pub(crate) admin_class: Option<&'static str>,
}

/// A job that has been checked and written down, and waits to be run.
pub(crate) struct Begun {
    /// What the call is refused with all the same, and what was written down stays.
    pub(crate) refused: Option<ApiError>,
    /// What was made, for commands that make something: the answer then carries its id.
    pub(crate) made: Option<Uuid>,
    /// The kind of the resource the job is about, and its id.
    pub(crate) instance: Option<(&'static str, Option<Uuid>)>,
    /// How much of that the job itself tells; its events tell all of it.
    pub(crate) naming: Naming,
    /// Whom it has to queue behind.
    pub(crate) lane: Lane,
    /// Whom it has to queue behind as well. It takes its place in both at once, so that no two jobs wait for each other.
    pub(crate) beside: Lane,
    /// Whether events tell no more of it than that it was accepted.
    pub(crate) untold: bool,
    pub(crate) work: Work,
}

/// What a job tells of what it is about, as the real server's jobs do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// The kind of thing, and its id.
    Thing,
    /// The kind alone.
    Kind,
    Nothing,
}

/// What a job does.
pub(crate) type Work = Box<dyn FnOnce(Running) -> BoxFuture<'static, Result<Value, ApiError>> + Send>;

/// A job's surroundings while it runs.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) core: std::sync::Arc<Core>,
    pub(crate) caller: Caller,
}

impl Running {
    /// Changes the zone as the caller of the command would: for checks that the real server makes only in the job.
    pub(crate) async fn change_as_caller<T>(
        &self,
        arguments: &Arguments,
        change: impl FnOnce(&mut Call<'_>) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let settings = self.core.settings();
        not_doomed()?;
        self.core
            .change(|model, now| {
                change(&mut Call {
                    model,
                    settings: &settings,
                    caller: &self.caller,
                    arguments,
                    now,
                    refresh: Vec::new(),
                    fetch: Vec::new(),
                    server: self.core.server(NOWHERE),
                    generated: None,
                })
            })
            .await
    }

    /// Looks at the zone as the caller of the command would: for what a job answers.
    pub(crate) fn look<T>(&self, look: impl FnOnce(View<'_>) -> T) -> T {
        let settings = self.core.settings();
        self.core.read(|model| {
            let (root_admin, account) = (self.caller.root_admin, self.caller.account);
            look(View { model, settings: &settings, root_admin, account })
        })
    }
}

impl Begun {
    /// A job that makes something.
    pub(crate) fn making<F, W>(id: Uuid, instance: &'static str, lane: Lane, work: F) -> Self
    where
        F: FnOnce(Running) -> W + Send + 'static,
        W: Future<Output = Result<Value, ApiError>> + Send + 'static,
    {
        Self {
            refused: None,
            made: Some(id),
            instance: Some((instance, Some(id))),
            naming: Naming::Thing,
            lane,
            beside: Lane::Free,
            untold: false,
            work: Box::new(move |running| Box::pin(work(running))),
        }
    }

    /// A job that makes what the real server has no kind for: the job tells `None` instead, and no id.
    pub(crate) fn making_none<F, W>(id: Uuid, lane: Lane, work: F) -> Self
    where
        F: FnOnce(Running) -> W + Send + 'static,
        W: Future<Output = Result<Value, ApiError>> + Send + 'static,
    {
        Self { naming: Naming::Kind, ..Self::making(id, "None", lane, work) }
    }

    /// A job that does something.
    pub(crate) fn doing<F, W>(instance: Option<(&'static str, Option<Uuid>)>, lane: Lane, work: F) -> Self
    where
        F: FnOnce(Running) -> W + Send + 'static,
        W: Future<Output = Result<Value, ApiError>> + Send + 'static,
    {
        let work: Work = Box::new(move |running| Box::pin(work(running)));
        Self {
            refused: None,
            made: None,
            instance,
            naming: Naming::Thing,
            lane,
            beside: Lane::Free,
            untold: false,
            work,
        }
    }

    /// The same, behind those of another lane as well.
    pub(crate) fn beside(self, lane: Lane) -> Self {
        Self { beside: lane, ..self }
    }

    /// The same, of which events tell no more than that it was accepted.
    pub(crate) fn untold(self) -> Self {
        Self { untold: true, ..self }
    }

    /// A job that changes a rule or takes it away, in its network's turn. Such jobs don't tell what they are about.
    pub(crate) fn on_rule<F, W>(rule: Uuid, network: Uuid, work: F) -> Self
    where
        F: FnOnce(Running) -> W + Send + 'static,
        W: Future<Output = Result<Value, ApiError>> + Send + 'static,
    {
        let instance = Some(("FirewallRule", Some(rule)));
        Self { naming: Naming::Nothing, ..Self::doing(instance, Lane::Network(network), work) }
    }

    /// No job: the call is refused with this, and what it has written down stays all the same.
    pub(crate) fn refused(error: ApiError) -> Self {
        let begun = Self::doing(None, Lane::Free, |_| async { Ok(Value::Null) });
        Self { refused: Some(error), ..begun }
    }
}

/// Every command there is.
pub(crate) fn all() -> impl Iterator<Item = &'static Command> {
    [
        account::COMMANDS,
        affinity_group::COMMANDS,
        api::COMMANDS,
        async_job::COMMANDS,
        capacity::COMMANDS,
        catalogue::COMMANDS,
        configuration::COMMANDS,
        console::COMMANDS,
        domain::COMMANDS,
        egress_firewall_rule::COMMANDS,
        event::COMMANDS,
        firewall_rule::COMMANDS,
        key_pair::COMMANDS,
        infrastructure::COMMANDS,
        instance_group::COMMANDS,
        ip_forwarding_rule::COMMANDS,
        iso::COMMANDS,
        load_balancer_member::COMMANDS,
        load_balancer_policy::COMMANDS,
        load_balancer_rule::COMMANDS,
        none::COMMANDS,
        offering::COMMANDS,
        network::COMMANDS,
        network_change::COMMANDS,
        network_offering::COMMANDS,
        port_forwarding_rule::COMMANDS,
        project::COMMANDS,
        public_ip_address::COMMANDS,
        registered_user_data::COMMANDS,
        resource_details::COMMANDS,
        resource_limit::COMMANDS,
        snapshot::COMMANDS,
        standing::COMMANDS,
        static_nat::COMMANDS,
        tag::COMMANDS,
        template::COMMANDS,
        template_sharing::COMMANDS,
        user::COMMANDS,
        virtual_machine::COMMANDS,
        virtual_machine::deploy::COMMANDS,
        virtual_machine::moving::COMMANDS,
        virtual_machine::nic::COMMANDS,
        volume::COMMANDS,
    ]
    .into_iter()
    .flatten()
}

/// The command of exactly this name.
pub(crate) fn named(name: &str) -> Option<&'static Command> {
    all().find(|command| command.name == name)
}

impl Command {
    const fn new(
        name: &'static str,
        description: &'static str,
        parameters: &'static [Parameter],
        run: Run,
    ) -> Self {
        let deed = match run {
            Run::List(_) | Run::Read(_) => None,
            Run::Change(_) | Run::ChangeWithKey(_) | Run::Job(..) => Some(Deed::of(name)),
        };
        Self {
            name,
            description,
            parameters,
            unserved: &[],
            reach: Reach::Nothing,
            answer: &SUCCESS,
            who: Who::Everyone,
            deed,
            run,
        }
    }

    pub(crate) const fn list(
        name: &'static str,
        description: &'static str,
        parameters: &'static [Parameter],
        run: fn(&Call<'_>) -> Result<Listing, ApiError>,
    ) -> Self {
        Self { reach: Reach::Tagged, ..Self::new(name, description, parameters, Run::List(run)) }
    }

    pub(crate) const fn read(
        name: &'static str,
        description: &'static str,
        parameters: &'static [Parameter],
        run: fn(&Call<'_>) -> Result<Value, ApiError>,
    ) -> Self {
        Self::new(name, description, parameters, Run::Read(run))
    }

    pub(crate) const fn change(
        name: &'static str,
        description: &'static str,
        parameters: &'static [Parameter],
        run: fn(&mut Call<'_>) -> Result<Value, ApiError>,
    ) -> Self {
        Self::new(name, description, parameters, Run::Change(run))
    }

    pub(crate) const fn job(
        name: &'static str,
        description: &'static str,
        kind: JobKind,
        parameters: &'static [Parameter],
        run: fn(&mut Call<'_>) -> Result<Begun, ApiError>,
    ) -> Self {
        Self::new(name, description, parameters, Run::Job(kind, run))
    }

    /// A change that needs a fresh RSA key.
    pub(crate) const fn change_with_key(
        name: &'static str,
        description: &'static str,
        parameters: &'static [Parameter],
        run: fn(&mut Call<'_>) -> Result<Value, ApiError>,
    ) -> Self {
        Self::new(name, description, parameters, Run::ChangeWithKey(run))
    }

    /// What it answers with, where that is more than whether it was done.
    const fn answering(mut self, answer: &'static Answer) -> Self {
        self.answer = answer;
        self
    }

    /// Which of the real server's parameters it is refused for.
    const fn refusing(mut self, unserved: &'static [&'static str]) -> Self {
        self.unserved = unserved;
        self
    }

    /// Which of the parameters that lists have in common it takes.
    pub(crate) const fn reaching(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// Every parameter it takes.
    pub(crate) fn all_parameters(&self) -> impl Iterator<Item = &'static Parameter> {
        self.parameters.iter().chain(self.reach.parameters())
    }

    pub(crate) const fn for_admins(mut self) -> Self {
        self.who = Who::Admins;
        self
    }

    /// Whether this caller may use it.
    pub(crate) fn is_for(&self, caller: &Caller) -> bool {
        match self.who {
            Who::Everyone => true,
            Who::Admins => caller.root_admin || caller.domain_admin.is_some(),
            Who::RootAdmin => caller.root_admin,
        }
    }

    pub(crate) const fn for_root_admin(mut self) -> Self {
        self.who = Who::RootAdmin;
        self
    }

    /// The one key of the answer. Most are the command's name; a few are not.
    pub(crate) fn response_key(&self) -> String {
        match self.name {
            "updateVMAffinityGroup" => "updatevirtualmachineresponse".to_owned(),
            "restoreVirtualMachine" => "restorevmresponse".to_owned(),
            "resetSSHKeyForVirtualMachine" => "resetSSHKeyforvirtualmachineresponse".to_owned(),
            "createLBStickinessPolicy" => "createLBStickinessPolicy".to_owned(),
            "deleteLBStickinessPolicy" => "deleteLBstickinessrruleresponse".to_owned(),
            "addIpToNic" => "addiptovmnicresponse".to_owned(),
            "listIsoPermissions" => "listtemplatepermissionsresponse".to_owned(),
            name => format!("{}response", name.to_lowercase()),
        }
    }

    /// The name that error texts use.
    pub(crate) fn error_name(&self) -> String {
        self.response_key().trim_end_matches("response").to_owned()
    }

    pub(crate) fn is_job(&self) -> bool {
        matches!(self.run, Run::Job(..))
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self.run, Run::List(_))
    }

    /// Whether it only looks.
    pub(crate) fn only_reads(&self) -> bool {
        matches!(self.run, Run::List(_) | Run::Read(_))
    }
}

impl JobKind {
    pub(crate) const fn new(class: &'static str) -> Self {
        Self { class, admin_class: None }
    }

    pub(crate) const fn with_admin_class(mut self, class: &'static str) -> Self {
        self.admin_class = Some(class);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_command_and_parameter_has_its_name_once() {
        let mut names = BTreeSet::new();
        for command in all() {
            assert!(names.insert(command.name), "{} is there twice", command.name);
            let mut parameters = BTreeSet::new();
            for parameter in command.all_parameters() {
                assert!(parameters.insert(parameter.name), "{} has {} twice", command.name, parameter.name);
                assert_eq!(parameter.name, parameter.name.to_lowercase());
            }
        }
    }
}
