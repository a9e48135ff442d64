//! How the cluster's things are recognised in the cloud: names, tags, descriptions.
//!
//! The cloud is the only memory there is. What is written here is what the next run, by whomever, knows.

use crate::spec::{NodeName, Role};

/// The network's tag that says whose it is; its value is the cluster's name.
pub(crate) const CLUSTER: &str = "mesostack.cluster";
/// The network's tag that says which key pair was registered for the cluster, and goes with it.
pub(crate) const KEY_PAIR: &str = "mesostack.keypair";
/// What the names of such tags begin with for further key pairs: a name of its own for each, because a tag is changed by
/// removing it first, and what it said would be nobody's.
const FURTHER_KEY_PAIR: &str = "mesostack.keypair.";
/// What the name of the tag begins with that says of how many masters the ensemble is.
const MASTERS: &str = "mesostack.masters.";
/// The value of that tag, and of the next.
pub(crate) const TOLD: &str = "told";
/// The network's tag that says that masters are being told something else than their marks say. A tag of its own, because a
/// mark is changed by removing it first, and says as well who was ever healthy.
pub(crate) const TELLING: &str = "mesostack.telling";
/// In the mark of a master whose machine is made anew: what its predecessor knew is gone, and it has to learn it first.
pub(crate) const EMPTY: &str = "new";
/// In a mark, in place of the configuration: another one is on its way to the node.
const UNKNOWN: &str = "-";
/// Why masters share a group: no two of them on one host.
pub(crate) const ANTI_AFFINITY: &str = "host anti-affinity";

/// What the names of tags with host keys begin with.
const HOST_KEY: &str = "mesostack.hostkey.";
/// What the names of tags with the marks of set-ups begin with.
const SET_UP: &str = "mesostack.node.";

/// The network's tag that says that a further key pair was registered for the cluster; its value is the pair's name.
pub(crate) fn further_key_pair_tag(name: &str) -> String {
    format!("{FURTHER_KEY_PAIR}{name}")
}

/// That tag's value: the key pair's name, and which key it is, since another may have its name later.
pub(crate) fn key_pair_mark(name: &str, fingerprint: &str) -> String {
    format!("{name} {fingerprint}")
}

/// The name of the key pair that such a tag is about, and its fingerprint where it is written down.
pub(crate) fn marked_key_pair(mark: &str) -> (&str, Option<&str>) {
    let is_fingerprint =
        |word: &str| word.contains(':') && word.chars().all(|one| one == ':' || one.is_ascii_hexdigit());
    // A name may have spaces.
    match mark.rsplit_once(' ') {
        Some((name, word)) if is_fingerprint(word) => (name, Some(word)),
        _ => (mark, None),
    }
}

/// Whether a tag says that a key pair was registered for the cluster.
pub(crate) fn is_key_pair_tag(key: &str) -> bool {
    key == KEY_PAIR || key.starts_with(FURTHER_KEY_PAIR)
}

/// The network's tag that holds a node's public host key, written before the node is made.
pub fn host_key_tag(host_name: &str) -> String {
    format!("{HOST_KEY}{host_name}")
}

/// The network's tag that says of how many masters the ensemble is. Written before any of them is told, and another when
/// one more is known to all. Two names and not two values: a tag is changed by removing it first.
pub(crate) fn masters_tag(masters: u16) -> String {
    format!("{MASTERS}{masters}")
}

/// Of how many masters the ensemble is, if that is what a tag says.
pub(crate) fn masters_of_tag(key: &str) -> Option<u16> {
    key.strip_prefix(MASTERS)?.parse().ok()
}

/// What the names of tags of agents that are about to go begin with.
const LEAVING: &str = "mesostack.leaving.";

/// The network's tag that says that an agent's machine is about to go; see [`leaving_mark`].
pub(crate) fn leaving_tag(host_name: &str) -> String {
    format!("{LEAVING}{host_name}")
}

