//! Egress rules: what may go out of a network, where its offering denies by default; where it allows by default, what
//! may not.

use crate::command::command;
use crate::id::Id;
use crate::lenient::{TextList, item};
use crate::parameters::TagList;
use crate::resource::{Protocol, RuleState, Success, Tag};

item! {
    /// An egress rule.
    EgressFirewallRule {
        /// Its id.
        "id" id: Id,
        /// The protocol.
        "protocol" protocol: Protocol,
        /// The first port; absent when it is about all.
        "startport" start_port: Option<u16>,
        /// The last port.
        "endport" end_port: Option<u16>,
        /// ICMP's type; -1 is any.
        "icmptype" icmp_type: Option<i32>,
        /// ICMP's code; -1 is any.
        "icmpcode" icmp_code: Option<i32>,
        /// From where in the network. `0.0.0.0/0` comes back as the network's range.
        "cidrlist" cidr_list: TextList,
        /// To where; empty is everywhere.
        "destcidrlist" dest_cidr_list: TextList,
        /// The network.
        "networkid" network_id: Id,
        /// How far it is.
        "state" state: RuleState,
        /// Its tags.
        "tags" tags: Vec<Tag>,
    }
}

command! {
    /// Makes an egress rule. One with the same protocol, overlapping ports and ranges is a conflict (537).
    CreateEgressFirewallRule("createEgressFirewallRule") starts EgressFirewallRule;
    required {
        /// The network.
        network_id: Id,
        /// The protocol; with [`Protocol::All`] no ports.
        protocol: Protocol,
    }
    optional {
        /// The first port.
        start_port: u16,
        /// The last port; the first when left out.
        end_port: u16,
        /// ICMP's type; any when left out.
        icmp_type: i32,
        /// ICMP's code; any when left out.
        icmp_code: i32,
    }
    lists {
        /// From where; must be inside of the network. All of it when left out.
        cidr_list: String,
        /// To where; everywhere when left out.
        dest_cidr_list: String,
    }
}

command! {
    /// Lists egress rules.
    ListEgressFirewallRules("listEgressFirewallRules") lists EgressFirewallRule;
    optional {
        /// The rule with this id.
        id: Id,
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
    DeleteEgressFirewallRule("deleteEgressFirewallRule") starts Success;
    required {
        /// The rule.
        id: Id,
    }
}
