//! Virtual machines.

mod change;
pub(crate) mod deploy;
mod lifecycle;
mod list;
mod user_data;

use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use self::list::view;
pub(crate) use self::user_data::GET_LIMIT as USER_DATA_GET_LIMIT;
use super::{Command, Entity, JobKind, Parameter, Running, View};
use crate::error::ApiError;

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listVirtualMachines",
        "Lists machines",
        &[
            Parameter::id("id", Entity::VirtualMachine),
            Parameter::ids("ids", Entity::VirtualMachine),
            Parameter::text("name"),
            Parameter::text("state"),
            Parameter::id("networkid", Entity::Network),
            Parameter::id("templateid", Entity::Template),
            Parameter::id("serviceofferingid", Entity::ServiceOffering),
            Parameter::id("affinitygroupid", Entity::AffinityGroup),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::id("vpcid", Entity::Nothing),
            Parameter::text("keypair"),
            Parameter::text("hypervisor"),
            Parameter::texts("details"),
            Parameter::boolean("userdata"),
            Parameter::boolean("displayvm"),
            Parameter::boolean("accumulate"),
        ],
        list::list,
    ),
    Command::job(
        "startVirtualMachine",
        "Starts a stopped machine",
        JobKind::new("user.vm.StartVMCmd", "VM.START", "starting Vm")
            .with_admin_class("admin.vm.StartVMCmdByAdmin"),
        &[Parameter::id("id", Entity::VirtualMachine).required()],
        lifecycle::start,
    ),
    Command::job(
        "stopVirtualMachine",
        "Stops a running machine",
        JobKind::new("user.vm.StopVMCmd", "VM.STOP", "stopping Vm")
            .with_admin_class("admin.vm.StopVMCmdByAdmin"),
        &[Parameter::id("id", Entity::VirtualMachine).required(), Parameter::boolean("forced")],
        lifecycle::stop,
    ),
    Command::job(
        "rebootVirtualMachine",
        "Stops and starts a running machine",
        JobKind::new("user.vm.RebootVMCmd", "VM.REBOOT", "rebooting Vm")
            .with_admin_class("admin.vm.RebootVMCmdByAdmin"),
        &[Parameter::id("id", Entity::VirtualMachine).required(), Parameter::boolean("forced")],
        lifecycle::reboot,
    ),
    Command::job(
        "destroyVirtualMachine",
        "Stops a machine for good; with expunge it is removed at once",
        JobKind::new("user.vm.DestroyVMCmd", "VM.DESTROY", "destroying Vm")
            .with_admin_class("admin.vm.DestroyVMCmdByAdmin"),
        &[
            Parameter::id("id", Entity::VirtualMachine).required(),
            Parameter::boolean("expunge"),
            Parameter::ids("volumeids", Entity::Volume),
        ],
        lifecycle::destroy,
    ),
    Command::job(
        "expungeVirtualMachine",
        "Removes a destroyed machine",
        JobKind::new("admin.vm.ExpungeVMCmd", "VM.EXPUNGE", "expunging Vm"),
        &[Parameter::id("id", Entity::VirtualMachine).required()],
        lifecycle::expunge,
    ),
    Command::change(
        "recoverVirtualMachine",
        "Takes a destroyed machine back",
        &[Parameter::id("id", Entity::VirtualMachine).required()],
        change::recover,
    ),
    Command::job(
        "restoreVirtualMachine",
        "Makes a machine's root disk anew from its template, or another",
        JobKind::new("user.vm.RestoreVMCmd", "VM.RESTORE", "restoring Vm")
            .with_admin_class("admin.vm.RestoreVMCmdByAdmin"),
        &[
            Parameter::id("virtualmachineid", Entity::VirtualMachine).required(),
            Parameter::id("templateid", Entity::Template).of_anyone(),
        ],
        lifecycle::restore,
    ),
    Command::change(
        "updateVirtualMachine",
        "Changes what is said about a machine, and what it is told when it boots next",
        &[
            Parameter::id("id", Entity::VirtualMachine).required(),
            Parameter::text("name"),
            Parameter::text("displayname"),
            Parameter::text("group"),
            Parameter::text("userdata").length(1_048_576),
            Parameter::map("details"),
            Parameter::boolean("cleanupdetails"),
            Parameter::boolean("deleteprotection"),
            Parameter::boolean("isdynamicallyscalable"),
            Parameter::boolean("haenable"),
            Parameter::id("ostypeid", Entity::OsType),
        ],
        change::update,
    ),
    Command::change(
        "changeServiceForVirtualMachine",
        "Gives a stopped machine another size",
        &[
            Parameter::id("id", Entity::VirtualMachine).required(),
            Parameter::id("serviceofferingid", Entity::ServiceOffering).required(),
            Parameter::map("details"),
        ],
        change::service,
    ),
    Command::job(
        "resetSSHKeyForVirtualMachine",
        "Gives a stopped machine other SSH keys",
        JobKind::new("user.vm.ResetVMSSHKeyCmd", "VM.RESETSSHKEY", "resetting Vm SSH key"),
        &[
            Parameter::id("id", Entity::VirtualMachine).required(),
            Parameter::text("keypair"),
            Parameter::texts("keypairs"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
        ],
        change::reset_keys,
    ),
    Command::read(
        "getVirtualMachineUserData",
        "Answers a machine's user-data",
        &[Parameter::id("virtualmachineid", Entity::VirtualMachine).required()],
        user_data::get,
    ),
    Command::list(
        "listNics",
        "Lists a machine's interfaces",
        &[
            Parameter::id("virtualmachineid", Entity::VirtualMachine).required(),
            Parameter::text("nicid"),
            Parameter::id("networkid", Entity::Network),
        ],
        list::list_nics,
    ),
];

impl Running {
    /// A machine as its job's result.
    pub(in crate::command) fn machine_answer(&self, id: Uuid) -> Result<Value, ApiError> {
        let settings = self.core.settings();
        self.core
            .read(|model| {
                let look = View { model, settings: &settings, root_admin: self.caller.root_admin };
                model.virtual_machines.get(id).map(|machine| json!({ "virtualmachine": view(look, machine) }))
            })
            .ok_or_else(|| ApiError::internal(format!("unable to find a virtual machine with id {id}")))
    }
}
