//! The two machines of a build: the one that is worked on, and the one that the finished template is tried on.

use std::time::Duration;

use cloudstack::{
    Expect, Id, Started, UserData,
    resource::{
        CreatePortForwardingRule, DeployVirtualMachine, ListVirtualMachines, Protocol, StartVirtualMachine,
        VirtualMachine, VirtualMachineState as State,
    },
};
use remote::{HostKey, Target};
use tokio::time::sleep;

use super::{run::Run, site::Site};
use crate::image::{
    error::{Error, Result},
    lookup::Place,
};

/// How often a machine is looked at that nobody can reach.
const LOOK: Duration = Duration::from_secs(5);

/// A machine to make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order<'a> {
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    pub(super) template: &'a Id,
    pub(super) user_data: &'a UserData,
    /// Whether it is started by the same call, because nothing has to be written down before.
    pub(super) start: bool,
}

/// Begins to make a machine; its id is known as soon as the cloud has taken the order.
pub(super) async fn deploy(
    run: &Run<'_>,
    place: &Place,
    site: &Site,
    order: Order<'_>,
) -> Result<(Id, Started)> {
    let doing = format!("make the machine {}", order.name);
    let command = DeployVirtualMachine::new(&place.zone.id, &place.offering.id)
        .template_id(order.template)
        .name(order.name)
        .display_name(order.description)
        .network_ids([&site.network])
        .user_data(order.user_data.clone())
        .start_vm(order.start);
    let started = run.begin(&doing, &command).await?;
    let id = started.id.clone().ok_or_else(|| Error::Invalid {
        problems: vec![format!("the cloud took the order for {} and gave it no id", order.name)],
    })?;
    Ok((id, started))
}

/// Leads a public port to the machine's SSH.
pub(super) async fn forward(run: &Run<'_>, site: &Site, machine: &Id, offset: u16, work: &str) -> Result<()> {
    let Some(entrance) = &site.entrance else { return Ok(()) };
    let command = CreatePortForwardingRule::new(
        &entrance.id,
        Protocol::Tcp,
        entrance.first_port + offset,
        machine,
        22u16,
    )
    .open_firewall(false);
    site.write(run, "lead a public port to the machine's SSH", &command, work).await
}

/// Starts a machine and waits until the cloud says that it runs.
pub(super) async fn start(run: &Run<'_>, machine: &Id) -> Result<VirtualMachine> {
    run.carry_out("start the build machine", &StartVirtualMachine::new(machine), Expect::Long).await
}

/// Where the machine's SSH is reached: over the forward, or by its own address.
pub(super) fn target(
    site: &Site,
    machine: &VirtualMachine,
    offset: u16,
    user: &str,
    host_key: &HostKey,
) -> Result<Target> {
    let (host, port) = match &site.entrance {
        Some(entrance) => (entrance.address.to_string(), entrance.first_port + offset),
        None => {
            let address = machine.nic.iter().find_map(|nic| nic.ip_address).ok_or_else(|| {
                Error::Invalid { problems: vec![format!("the machine {} has no address", machine.name)] }
            })?;
            (address.to_string(), 22)
        }
    };
    Ok(Target { host, port, user: user.to_owned(), host_key: host_key.clone() })
}

/// Waits until the machine has powered itself off. That is all the outside can see of a machine that nobody reaches; one
/// that fails stays on, until the deadline.
pub(super) async fn wait_for_power_off(run: &Run<'_>, machine: &Id, doing: &str) -> Result<()> {
    loop {
        let found = run.list(doing, &ListVirtualMachines::new().id(machine)).await?;
        match found.first().map(|machine| &machine.state) {
            Some(State::Stopped) => return Ok(()),
            Some(State::Running | State::Starting | State::Stopping | State::Migrating) => {}
            state => {
                let state = state.map_or("gone", State::as_str);
                return Err(Error::Step {
                    step: doing.to_owned(),
                    status: format!("the machine is {state}"),
                    said: "it did not come to its end".to_owned(),
                });
            }
        }
        run.until(doing, sleep(LOOK)).await?;
    }
}