/// That tag's value: which machine, and whether another one takes its place. Written before the agent is drained, because
/// there is no way back from that: whoever comes next goes on with it.
pub(crate) fn leaving_mark(machine: &str, anew: bool) -> String {
    match anew {
        true => format!("{machine} {ANEW}"),
        false => machine.to_owned(),
    }
}

/// Whether that value says that another machine takes its place.
pub(crate) fn is_made_anew(mark: &str) -> bool {
    mark.split(' ').nth(1) == Some(ANEW)
}

/// The word for it.
const ANEW: &str = "anew";

/// The network's tag that says that a node's set-up was finished; see [`set_up_mark`].
pub(crate) fn set_up_tag(host_name: &str) -> String {
    format!("{SET_UP}{host_name}")
}

/// That tag's value: for which machine, with which configuration, and for a master, of how many masters it is one. A
/// machine made anew has another id, so a mark of its predecessor says nothing about it.
pub(crate) fn set_up_mark(machine: &str, digest: &str, masters: Option<u16>) -> String {
    match masters {
        Some(masters) => format!("{machine} {digest} {masters}"),
        None => format!("{machine} {digest}"),
    }
}

/// The machine that such a mark is for.
pub(crate) fn marked_machine(mark: &str) -> Option<&str> {
    mark.split(' ').next()
}

/// The same mark while its node is being told something else: whoever comes next does not take the old for granted.
pub(crate) fn being_told(mark: &str) -> String {
    let words = mark.split(' ').enumerate();
    words.map(|(at, word)| if at == 1 { UNKNOWN } else { word }).collect::<Vec<_>>().join(" ")
}

/// Whether a mark says that its node was being told something else.
pub(crate) fn is_being_told(mark: &str) -> bool {
    mark.split(' ').nth(1) == Some(UNKNOWN)
}

/// Of how many masters one is, going by its mark.
pub(crate) fn marked_masters(mark: &str) -> Option<u16> {
    mark.split(' ').nth(2)?.parse().ok()
}

/// The network's display text and the affinity group's description: says whose they are from the moment they exist,
/// before any tag can.
pub(crate) fn description(cluster: &str) -> String {
    format!("Mesos cluster {cluster}, made by mesostack")
}

/// The masters' anti-affinity group.
pub(crate) fn affinity_group(cluster: &str) -> String {
    format!("{cluster}-masters")
}

/// Whether a machine's name is one this cluster gives to its nodes, of whatever number.
pub(crate) fn is_node_name(cluster: &str, name: &str) -> bool {
    node_of(cluster, name).is_some()
}

/// Which node of this cluster a machine's name says that it is.
pub(crate) fn node_of(cluster: &str, name: &str) -> Option<NodeName> {
    name.strip_prefix(cluster)?.strip_prefix('-')?.parse().ok()
}

/// Which node of this cluster one of the network's tags is about.
pub(crate) fn node_of_tag(cluster: &str, key: &str) -> Option<NodeName> {
    let name = [HOST_KEY, SET_UP, LEAVING].iter().find_map(|prefix| key.strip_prefix(prefix))?;
    node_of(cluster, name)
}

/// Whether a tag of the network says something of what the masters know: which of them were set up, of how many.
pub(crate) fn tells_of_masters(cluster: &str, key: &str) -> bool {
    let set_up = key.strip_prefix(SET_UP).and_then(|name| node_of(cluster, name));
    key == TELLING || masters_of_tag(key).is_some() || set_up.is_some_and(|node| node.role == Role::Master)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_we_would_give_are_ours() {
        for (name, ours) in [
            ("mesos-master-1", true),
            ("mesos-agent-2829", true),
            ("mesos-agent-0", false),
            ("mesos-agent-07", false),
            ("mesos-agent-", false),
            ("mesos-gateway-1", false),
            ("mesos2-agent-1", false),
            ("agent-1", false),
        ] {
            assert_eq!(is_node_name("mesos", name), ours, "{name}");
        }
    }
}
