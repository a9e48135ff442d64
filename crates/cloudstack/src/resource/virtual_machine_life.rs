//! The life of a virtual machine after its deployment: started, stopped, destroyed, brought back.

use crate::command::command;
use crate::id::Id;
use crate::resource::{Success, VirtualMachine};

command! {
    /// Starts a machine. One that runs already makes the job fail with 431.
    StartVirtualMachine("startVirtualMachine") starts VirtualMachine;
    required {
        /// The machine.
        id: Id,
    }
}

command! {
    /// Stops a machine. One that is stopped already is well.
    StopVirtualMachine("stopVirtualMachine") starts VirtualMachine;
    required {
        /// The machine.
        id: Id,
    }
    optional {
        /// Whether to pull the plug.
        forced: bool,
    }
}

command! {
    /// Restarts a machine that runs.
    RebootVirtualMachine("rebootVirtualMachine") starts VirtualMachine;
    required {
        /// The machine.
        id: Id,
    }
}

command! {
    /// Destroys a machine. Its rules go, and its name is free again, when it is expunged.
    DestroyVirtualMachine("destroyVirtualMachine") starts VirtualMachine;
    required {
        /// The machine.
        id: Id,
    }
    optional {
        /// Whether to expunge it as well; not every cloud lets its users
        /// (see [`Capabilities`](crate::resource::Capabilities)).
        expunge: bool,
    }
    lists {
        /// Data disks to remove with it; the others are only taken from it.
        volume_ids: Id,
    }
}

command! {
    /// Removes what is left of a destroyed machine.
    ExpungeVirtualMachine("expungeVirtualMachine") starts Success;
    required {
        /// The machine.
        id: Id,
    }
}

command! {
    /// Brings a destroyed machine back, stopped.
    RecoverVirtualMachine("recoverVirtualMachine") changes VirtualMachine;
    required {
        /// The machine.
        id: Id,
    }
}

command! {
    /// Replaces a machine's root disk by a fresh one of its template, or of another.
    RestoreVirtualMachine("restoreVirtualMachine") starts VirtualMachine;
    required {
        /// The machine.
        virtual_machine_id: Id,
    }
    optional {
        /// Another template.
        template_id: Id,
        /// Size of the new root disk in GB.
        root_disk_size: u64,
        /// Whether to expunge the old root disk at once.
        expunge: bool,
    }
}
