//! Operating system types: what a hypervisor is told about a template.

use crate::command::command;
use crate::id::Id;
use crate::lenient::item;

item! {
    /// A type of operating systems.
    OsType {
        /// Its id.
        "id" id: Id,
        /// Its name on newer servers; the same as the description.
        "name" name: Option<String>,
        /// Its description, such as `Debian GNU/Linux 12 (64-bit)`.
        "description" description: String,
        /// Its category.
        "oscategoryid" os_category_id: Id,
        /// Its category's name, such as `Debian`.
        "oscategoryname" os_category_name: Option<String>,
    }
}

command! {
    /// Lists operating system types.
    ListOsTypes("listOsTypes") lists OsType;
    optional {
        /// The type with this id.
        id: Id,
        /// The type of this description, in whole.
        description: String,
        /// Those in this category.
        os_category_id: Id,
        /// Those whose description holds this.
        keyword: String,
    }
}
