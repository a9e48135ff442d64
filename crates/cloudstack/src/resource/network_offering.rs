//! Network offerings: kinds of networks, by the services their routers give.

use crate::command::command;
use crate::id::Id;
use crate::lenient::item;

item! {
    /// A kind of networks.
    NetworkOffering {
        /// Its id.
        "id" id: Id,
        /// Its name, such as `DefaultIsolatedNetworkOfferingWithSourceNatService`.
        "name" name: String,
        /// Its description.
        "displaytext" display_text: String,
        /// `Enabled` or `Disabled`; a network cannot be made of a disabled one.
        "state" state: String,
        /// `Isolated`, `L2` or `Shared`.
        "guestiptype" guest_ip_type: String,
        /// `Guest` for all that a user can choose.
        "traffictype" traffic_type: String,
        /// Whether traffic to the outside passes when no egress rule names it.
        "egressdefaultpolicy" egress_default_policy: Option<bool>,
        /// Whether one public address can serve several purposes at once.
        "conservemode" conserve_mode: Option<bool>,
        /// Whether networks are set up when made instead of with their first machine.
        "ispersistent" is_persistent: bool,
        /// Whether it is for tiers of VPCs.
        "forvpc" for_vpc: bool,
        /// Whether the maker of a network must name a VLAN.
        "specifyvlan" specify_vlan: bool,
        /// What the router does.
        "service" service: Vec<NetworkService>,
    }
}

item! {
    /// A service of a network's router.
    NetworkService {
        /// `Dhcp`, `Dns`, `UserData`, `Firewall`, `Lb`, `SourceNat`, `StaticNat`, `PortForwarding`, …
        "name" name: String,
    }
}

command! {
    /// Lists network offerings, disabled ones too unless `state` says otherwise.
    ListNetworkOfferings("listNetworkOfferings") lists NetworkOffering;
    optional {
        /// The offering with this id.
        id: Id,
        /// The offering of this name, in whole.
        name: String,
        /// Those for this zone.
        zone_id: Id,
        /// `Enabled` or `Disabled`.
        state: String,
        /// `Isolated`, `L2` or `Shared`.
        guest_ip_type: String,
        /// Whether they are for tiers of VPCs.
        for_vpc: bool,
    }
}
