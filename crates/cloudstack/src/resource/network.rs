//! Networks: private ranges with a virtual router.

use std::net::Ipv4Addr;

use crate::command::command;
use crate::id::Id;
use crate::lenient::{item, words};
use crate::parameters::TagList;
use crate::resource::{NetworkService, Success, Tag};

words! {
    /// How far a network is.
    NetworkState {
        /// Written down; no router runs, and what is changed is records only.
        Allocated = "Allocated",
        /// For networks without a router.
        Setup = "Setup",
        /// Its router is being started, with the first machine.
        Implementing = "Implementing",
        /// Its router runs.
        Implemented = "Implemented",
        /// Its router is being taken down, some time after the last machine.
        Shutdown = "Shutdown",
        /// It is being removed.
        Destroy = "Destroy",
    }
}

item! {
    /// A network.
    Network {
        /// Its id.
        "id" id: Id,
        /// Its name, not unique.
        "name" name: String,
        /// Its description.
        "displaytext" display_text: String,
        /// How far it is.
        "state" state: NetworkState,
        /// `Isolated`, `L2` or `Shared`.
        "type" type_: String,
        /// Its range, such as `172.16.0.0/24`.
        "cidr" cidr: String,
        /// Its router's address.
        "gateway" gateway: Option<Ipv4Addr>,
        /// Its range's mask.
        "netmask" netmask: Option<Ipv4Addr>,
        /// The domain its machines' names are in.
        "networkdomain" network_domain: Option<String>,
        /// Its zone.
        "zoneid" zone_id: Id,
        /// Its zone's name.
        "zonename" zone_name: String,
        /// Its offering.
        "networkofferingid" network_offering_id: Id,
        /// Its offering's name.
        "networkofferingname" network_offering_name: String,
        /// Whether traffic to the outside passes when no egress rule names it.
        "egressdefaultpolicy" egress_default_policy: Option<bool>,
        /// Whether its router has to be restarted for changes to take effect.
        "restartrequired" restart_required: bool,
        /// Whether the caller may put machines into it.
        "canusefordeploy" can_use_for_deploy: Option<bool>,
        /// The VPC it is a tier of.
        "vpcid" vpc_id: Option<Id>,
        /// Its account.
        "account" account: String,
        /// Its domain.
        "domainid" domain_id: Id,
        /// What its router does.
        "service" service: Vec<NetworkService>,
        /// Its tags.
        "tags" tags: Vec<Tag>,
        /// When it was made.
        "created" created: Option<jiff::Timestamp>,
    }
}

command! {
    /// Makes a network. A second one of the same name is a second network: look before repeating this.
    CreateNetwork("createNetwork") changes Network;
    required {
        /// The name.
        name: String,
        /// The offering.
        network_offering_id: Id,
        /// The zone.
        zone_id: Id,
    }
    optional {
        /// A description; the name when left out.
        display_text: String,
        /// The router's address; with `netmask`. The zone's usual range when left out.
        gateway: Ipv4Addr,
        /// The range's mask.
        netmask: Ipv4Addr,
        /// The first address for machines.
        start_ip: Ipv4Addr,
        /// The last address for machines.
        end_ip: Ipv4Addr,
        /// The domain of the machines' names.
        network_domain: String,
    }
}

command! {
    /// Lists networks.
    ListNetworks("listNetworks") lists Network;
    optional {
        /// The network with this id.
        id: Id,
        /// Those of this name, in whole; servers before 4.22 do not know it, so check the names.
        name: String,
        /// Those whose name holds this.
        keyword: String,
        /// Those in this zone.
        zone_id: Id,
        /// `isolated`, `l2`, `shared` or `all`.
        type_: String,
        /// Those the caller may put machines into.
        can_use_for_deploy: bool,
        /// Also those of others, for administrators.
        list_all: bool,
    }
    maps {
        /// Those with one of these tags.
        tags: TagList,
    }
}

command! {
    /// Changes a network's name, description, domain or offering.
    UpdateNetwork("updateNetwork") starts Network;
    required {
        /// The network.
        id: Id,
    }
    optional {
        /// The new name.
        name: String,
        /// The new description.
        display_text: String,
        /// The new domain of the machines' names.
        network_domain: String,
        /// The new offering.
        network_offering_id: Id,
    }
}

command! {
    /// Restarts a network's router; refused (in the job, 431) unless it runs.
    RestartNetwork("restartNetwork") starts Success;
    required {
        /// The network.
        id: Id,
    }
    optional {
        /// Whether to make a new router instead.
        cleanup: bool,
    }
}

command! {
    /// Removes a network with its rules and addresses. As long as any machine in it is not expunged, destroyed ones
    /// included, the job fails with code 530.
    DeleteNetwork("deleteNetwork") starts Success;
    required {
        /// The network.
        id: Id,
    }
}
