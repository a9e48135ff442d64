//! Virtual machines.

mod change;
pub(crate) mod deploy;
mod details;
mod disks;
mod lifecycle;
mod list;
pub(in crate::command) mod moving;
pub(in crate::command) mod nic;
mod password;
mod user_data;

use serde_json::Value;
use uuid::Uuid;

pub(in crate::command) use self::list::MACHINE;
use self::list::NIC;
pub(crate) use self::list::view;
pub(crate) use self::user_data::GET_LIMIT as USER_DATA_GET_LIMIT;
use self::user_data::USER_DATA;
pub(super) use self::user_data::parse as parse_user_data;
use super::{Command, Entity, JobKind, Parameter, Reach, Running};
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
            Parameter::id("groupid", Entity::InstanceGroup),
            Parameter::id("isoid", Entity::Template),
            Parameter::id("userdataid", Entity::UserData),
            Parameter::id("affinitygroupid", Entity::AffinityGroup),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::id("vpcid", Entity::Nothing),
            Parameter::text("keypair"),
            Parameter::text("hypervisor"),
            Parameter::texts("details"),
            Parameter::boolean("userdata"),
            Parameter::boolean("displayvm"),
            Parameter::boolean("haenable"),
            Parameter::id("userid", Entity::User),
            Parameter::id("securitygroupid", Entity::Nothing),
            Parameter::id("hostid", Entity::Infrastructure).about("of root admins, as the next three"),
            Parameter::id("podid", Entity::Infrastructure),
            Parameter::id("clusterid", Entity::Infrastructure),
            Parameter::id("storageid", Entity::Infrastructure),
            Parameter::boolean("accumulate"),
            Parameter::text("arch").about("x86_64"),
            Parameter::boolean("forvirtualnetwork"),
            Parameter::boolean("gpuenabled").about("none has a graphics card"),
            Parameter::boolean("isvnf").about("none is a network appliance"),
            Parameter::boolean("leased").about("none has a lease"),
            Parameter::boolean("retrieveonlyresourcecount"),
        ],
        list::list,
    )
    .answering(&MACHINE),
    Command::job(
        "startVirtualMachine",
        "Starts a stopped machine",
        JobKind::new("user.vm.StartVMCmd").with_admin_class("admin.vm.StartVMCmdByAdmin"),
        &[
            Parameter::id("id", Entity::VirtualMachine).required(),
            Parameter::id("hostid", Entity::Infrastructure),
            Parameter::id("podid", Entity::Infrastructure),
            Parameter::id("clusterid", Entity::Infrastructure),
        ],
        lifecycle::start,
    )
    .answering(&MACHINE),
    Command::job(
        "stopVirtualMachine",
        "Stops a running machine",
        JobKind::new("user.vm.StopVMCmd").with_admin_class("admin.vm.StopVMCmdByAdmin"),
        &[Parameter::id("id", Entity::VirtualMachine).required(), Parameter::boolean("forced")],
        lifecycle::stop,
    )
    .answering(&MACHINE),
    Command::job(
        "rebootVirtualMachine",
        "Stops and starts a running machine",
        JobKind::new("user.vm.RebootVMCmd").with_admin_class("admin.vm.RebootVMCmdByAdmin"),
        &[Parameter::id("id", Entity::VirtualMachine).required(), Parameter::boolean("forced")],
        lifecycle::reboot,
    )
    .answering(&MACHINE),
    Command::job(
        "destroyVirtualMachine",
        "Stops a machine for good; with expunge it is removed at once",
        JobKind::new("user.vm.DestroyVMCmd").with_admin_class("admin.vm.DestroyVMCmdByAdmin"),
        &[
            Parameter::id("id", Entity::VirtualMachine).required(),
            Parameter::boolean("expunge"),
            Parameter::ids("volumeids", Entity::Volume),
        ],
        lifecycle::destroy,
    )
    .answering(&MACHINE),
    Command::job(
        "expungeVirtualMachine",
        "Removes a destroyed machine",
        JobKind::new("admin.vm.ExpungeVMCmd"),
        &[Parameter::id("id", Entity::VirtualMachine).required()],
        lifecycle::expunge,
    ),
    Command::change(
        "recoverVirtualMachine",
        "Takes a destroyed machine back",
        &[Parameter::id("id", Entity::VirtualMachine).required()],
        change::recover,
    )
    .answering(&MACHINE),
    Command::job(
        "restoreVirtualMachine",
        "Makes a machine's root disk anew from its template, or another",
        JobKind::new("user.vm.RestoreVMCmd").with_admin_class("admin.vm.RestoreVMCmdByAdmin"),
        &[
            Parameter::id("virtualmachineid", Entity::VirtualMachine).required(),
            Parameter::id("templateid", Entity::Template).of_anyone(),
            Parameter::long("rootdisksize").about("GiB"),
            Parameter::boolean("expunge"),
        ],
        lifecycle::restore,
    )
    .answering(&MACHINE),
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
            Parameter::boolean("displayvm").about("false, of a root admin, hides it from users"),
            Parameter::id("ostypeid", Entity::OsType),
            Parameter::id("userdataid", Entity::UserData),
            Parameter::map("userdatadetails"),
        ],
        change::update,
    )
    .answering(&MACHINE),
    Command::change(
        "changeServiceForVirtualMachine",
        "Gives a stopped machine another size",
        &[
            Parameter::id("id", Entity::VirtualMachine).required(),
            Parameter::id("serviceofferingid", Entity::ServiceOffering).required(),
            Parameter::map("details"),
        ],
        change::service,
    )
    .answering(&MACHINE),
    Command::job(
        "scaleVirtualMachine",
        "Gives a stopped machine another size; a running one a larger one, where its offering says so",
        JobKind::new("user.vm.ScaleVMCmd").with_admin_class("admin.vm.ScaleVMCmdByAdmin"),
        &[
            Parameter::id("id", Entity::VirtualMachine).required(),
            Parameter::id("serviceofferingid", Entity::ServiceOffering).required(),
            Parameter::map("details"),
        ],
        change::scale,
    ),
    Command::change(
        "resetUserDataForVirtualMachine",
        "Has a stopped machine be told something else when it boots next",
        &[
            Parameter::id("id", Entity::VirtualMachine).required(),
            Parameter::text("userdata").length(1_048_576),
            Parameter::id("userdataid", Entity::UserData),
            Parameter::map("userdatadetails"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
        ],
        change::reset_user_data,
    )
    .answering(&MACHINE)
    .for_admins(),
    Command::job(
        "resetSSHKeyForVirtualMachine",
        "Gives a stopped machine other SSH keys",
        JobKind::new("user.vm.ResetVMSSHKeyCmd"),
        &[
            Parameter::id("id", Entity::VirtualMachine).required(),
            Parameter::text("keypair"),
            Parameter::texts("keypairs"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
        ],
        change::reset_keys,
    )
    .answering(&MACHINE),
    Command::job(
        "resetPasswordForVirtualMachine",
        "Gives a stopped machine another password, which its guest takes when it boots next",
        JobKind::new("user.vm.ResetVMPasswordCmd").with_admin_class("admin.vm.ResetVMPasswordCmdByAdmin"),
        &[
            Parameter::id("id", Entity::VirtualMachine).required(),
            Parameter::text("password").about("without it, one is made up"),
        ],
        password::reset,
    )
    .answering(&MACHINE),
    Command::read(
        "getVirtualMachineUserData",
        "Answers a machine's user-data",
        &[Parameter::id("virtualmachineid", Entity::VirtualMachine).required()],
        user_data::get,
    )
    .answering(&USER_DATA),
    Command::list(
        "listNics",
        "Lists a machine's interfaces",
        &[
            Parameter::id("virtualmachineid", Entity::VirtualMachine).required(),
            Parameter::id("nicid", Entity::Nic),
            Parameter::id("networkid", Entity::Network),
        ],
        list::list_nics,
    )
    .answering(&NIC)
    .reaching(Reach::Catalogue),
];

impl Running {
    /// A machine as its job's result.
    pub(in crate::command) fn machine_answer(&self, id: Uuid) -> Result<Value, ApiError> {
        self.look(|look| {
            look.model.virtual_machines.get(id).map(|machine| {
                Value::Object([("virtualmachine".to_owned(), view(look, machine))].into_iter().collect())
            })
        })
        .ok_or_else(|| ApiError::internal(format!("unable to find a virtual machine with id {id}")))
    }
}
