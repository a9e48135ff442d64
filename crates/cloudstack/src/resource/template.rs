//! Templates: root disks to make machines from.

use std::collections::BTreeMap;

use crate::command::command;
use crate::id::Id;
use crate::lenient::{item, words};
use crate::parameters::{Details, TagList};
use crate::resource::{Success, Tag};

words! {
    /// Which templates to list.
    TemplateFilter {
        /// The caller's own.
        OwnOnly = "self",
        /// The caller's own that can be deployed.
        SelfExecutable = "selfexecutable",
        /// Those the cloud puts forward.
        Featured = "featured",
        /// Public ones that are not featured.
        Community = "community",
        /// Those shared with the caller.
        Shared = "shared",
        /// Those shared with the caller that can be deployed.
        SharedExecutable = "sharedexecutable",
        /// All the caller can deploy from: its own, public, featured and shared ones, ready or not.
        Executable = "executable",
        /// All there are; for administrators.
        All = "all",
    }
}

item! {
    /// A template in a zone; one that is in several zones is listed once for each.
    Template {
        /// Its id.
        "id" id: Id,
        /// Its name, not unique.
        "name" name: String,
        /// Its description.
        "displaytext" display_text: String,
        /// Whether machines can be made from it.
        "isready" is_ready: bool,
        /// How far it is, in the server's words: `Download Complete`, `42% Downloaded`; seen by its owner only.
        "status" status: Option<String>,
        /// Whether everybody may use it.
        "ispublic" is_public: bool,
        /// Whether the cloud puts it forward.
        "isfeatured" is_featured: bool,
        /// Whether it can be taken out of the cloud.
        "isextractable" is_extractable: bool,
        /// Whether its machines are given passwords.
        "passwordenabled" password_enabled: bool,
        /// `QCOW2`, `RAW`, `VHD`, `OVA`, …
        "format" format: String,
        /// The hypervisor it is for.
        "hypervisor" hypervisor: String,
        /// Its operating system type.
        "ostypeid" os_type_id: Id,
        /// Its operating system type's name.
        "ostypename" os_type_name: String,
        /// Its size in bytes.
        "size" size: Option<u64>,
        /// What it takes on secondary storage, in bytes.
        "physicalsize" physical_size: Option<u64>,
        /// `USER`, `BUILTIN`, `SYSTEM`, …
        "templatetype" template_type: String,
        /// `x86_64` or `aarch64`.
        "arch" arch: Option<String>,
        /// Its zone.
        "zoneid" zone_id: Id,
        /// Its zone's name.
        "zonename" zone_name: String,
        /// Its account.
        "account" account: String,
        /// Its domain.
        "domainid" domain_id: Id,
        /// Free fields.
        "details" details: BTreeMap<String, String>,
        /// The template the machine was made from whose disk this is.
        "sourcetemplateid" source_template_id: Option<Id>,
        /// Its checksum.
        "checksum" checksum: Option<String>,
        /// Its tags.
        "tags" tags: Vec<Tag>,
        /// When it was made.
        "created" created: Option<jiff::Timestamp>,
    }
}

command! {
    /// Lists templates.
    ListTemplates("listTemplates") lists Template;
    required {
        /// Which.
        template_filter: TemplateFilter,
    }
    optional {
        /// The template with this id. A private one of somebody else is refused (531).
        id: Id,
        /// Those of this name, in whole.
        name: String,
        /// Those in this zone.
        zone_id: Id,
        /// Those for this hypervisor.
        hypervisor: String,
        /// Those whose name holds this.
        keyword: String,
        /// Once each, whatever zones they are in.
        show_unique: bool,
    }
    maps {
        /// Those with one of these tags.
        tags: TagList,
    }
}

command! {
    /// Makes a template from a volume or a snapshot. A machine that has the volume must be stopped.
    ///
    /// A second one of the same name is a second template: look before repeating this.
    CreateTemplate("createTemplate") starts Template;
    required {
        /// The name.
        name: String,
        /// The operating system type.
        os_type_id: Id,
    }
    optional {
        /// The volume; or
        volume_id: Id,
        /// the snapshot.
        snapshot_id: Id,
        /// A description; the name when left out.
        display_text: String,
        /// Whether everybody may use it.
        is_public: bool,
        /// Whether the cloud puts it forward; for administrators.
        is_featured: bool,
        /// Whether its machines are given passwords.
        password_enabled: bool,
        /// Whether it needs hardware virtualisation.
        requires_hvm: bool,
        /// Whether processors and memory can be added to running machines.
        is_dynamically_scalable: bool,
    }
    maps {
        /// Free fields.
        details: Details,
    }
}

command! {
    /// Lets the cloud fetch a template from an address.
    RegisterTemplate("registerTemplate") changes Vec<Template>;
    required {
        /// The name.
        name: String,
        /// The format; the address must end accordingly.
        format: String,
        /// The hypervisor it is for.
        hypervisor: String,
        /// The address.
        url: String,
        /// The operating system type.
        os_type_id: Id,
        /// The zone; `-1` is all.
        zone_id: Id,
    }
    optional {
        /// A description; the name when left out.
        display_text: String,
        /// The checksum, such as `{SHA-256}…`.
        checksum: String,
        /// Whether everybody may use it.
        is_public: bool,
        /// Whether it can be taken out of the cloud.
        is_extractable: bool,
        /// Whether its machines are given passwords.
        password_enabled: bool,
        /// Whether it needs hardware virtualisation.
        requires_hvm: bool,
    }
    maps {
        /// Free fields.
        details: Details,
    }
}

command! {
    /// Changes what is said of a template.
    UpdateTemplate("updateTemplate") changes Template;
    required {
        /// The template.
        id: Id,
    }
    optional {
        /// The new name.
        name: String,
        /// The new description.
        display_text: String,
        /// The new operating system type.
        os_type_id: Id,
        /// Whether its machines are given passwords.
        password_enabled: bool,
    }
    maps {
        /// Free fields, instead of those it has.
        details: Details,
    }
}

command! {
    /// Changes who may use a template.
    UpdateTemplatePermissions("updateTemplatePermissions") changes Success;
    required {
        /// The template.
        id: Id,
    }
    optional {
        /// Whether everybody may.
        is_public: bool,
        /// Whether the cloud puts it forward; for administrators.
        is_featured: bool,
        /// Whether it can be taken out of the cloud.
        is_extractable: bool,
        /// `add`, `remove` or `reset` of `accounts`.
        op: String,
    }
    lists {
        /// Accounts it is shared with.
        accounts: String,
    }
}

command! {
    /// Copies a template to other zones.
    CopyTemplate("copyTemplate") starts Template;
    required {
        /// The template.
        id: Id,
        /// Where it is.
        source_zone_id: Id,
        /// Where it shall be.
        dest_zone_ids: Vec<Id>,
    }
}

command! {
    /// Removes a template. While machines use it the job fails with 431 unless forced.
    DeleteTemplate("deleteTemplate") starts Success;
    required {
        /// The template.
        id: Id,
    }
    optional {
        /// From this zone only.
        zone_id: Id,
        /// Even while machines use it.
        forced: bool,
    }
}
