//! What a command is: a name, parameters, an effect, and the shape of what comes back.
//!
//! Three kinds exist, by how they answer: at once with a thing ([`SyncCommand`]), with pages of things
//! ([`ListCommand`]), or with a job that ends later ([`AsyncCommand`]). The commands of [`crate::resource`] implement
//! one each; a command that is missing there can be written the same way outside of this crate, or sent by
//! [`Client::raw`](crate::Client::raw).

use std::fmt::Debug;

use serde::de::DeserializeOwned;

use crate::parameters::Parameters;

/// Whether sending a command twice can do harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It only looks: sent by GET when short enough, and sent again when it failed for a passing reason.
    Read,
    /// It changes something: sent by POST, and never sent again unless it certainly did not arrive or was turned away.
    Write,
}

/// One call of the API.
pub trait Command: Debug + Send + Sync {
    /// Its name as the API spells it; a server looks it up case-sensitively.
    const NAME: &'static str;
    /// Whether it changes anything.
    const EFFECT: Effect;
    /// What is sent beside the name, key, expiry and signature.
    fn parameters(&self) -> Parameters;
}

/// A command that is done when it answers.
pub trait SyncCommand: Command {
    /// The answer: what is inside the reply's only member (`{"network": {…}}`), or else the whole reply
    /// (`{"success": true}`).
    type Reply: DeserializeOwned + Send;
}

/// A command that answers with pages of things.
pub trait ListCommand: Command {
    /// One of them.
    type Item: DeserializeOwned + Send;
}

/// A command that answers with a job.
pub trait AsyncCommand: Command {
    /// What the job results in, unwrapped as [`SyncCommand::Reply`] is.
    type Outcome: DeserializeOwned + Send;
}

/// The wire name of a parameter: the field's name without underscores (`network_ids` is `networkids`).
pub(crate) fn wire_name(field: &str) -> String {
    field.replace('_', "")
}

/// Writes a command's struct, its `new` with the required parameters, a setter for each optional one, and the traits.
/// The verb tells the kind: `lists ITEM`, `asks REPLY` and `changes REPLY` (at once), `starts OUTCOME` (a job).
macro_rules! command {
    (
        $(#[$meta:meta])*
        $name:ident($wire:literal) $verb:ident $out:ty;
        $(required { $($(#[$req_meta:meta])* $req:ident: $req_type:ty,)* })?
        $(optional { $($(#[$opt_meta:meta])* $opt:ident: $opt_type:ty,)* })?
        $(lists { $($(#[$list_meta:meta])* $list:ident: $list_type:ty,)* })?
        $(maps { $($(#[$map_meta:meta])* $map:ident: $map_type:ty,)* })?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct $name {
            $($($(#[$req_meta])* pub $req: $req_type,)*)?
            $($($(#[$opt_meta])* pub $opt: Option<$opt_type>,)*)?
            $($($(#[$list_meta])* pub $list: Vec<$list_type>,)*)?
            $($($(#[$map_meta])* pub $map: $map_type,)*)?
        }

        #[allow(clippy::new_without_default, reason = "one macro writes commands with and without required parameters")]
        impl $name {
            /// The command with what it cannot do without.
            #[must_use]
            #[allow(clippy::too_many_arguments, reason = "as many as the API requires")]
            pub fn new($($($req: impl Into<$req_type>,)*)?) -> Self {
                Self {
                    $($($req: $req.into(),)*)?
                    $($($opt: None,)*)?
                    $($($list: Vec::new(),)*)?
                    $($($map: Default::default(),)*)?
                }
            }
            $($(
                $(#[$opt_meta])*
                #[must_use]
                pub fn $opt(mut self, $opt: impl Into<$opt_type>) -> Self {
                    self.$opt = Some($opt.into());
                    self
                }
            )*)?
            $($(
                $(#[$list_meta])*
                #[must_use]
                pub fn $list(mut self, $list: impl IntoIterator<Item = impl Into<$list_type>>) -> Self {
                    self.$list = $list.into_iter().map(Into::into).collect();
                    self
                }
            )*)?
            $($(
                $(#[$map_meta])*
                #[must_use]
                pub fn $map(mut self, $map: impl Into<$map_type>) -> Self {
                    self.$map = $map.into();
                    self
                }
            )*)?
        }

        impl $crate::command::Command for $name {
            const NAME: &'static str = $wire;
            const EFFECT: $crate::command::Effect = $crate::command::command!(@effect $verb);

            fn parameters(&self) -> $crate::parameters::Parameters {
                #[allow(unused_mut, reason = "some commands have no parameters")]
                let mut parameters = $crate::parameters::Parameters::new();
                $($(parameters = parameters.with($crate::command::wire_name(stringify!($req)), self.$req.clone());)*)?
                $($(parameters = parameters.with($crate::command::wire_name(stringify!($opt)), self.$opt.clone());)*)?
                $($(parameters = parameters.with($crate::command::wire_name(stringify!($list)), self.$list.clone());)*)?
                $($(parameters = parameters.with($crate::command::wire_name(stringify!($map)), self.$map.clone());)*)?
                parameters
            }
        }

        $crate::command::command!(@kind $verb $name $out);
    };
    (@effect lists) => { $crate::command::Effect::Read };
    (@effect asks) => { $crate::command::Effect::Read };
    (@effect changes) => { $crate::command::Effect::Write };
    (@effect starts) => { $crate::command::Effect::Write };
    (@kind lists $name:ident $out:ty) => {
        impl $crate::command::ListCommand for $name { type Item = $out; }
    };
    (@kind asks $name:ident $out:ty) => {
        impl $crate::command::SyncCommand for $name { type Reply = $out; }
    };
    (@kind changes $name:ident $out:ty) => {
        impl $crate::command::SyncCommand for $name { type Reply = $out; }
    };
    (@kind starts $name:ident $out:ty) => {
        impl $crate::command::AsyncCommand for $name { type Outcome = $out; }
    };
}

pub(crate) use command;
