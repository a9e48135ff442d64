//! Why a step is done, where a reader would ask: told from what the network's tags and the machines say.

use super::{
    ensemble::Standing,
    machines::{Sorted, Told},
};
use crate::cluster::{
    desired::{Desired, WantedMachine},
    identity,
    observed::{MachineState, Observed},
};

/// Why a machine is made that was there before, as far as that can be known.
pub(super) fn of_making(
    wanted: &WantedMachine,
    observed: &Observed,
    machines: &Sorted<'_>,
) -> Option<String> {
    let name = wanted.host_name.as_str();
    let tag = |key: String| observed.tag(&key);
    if machines.discards(name) {
        // The line that says so stands above.
        return None;
    }
    let why = if tag(identity::leaving_tag(name)).is_some_and(identity::is_made_anew) {
        "a run before has begun to make it anew"
    } else if tag(identity::set_up_tag(name)).is_some_and(|mark| mark != identity::EMPTY) {
        "its machine is gone"
    } else {
        // Its host key is written before it is made.
        tag(identity::host_key_tag(name))?;
        "its machine is gone, or a run was broken off before it was made"
    };
    Some(why.to_owned())
}

/// Why a machine that is there is started.
pub(super) fn of_starting(wanted: &WantedMachine, observed: &Observed) -> Option<String> {
    let why = match observed.machine(&wanted.host_name)?.state {
        MachineState::Changing => "it is being started, stopped or moved",
        _ => "it is stopped",
    };
    Some(why.to_owned())
}

/// Why a node is told something.
pub(super) fn of_telling(
    desired: &Desired,
    wanted: &WantedMachine,
    observed: &Observed,
    told: &Told<'_>,
) -> String {
    let name = wanted.host_name.as_str();
    let masters = desired.spec.cluster.masters;
    let id = observed.machine(name).map(|machine| machine.named.id.as_str());
    let broken_off = wanted.is_master() && observed.tag(identity::TELLING).is_some();
    let why = match observed.tag(&identity::set_up_tag(name)) {
        _ if told.fresh.contains(name) => "its machine is made anew",
        _ if told.started.contains(name) => "its machine did not run",
        None | Some(identity::EMPTY) => "it was never seen healthy",
        Some(mark) if identity::marked_machine(mark) != id => "its machine is not the one that was set up",
        Some(mark) if broken_off || identity::is_being_told(mark) => {
            "a run that told it something else was broken off"
        }
        Some(mark) if wanted.is_master() && identity::marked_masters(mark) != Some(masters) => {
            return format!("it was told of another number of masters than {masters}");
        }
        Some(_) => "its configuration changed",
    };
    why.to_owned()
}

/// Why masters are told something one at a time.
pub(super) fn of_rolling_out(
    desired: &Desired,
    those: &[&WantedMachine],
    observed: &Observed,
    (told, standing): (&Told<'_>, &Standing),
) -> String {
    let masters = desired.spec.cluster.masters;
    if standing.grows(masters) {
        return format!("{} masters become {masters}", standing.masters);
    }
    let reasons = those.iter().map(|wanted| of_telling(desired, wanted, observed, told));
    let reasons = reasons.collect::<Vec<_>>();
    match reasons.first() {
        Some(first) if reasons.iter().all(|why| why == first) => first.clone(),
        _ => {
            let each = those.iter().zip(&reasons);
            let each = each.map(|(wanted, why)| format!("{}: {why}", wanted.node.name()));
            each.collect::<Vec<_>>().join("; ")
        }
    }
}
