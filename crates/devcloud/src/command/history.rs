//! The zone's history as it is written: what a command leaves in the list of events, from its acceptance to its end.

use jiff::Timestamp;
use uuid::Uuid;

use super::deed::Deed;
use super::{Caller, Command};
use crate::model::{Event, Known, Model};

/// What is being told of one call. An acceptance is told to the account whose thing it is about, the rest to whoever
/// called (or to the project).
#[derive(Clone, Debug)]
pub(crate) struct History {
    deed: Deed,
    account: Uuid,
    user: Uuid,
    kind: Option<String>,
    id: Option<Uuid>,
    known: Known,
    parent: Option<Uuid>,
}

impl History {
    /// Of a call that is about this kind of thing, and this one of them. There is none where the deed is not told.
    pub(crate) fn of(
        model: &Model,
        deed: &Deed,
        caller: &Caller,
        kind: Option<&str>,
        id: Option<Uuid>,
    ) -> Option<Self> {
        if deed.kind.is_empty() {
            return None;
        }
        let known = kind.zip(id).and_then(|(kind, id)| model.known_as(kind, id)).unwrap_or_default();
        let owner = known.owner.and_then(|owner| model.accounts.get(owner));
        let project = owner.filter(|owner| owner.project.is_some()).map(|owner| owner.id);
        let account = project.unwrap_or(caller.account);
        let kind = kind.map(str::to_owned);
        Some(Self { deed: *deed, account, user: caller.user, kind, id, known, parent: None })
    }

    /// A command that is no job was carried out, or failed.
    pub(crate) fn note(
        model: &mut Model,
        now: Timestamp,
        command: &Command,
        caller: &Caller,
        about: Option<Uuid>,
        well: bool,
    ) {
        let history = command.deed.and_then(|deed| Self::of(model, deed, caller, deed.about, about));
        if let Some(history) = history {
            history.ended(model, now, well);
        }
    }

    /// A job was accepted, and what it makes was made.
    pub(crate) fn accepted(&mut self, model: &mut Model, now: Timestamp, made: bool) {
        if let Some(text) = self.deed.created(self.id).filter(|_| made) {
            self.parent = Some(self.tell(model, now, "Created", text, false));
        }
        let owner = self.known.owner.unwrap_or(self.account);
        let told = Self { account: owner, ..self.clone() };
        let scheduled = told.tell(model, now, "Scheduled", self.deed.scheduled(self.id), false);
        self.parent = self.parent.or(Some(scheduled));
    }

    /// Whether it is told that a job's turn has come, which differs from command to command.
    pub(crate) fn begins(&self) -> bool {
        self.deed.begins
    }

    /// A job's turn has come.
    pub(crate) fn begun(&self, model: &mut Model, now: Timestamp) {
        self.tell(model, now, "Started", self.deed.started(self.id), false);
    }

    /// It is over.
    pub(crate) fn ended(&self, model: &mut Model, now: Timestamp, well: bool) {
        self.tell(model, now, "Completed", self.deed.ended(self.id, well), !well);
    }

    /// A machine was deployed, and with it its root volume was made.
    pub(crate) fn of_root_volume(
        model: &mut Model,
        now: Timestamp,
        caller: &Caller,
        volume: Uuid,
        machine: Uuid,
    ) {
        // Two words are one there, too.
        let text = format!(
            "Successfully created entity for creating ROOT volume. Volume Type: ROOTVolume ID: {volume} Instance ID: \
             {machine}"
        );
        let deed = Deed::of("createVolume");
        if let Some(history) = Self::of(model, deed, caller, Some("Volume"), Some(volume)) {
            history.tell(model, now, "Created", text, false);
        }
    }

    /// A user has come in or gone out.
    pub(crate) fn of_session(
        model: &mut Model,
        now: Timestamp,
        caller: &Caller,
        kind: &'static str,
        text: String,
    ) {
        let deed = &Deed::of_session(kind);
        let user = Some(caller.user);
        if let Some(history) = Self::of(model, deed, caller, Some("User"), user) {
            history.tell(model, now, "Completed", text, false);
        }
    }

    fn tell(
        &self,
        model: &mut Model,
        now: Timestamp,
        state: &'static str,
        description: String,
        error: bool,
    ) -> Uuid {
        let id = model.next_id();
        let event = Event {
            number: model.next_number(),
            id,
            account: self.account,
            user: Some(self.user),
            archived: false,
            kind: self.deed.kind.to_owned(),
            error,
            description,
            state: state.to_owned(),
            created: now,
            resource_kind: self.kind.clone(),
            resource: self.id,
            resource_name: self.known.name.clone(),
            parent: self.parent,
        };
        model.record(event);
        id
    }
}
