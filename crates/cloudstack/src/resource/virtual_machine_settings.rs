//! What can be changed about a virtual machine: its names, size, groups, keys and user data.

use crate::command::command;
use crate::id::Id;
use crate::lenient::{Secret, item};
use crate::parameters::{Details, UserData};
use crate::resource::VirtualMachine;

item! {
    /// A machine's user data as it was handed over.
    VirtualMachineUserData {
        /// The machine.
        "virtualmachineid" virtual_machine_id: Id,
        /// The data in Base64.
        "userdata" user_data: Option<Secret>,
    }
}

command! {
    /// Changes what is said of a machine. Some of it takes effect at its next start.
    UpdateVirtualMachine("updateVirtualMachine") changes VirtualMachine;
    required {
        /// The machine.
        id: Id,
    }
    optional {
        /// The new name and host name.
        name: String,
        /// The new name for people.
        display_name: String,
        /// The new user data.
        user_data: UserData,
        /// The new group.
        group: String,
        /// Whether the server shall refuse to destroy it.
        delete_protection: bool,
    }
    maps {
        /// Free fields, instead of those it has.
        details: Details,
    }
}

command! {
    /// Changes a stopped machine's size.
    ChangeServiceForVirtualMachine("changeServiceForVirtualMachine") changes VirtualMachine;
    required {
        /// The machine.
        id: Id,
        /// The new size.
        service_offering_id: Id,
    }
    maps {
        /// Processors and memory, where the offering leaves them open.
        details: Details,
    }
}

command! {
    /// Changes a machine's size, running or not.
    ScaleVirtualMachine("scaleVirtualMachine") starts VirtualMachine;
    required {
        /// The machine.
        id: Id,
        /// The new size.
        service_offering_id: Id,
    }
    maps {
        /// Processors and memory, where the offering leaves them open.
        details: Details,
    }
}

command! {
    /// Puts a stopped machine into these affinity groups, at least one, instead of those it is in.
    UpdateVmAffinityGroup("updateVMAffinityGroup") starts VirtualMachine;
    required {
        /// The machine.
        id: Id,
    }
    lists {
        /// The groups.
        affinity_group_ids: Id,
    }
}

command! {
    /// Gives a stopped machine another key pair.
    ResetSshKeyForVirtualMachine("resetSSHKeyForVirtualMachine") starts VirtualMachine;
    required {
        /// The machine.
        id: Id,
        /// The key pair's name.
        key_pair: String,
    }
}

command! {
    /// Asks for a machine's user data.
    GetVirtualMachineUserData("getVirtualMachineUserData") asks VirtualMachineUserData;
    required {
        /// The machine.
        virtual_machine_id: Id,
    }
}
