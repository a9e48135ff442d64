//! Events: what happened in an account, newest first.

use crate::command::command;
use crate::id::Id;
use crate::lenient::item;

item! {
    /// Something that happened.
    Event {
        /// Its id.
        "id" id: Id,
        /// Its type, such as `VM.CREATE`.
        "type" type_: String,
        /// `INFO`, `WARN` or `ERROR`.
        "level" level: String,
        /// What happened.
        "description" description: String,
        /// Who did it.
        "username" username: String,
        /// `Created`, `Scheduled`, `Started` or `Completed`.
        "state" state: String,
        /// When.
        "created" created: Option<jiff::Timestamp>,
        /// The kind of the thing it happened to.
        "resourcetype" resource_type: Option<String>,
        /// The thing it happened to.
        "resourceid" resource_id: Option<Id>,
    }
}

command! {
    /// Lists events, newest first.
    ListEvents("listEvents") lists Event;
    optional {
        /// Those of this type.
        type_: String,
        /// Those of this level.
        level: String,
        /// Those of this thing; with `resource_type`.
        resource_id: Id,
        /// The kind of the thing.
        resource_type: String,
        /// Those after this time, `yyyy-MM-dd HH:mm:ss`.
        start_date: String,
        /// Those before this time.
        end_date: String,
    }
}
