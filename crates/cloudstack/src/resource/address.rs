//! Public addresses, and static NAT of a whole address to a machine.

use std::net::Ipv4Addr;

use crate::command::command;
use crate::id::Id;
use crate::lenient::item;
use crate::parameters::TagList;
use crate::resource::{Success, Tag};

item! {
    /// A public address.
    PublicIpAddress {
        /// Its id.
        "id" id: Id,
        /// The address.
        "ipaddress" ip_address: Option<Ipv4Addr>,
        /// `Allocating`, `Allocated`, `Releasing`, `Free`.
        "state" state: String,
        /// Whether a network's machines appear to the outside under it.
        "issourcenat" is_source_nat: bool,
        /// Whether all of it is one machine's.
        "isstaticnat" is_static_nat: bool,
        /// The network it serves.
        "associatednetworkid" associated_network_id: Option<Id>,
        /// That network's name.
        "associatednetworkname" associated_network_name: Option<String>,
        /// The machine it is, with static NAT.
        "virtualmachineid" virtual_machine_id: Option<Id>,
        /// The private address it is, with static NAT.
        "vmipaddress" vm_ip_address: Option<Ipv4Addr>,
        /// What it is used for, where the server says.
        "purpose" purpose: Option<String>,
        /// Whether rules are on it.
        "hasrules" has_rules: Option<bool>,
        /// Its zone.
        "zoneid" zone_id: Id,
        /// Its account.
        "account" account: String,
        /// Its tags.
        "tags" tags: Vec<Tag>,
        /// When it was taken.
        "allocated" allocated: Option<jiff::Timestamp>,
    }
}

command! {
    /// Takes a public address. The first one of an isolated network that has none becomes its source NAT.
    ///
    /// Doing it again takes another: look before repeating this.
    AssociateIpAddress("associateIpAddress") starts PublicIpAddress;
    optional {
        /// For this network.
        network_id: Id,
        /// For no network yet, in this zone.
        zone_id: Id,
        /// This address.
        ip_address: Ipv4Addr,
    }
}

command! {
    /// Gives an address back, with all rules on it. The source NAT of a running network cannot be given back (530).
    DisassociateIpAddress("disassociateIpAddress") starts Success;
    required {
        /// The address.
        id: Id,
    }
}

command! {
    /// Lists addresses, those that are taken unless told otherwise.
    ListPublicIpAddresses("listPublicIpAddresses") lists PublicIpAddress;
    optional {
        /// The address with this id.
        id: Id,
        /// This address.
        ip_address: Ipv4Addr,
        /// Those that serve this network.
        associated_network_id: Id,
        /// Whether a network's machines appear under them.
        is_source_nat: bool,
        /// Whether they are a machine's.
        is_static_nat: bool,
        /// `false` also lists free ones.
        allocated_only: bool,
        /// Those in this state, such as `Free`.
        state: String,
        /// Those in this zone.
        zone_id: Id,
        /// Also those of others, for administrators.
        list_all: bool,
    }
    maps {
        /// Those with one of these tags.
        tags: TagList,
    }
}

command! {
    /// Makes all of an address a machine's. Refused for source NAT addresses and those with rules.
    EnableStaticNat("enableStaticNat") changes Success;
    required {
        /// The address.
        ip_address_id: Id,
        /// The machine.
        virtual_machine_id: Id,
    }
    optional {
        /// The machine's network, if it has several.
        network_id: Id,
        /// The machine's address there, if it has several.
        vm_guest_ip: Ipv4Addr,
    }
}

command! {
    /// Ends static NAT of an address.
    DisableStaticNat("disableStaticNat") starts Success;
    required {
        /// The address.
        ip_address_id: Id,
    }
}
