//! Tags: keys with values on resources.
//!
//! A key can be on a resource once; a second `createTags` of it fails (the job ends with code 530). That makes it a
//! test-and-set.

use crate::command::command;
use crate::id::Id;
use crate::lenient::item;
use crate::parameters::TagList;
use crate::resource::Success;

item! {
    /// A tag.
    Tag {
        /// Its key, unique on its resource.
        "key" key: String,
        /// Its value.
        "value" value: String,
        /// The kind of the resource, such as `UserVm` or `Network`.
        "resourcetype" resource_type: String,
        /// The resource.
        "resourceid" resource_id: Id,
    }
}

command! {
    /// Tags resources of one kind, all with the same tags.
    ///
    /// ```
    /// use cloudstack::resource::CreateTags;
    /// use cloudstack::{Id, TagList};
    ///
    /// let tags = TagList::from_iter([("owner", "me"), ("purpose", "test")]);
    /// let command = CreateTags::new(vec![Id::from("network id")], "Network", tags);
    /// ```
    CreateTags("createTags") starts Success;
    required {
        /// The resources.
        resource_ids: Vec<Id>,
        /// Their kind: `UserVm`, `Network`, `Template`, `Volume`, `PublicIpAddress`, `FirewallRule`, …
        resource_type: String,
        /// The tags.
        tags: TagList,
    }
}

command! {
    /// Takes tags off resources of one kind. Where none matches the job fails with code 530.
    DeleteTags("deleteTags") starts Success;
    required {
        /// The resources.
        resource_ids: Vec<Id>,
        /// Their kind.
        resource_type: String,
    }
    maps {
        /// The tags; all when none is given. A tag with a value is taken off only where it has that value.
        tags: TagList,
    }
}

command! {
    /// Lists tags.
    ListTags("listTags") lists Tag;
    optional {
        /// Those of resources of this kind.
        resource_type: String,
        /// Those of this resource.
        resource_id: Id,
        /// Those with this key.
        key: String,
        /// Those with this value.
        value: String,
    }
}
