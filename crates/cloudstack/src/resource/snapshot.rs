//! Snapshots of volumes.

use crate::command::command;
use crate::id::Id;
use crate::lenient::item;
use crate::parameters::TagList;
use crate::resource::{Success, Tag};

item! {
    /// A snapshot.
    Snapshot {
        /// Its id.
        "id" id: Id,
        /// Its name.
        "name" name: String,
        /// `Creating`, `BackedUp`, …
        "state" state: String,
        /// The volume.
        "volumeid" volume_id: Id,
        /// The volume's name.
        "volumename" volume_name: Option<String>,
        /// Bytes it takes.
        "physicalsize" physical_size: Option<u64>,
        /// Its zone.
        "zoneid" zone_id: Id,
        /// Its tags.
        "tags" tags: Vec<Tag>,
        /// When it was made.
        "created" created: Option<jiff::Timestamp>,
    }
}

command! {
    /// Makes a snapshot of a volume.
    CreateSnapshot("createSnapshot") starts Snapshot;
    required {
        /// The volume.
        volume_id: Id,
    }
    optional {
        /// The name.
        name: String,
    }
    maps {
        /// Its tags.
        tags: TagList,
    }
}

command! {
    /// Lists snapshots.
    ListSnapshots("listSnapshots") lists Snapshot;
    optional {
        /// The snapshot with this id.
        id: Id,
        /// Those of this name.
        name: String,
        /// Those of this volume.
        volume_id: Id,
        /// Also those of others, for administrators.
        list_all: bool,
    }
}

command! {
    /// Removes a snapshot.
    DeleteSnapshot("deleteSnapshot") starts Success;
    required {
        /// The snapshot.
        id: Id,
    }
}
