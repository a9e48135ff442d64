//! On which host a machine starts, given whom it must or should be near or far.

use uuid::Uuid;

use super::{AffinityType, Model, VirtualMachine};

/// The host a machine starts on, or none when its affinity groups can't be satisfied: among the hosts they leave, one
/// that they would rather have, then the one with the fewest machines, then the lowest number. Machines without groups
/// are dealt out in turn.
pub(crate) fn place(model: &Model, machine: &VirtualMachine, hosts: u32) -> Option<u32> {
    let groups: Vec<(Uuid, AffinityType)> = machine
        .affinity_groups
        .iter()
        .filter_map(|id| model.affinity_groups.get(*id).map(|group| (group.id, group.kind)))
        .collect();
    if groups.is_empty() {
        let host = machine.number.checked_rem(u64::from(hosts))?;
        return u32::try_from(host).ok();
    }
    let mut load = vec![0_usize; hosts as usize];
    let mut allowed = vec![true; hosts as usize];
    let mut liked = vec![0_i64; hosts as usize];
    for other in model.virtual_machines.iter().filter(|other| other.id != machine.id) {
        let Some(host) = other.host.map(|host| host as usize).filter(|host| *host < load.len()) else {
            continue;
        };
        load[host] += 1;
        for (group, kind) in &groups {
            if !other.affinity_groups.contains(group) {
                continue;
            }
            match kind {
                AffinityType::Apart => allowed[host] = false,
                AffinityType::RatherApart => liked[host] -= 1,
                AffinityType::RatherTogether => liked[host] += 1,
                AffinityType::Together => {
                    for (elsewhere, allowed) in allowed.iter_mut().enumerate() {
                        *allowed &= elsewhere == host;
                    }
                }
            }
        }
    }
    (0..hosts)
        .filter(|host| allowed[*host as usize])
        .min_by_key(|host| (-liked[*host as usize], load[*host as usize], *host))
}
