//! `/etc/hosts`, whole: every master by its full and short name, and the node itself.
//!
//! Distributions write the node's own name with 127.0.1.1, which Mesos and Marathon would then advertise. Agents other than
//! the node itself are left out, so that one more of them changes nobody else's configuration.

use super::{File, places};
use crate::spec::{Node, Spec};

pub(super) fn file(spec: &Spec, masters: &[Node], own: &Node) -> File {
    let mut text = "# Written by mesostack\n\
                    127.0.0.1 localhost\n\
                    ::1 localhost ip6-localhost ip6-loopback\n\
                    ff02::1 ip6-allnodes\n\
                    ff02::2 ip6-allrouters\n\n"
        .to_owned();
    let itself = (!masters.contains(own)).then_some(own);
    for node in masters.iter().chain(itself) {
        text.push_str(&format!("{} {} {}\n", node.address, places::host_name(spec, node), node.name()));
    }
    File::public("/etc/hosts", text, &[])
}
