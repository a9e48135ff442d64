//! Port forwarding rules: a public port leads to a machine's.

use std::net::Ipv4Addr;

use crate::command::command;
use crate::id::Id;
use crate::lenient::{TextList, item};
use crate::parameters::TagList;
use crate::resource::{Protocol, RuleState, Success, Tag};

item! {
    /// A port forwarding rule.
    PortForwardingRule {
        /// Its id.
        "id" id: Id,
        /// TCP or UDP.
        "protocol" protocol: Protocol,
        /// The first public port.
        "publicport" public_port: u16,
        /// The last public port.
        "publicendport" public_end_port: Option<u16>,
        /// The first private port.
        "privateport" private_port: u16,
        /// The last private port.
        "privateendport" private_end_port: Option<u16>,
        /// The address it is on.
        "ipaddressid" ip_address_id: Id,
        /// That address itself.
        "ipaddress" ip_address: Option<Ipv4Addr>,
        /// The machine.
        "virtualmachineid" virtual_machine_id: Id,
        /// The machine's name.
        "virtualmachinename" virtual_machine_name: String,
        /// The machine's address it leads to.
        "vmguestip" vm_guest_ip: Option<Ipv4Addr>,
        /// The network.
        "networkid" network_id: Id,
        /// Where the traffic may come from; for tiers of VPCs.
        "cidrlist" cidr_list: TextList,
        /// How far it is.
        "state" state: RuleState,
        /// Its tags.
        "tags" tags: Vec<Tag>,
    }
}

command! {
    /// Leads public ports to a machine's. Overlap with another rule on the address is a conflict (537).
    ///
    /// A server that is not told otherwise by `open_firewall` also lets the whole world in.
    CreatePortForwardingRule("createPortForwardingRule") starts PortForwardingRule;
    required {
        /// The address.
        ip_address_id: Id,
        /// TCP or UDP.
        protocol: Protocol,
        /// The public port.
        public_port: u16,
        /// The machine.
        virtual_machine_id: Id,
        /// The machine's port.
        private_port: u16,
    }
    optional {
        /// The last public port. Of a range, public and private ports must be the same.
        public_end_port: u16,
        /// The last private port.
        private_end_port: u16,
        /// Whether to make a firewall rule from everywhere as well; the server's default is to do so.
        open_firewall: bool,
        /// The machine's network, if it has several.
        network_id: Id,
        /// The machine's address, if it has several.
        vm_guest_ip: Ipv4Addr,
    }
    lists {
        /// Where from; for tiers of VPCs.
        cidr_list: String,
    }
}

command! {
    /// Lists port forwarding rules.
    ListPortForwardingRules("listPortForwardingRules") lists PortForwardingRule;
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
    DeletePortForwardingRule("deletePortForwardingRule") starts Success;
    required {
        /// The rule.
        id: Id,
    }
}
