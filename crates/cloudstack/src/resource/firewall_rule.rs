//! Firewall rules: what may come in to a public address. Without one nothing may.

use std::net::Ipv4Addr;

use crate::command::command;
use crate::id::Id;
use crate::lenient::{TextList, item, words};
use crate::parameters::TagList;
use crate::resource::{Success, Tag};

words! {
    /// A transport protocol, as rules name it.
    Protocol {
        /// TCP.
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
        /// ICMP.
        Icmp = "icmp",
        /// Every protocol; for egress rules.
        All = "all",
    }
}

words! {
    /// How far a rule is.
    RuleState {
        /// Checked, not yet to be applied.
        Staged = "Staged",
        /// To be applied.
        Add = "Add",
        /// Applied, or to be applied as soon as its network has a router.
        Active = "Active",
        /// To be taken back.
        Revoke = "Revoke",
        /// The same, as newer servers call it.
        Deleting = "Deleting",
    }
}

item! {
    /// A firewall rule.
    FirewallRule {
        /// Its id.
        "id" id: Id,
        /// The protocol.
        "protocol" protocol: Protocol,
        /// The first port; absent with ICMP, and when all ports are open.
        "startport" start_port: Option<u16>,
        /// The last port.
        "endport" end_port: Option<u16>,
        /// ICMP's type; -1 is any.
        "icmptype" icmp_type: Option<i32>,
        /// ICMP's code; -1 is any.
        "icmpcode" icmp_code: Option<i32>,
        /// Where the traffic may come from.
        "cidrlist" cidr_list: TextList,
        /// The address it is on.
        "ipaddressid" ip_address_id: Id,
        /// That address itself.
        "ipaddress" ip_address: Option<Ipv4Addr>,
        /// The network.
        "networkid" network_id: Id,
        /// How far it is.
        "state" state: RuleState,
        /// Its tags.
        "tags" tags: Vec<Tag>,
    }
}

command! {
    /// Lets traffic in. A rule with the same protocol, overlapping ports and a range in common is a conflict (537).
    CreateFirewallRule("createFirewallRule") starts FirewallRule;
    required {
        /// The address.
        ip_address_id: Id,
        /// The protocol.
        protocol: Protocol,
    }
    optional {
        /// The first port; all ports when left out.
        start_port: u16,
        /// The last port; the first when left out.
        end_port: u16,
        /// ICMP's type; any when left out.
        icmp_type: i32,
        /// ICMP's code; any when left out.
        icmp_code: i32,
    }
    lists {
        /// Where from; from everywhere when left out.
        cidr_list: String,
    }
}

command! {
    /// Lists firewall rules.
    ListFirewallRules("listFirewallRules") lists FirewallRule;
    optional {
        /// The rule with this id.
        id: Id,
        /// Those on this address.
        ip_address_id: Id,
        /// Those of this network.
        network_id: Id,
        /// Also those of others, for administrators.
        list_all: bool,
    }
    maps {
        /// Those with one of these tags.
        tags: TagList,
    }
}

command! {
    /// Takes a rule back.
    DeleteFirewallRule("deleteFirewallRule") starts Success;
    required {
        /// The rule.
        id: Id,
    }
}
