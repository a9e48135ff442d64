//! Load balancer rules: a public port leads to one of several machines.

use std::net::Ipv4Addr;

use crate::command::command;
use crate::id::Id;
use crate::lenient::{TextList, item, words};
use crate::parameters::TagList;
use crate::resource::{RuleState, Success, Tag, VirtualMachine};

words! {
    /// How a balancer chooses a machine.
    Algorithm {
        /// One after the other.
        RoundRobin = "roundrobin",
        /// The one with the fewest connections.
        LeastConnections = "leastconn",
        /// By where the traffic comes from.
        Source = "source",
    }
}

item! {
    /// A load balancer rule.
    LoadBalancerRule {
        /// Its id.
        "id" id: Id,
        /// Its name.
        "name" name: String,
        /// Its description.
        "description" description: Option<String>,
        /// How it chooses a machine.
        "algorithm" algorithm: Algorithm,
        /// The address it is on.
        "publicipid" public_ip_id: Id,
        /// That address itself.
        "publicip" public_ip: Option<Ipv4Addr>,
        /// The public port.
        "publicport" public_port: u16,
        /// The machines' port.
        "privateport" private_port: u16,
        /// `tcp`, `udp`, `tcp-proxy` or `ssl`; absent when none was given.
        "protocol" protocol: Option<String>,
        /// Where the traffic may come from.
        "cidrlist" cidr_list: TextList,
        /// The network.
        "networkid" network_id: Id,
        /// Its zone.
        "zoneid" zone_id: Id,
        /// How far it is; `Add` until a machine is assigned.
        "state" state: RuleState,
        /// Its tags.
        "tags" tags: Vec<Tag>,
    }
}

command! {
    /// Makes a rule. Overlap with another rule on the address is a conflict (537).
    ///
    /// A server that is not told otherwise by `open_firewall` also lets the whole world in.
    CreateLoadBalancerRule("createLoadBalancerRule") starts LoadBalancerRule;
    required {
        /// The name.
        name: String,
        /// The address.
        public_ip_id: Id,
        /// The public port.
        public_port: u16,
        /// The machines' port.
        private_port: u16,
        /// How to choose a machine.
        algorithm: Algorithm,
    }
    optional {
        /// The network, for an address that serves none yet.
        network_id: Id,
        /// `tcp`, `udp`, `tcp-proxy` or `ssl`. Give it: some servers cannot update a rule that has none.
        protocol: String,
        /// Whether to make a firewall rule from everywhere as well; the server's default is to do so.
        open_firewall: bool,
        /// A description.
        description: String,
    }
    lists {
        /// Where from.
        cidr_list: String,
    }
}

command! {
    /// Lists load balancer rules.
    ListLoadBalancerRules("listLoadBalancerRules") lists LoadBalancerRule;
    optional {
        /// The rule with this id.
        id: Id,
        /// The rules of this name.
        name: String,
        /// Those on this address.
        public_ip_id: Id,
        /// Those of this network.
        network_id: Id,
        /// Those with this machine.
        virtual_machine_id: Id,
        /// Also those of others, for administrators.
        list_all: bool,
    }
    maps {
        /// Those with one of these tags.
        tags: TagList,
    }
}

command! {
    /// Changes a rule.
    UpdateLoadBalancerRule("updateLoadBalancerRule") starts LoadBalancerRule;
    required {
        /// The rule.
        id: Id,
    }
    optional {
        /// The new name.
        name: String,
        /// The new way to choose a machine.
        algorithm: Algorithm,
        /// The new description.
        description: String,
        /// The new protocol.
        protocol: String,
    }
}

command! {
    /// Takes a rule back.
    DeleteLoadBalancerRule("deleteLoadBalancerRule") starts Success;
    required {
        /// The rule.
        id: Id,
    }
}

command! {
    /// Adds machines to a rule. One that is in it already makes the job fail.
    AssignToLoadBalancerRule("assignToLoadBalancerRule") starts Success;
    required {
        /// The rule.
        id: Id,
        /// The machines.
        virtual_machine_ids: Vec<Id>,
    }
}

command! {
    /// Takes machines out of a rule.
    RemoveFromLoadBalancerRule("removeFromLoadBalancerRule") starts Success;
    required {
        /// The rule.
        id: Id,
        /// The machines.
        virtual_machine_ids: Vec<Id>,
    }
}

command! {
    /// Lists the machines of a rule.
    ListLoadBalancerRuleInstances("listLoadBalancerRuleInstances") lists VirtualMachine;
    required {
        /// The rule.
        id: Id,
    }
    optional {
        /// `false` lists the machines that could be added instead.
        applied: bool,
    }
}
