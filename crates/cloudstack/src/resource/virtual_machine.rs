//! Virtual machines.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::command::command;
use crate::id::Id;
use crate::lenient::{Secret, TextList, item, words};
use crate::parameters::{Details, IpToNetworkList, TagList, UserData};
use crate::resource::{AffinityGroup, Tag};

words! {
    /// What a machine is doing.
    VirtualMachineState {
        /// It is being started.
        Starting = "Starting",
        /// It runs.
        Running = "Running",
        /// It is being stopped.
        Stopping = "Stopping",
        /// It is off, or only written down.
        Stopped = "Stopped",
        /// Its first start failed. It keeps its name until it is destroyed.
        Error = "Error",
        /// It is on its way to another host.
        Migrating = "Migrating",
        /// It is destroyed and can be recovered until it is expunged; users do not see it.
        Destroyed = "Destroyed",
        /// It is being expunged.
        Expunging = "Expunging",
        /// The server has lost sight of it.
        Unknown = "Unknown",
        /// It is off since its host went down.
        Shutdown = "Shutdown",
    }
}

item! {
    /// A virtual machine. Nearly all of it is absent in the result of a destruction with expunging.
    VirtualMachine {
        /// Its id.
        "id" id: Id,
        /// Its name and host name, unique in its network's domain.
        "name" name: String,
        /// Its name for people.
        "displayname" display_name: String,
        /// What it is doing.
        "state" state: VirtualMachineState,
        /// Its zone.
        "zoneid" zone_id: Id,
        /// Its zone's name.
        "zonename" zone_name: String,
        /// Its template.
        "templateid" template_id: Id,
        /// Its template's name.
        "templatename" template_name: String,
        /// Its service offering.
        "serviceofferingid" service_offering_id: Id,
        /// Its service offering's name.
        "serviceofferingname" service_offering_name: String,
        /// Number of virtual processors.
        "cpunumber" cpu_number: Option<u32>,
        /// MHz of each.
        "cpuspeed" cpu_speed: Option<u32>,
        /// Memory in MiB.
        "memory" memory: Option<u64>,
        /// Its interfaces, the default one first.
        "nic" nic: Vec<Nic>,
        /// Its address on its default interface.
        "ipaddress" ip_address: Option<Ipv4Addr>,
        /// Its public address, with static NAT.
        "publicip" public_ip: Option<Ipv4Addr>,
        /// The names of the key pairs it was given.
        "keypairs" key_pairs: TextList,
        /// The same, of servers before 4.17, which know one a machine.
        "keypair" key_pair: Option<String>,
        /// Its affinity groups.
        "affinitygroup" affinity_group: Vec<AffinityGroup>,
        /// Its tags.
        "tags" tags: Vec<Tag>,
        /// Free fields.
        "details" details: BTreeMap<String, String>,
        /// Its group.
        "group" group: Option<String>,
        /// The hypervisor it runs on.
        "hypervisor" hypervisor: String,
        /// Its operating system type.
        "ostypeid" os_type_id: Option<Id>,
        /// The same, on some servers.
        "guestosid" guest_os_id: Option<Id>,
        /// Its host; for administrators.
        "hostid" host_id: Option<Id>,
        /// Its password, right after a deployment from a template with passwords.
        "password" password: Option<Secret>,
        /// Whether the server refuses to destroy it.
        "deleteprotection" delete_protection: bool,
        /// The job that works on it.
        "jobid" job_id: Option<crate::id::JobId>,
        /// Its account.
        "account" account: String,
        /// Its domain.
        "domainid" domain_id: Id,
        /// When it was made.
        "created" created: Option<jiff::Timestamp>,
    }
}

item! {
    /// A machine's interface.
    Nic {
        /// Its id.
        "id" id: Id,
        /// Its network.
        "networkid" network_id: Id,
        /// Its network's name.
        "networkname" network_name: String,
        /// Its address.
        "ipaddress" ip_address: Option<Ipv4Addr>,
        /// Its network's mask.
        "netmask" netmask: Option<Ipv4Addr>,
        /// Its network's router.
        "gateway" gateway: Option<Ipv4Addr>,
        /// Its hardware address.
        "macaddress" mac_address: String,
        /// Whether the machine's default route goes through it.
        "isdefault" is_default: bool,
        /// Its place in the machine.
        "deviceid" device_id: Option<u32>,
    }
}

command! {
    /// Makes a machine, and starts it unless told otherwise.
    ///
    /// A second one of the same name in the network's domain is refused (431). One that could not be started stays as
    /// `Error` with its name.
    ///
    /// ```
    /// use cloudstack::resource::DeployVirtualMachine;
    /// use cloudstack::UserData;
    ///
    /// let command = DeployVirtualMachine::new("zone id", "service offering id")
    ///     .template_id("template id")
    ///     .name("master-1")
    ///     .network_ids(["network id"])
    ///     .ip_address(std::net::Ipv4Addr::new(172, 16, 0, 20))
    ///     .key_pair("mine")
    ///     .user_data(UserData::new("#cloud-config\n"))
    ///     .start_vm(false);
    /// ```
    DeployVirtualMachine("deployVirtualMachine") starts VirtualMachine;
    required {
        /// The zone.
        zone_id: Id,
        /// The size.
        service_offering_id: Id,
    }
    optional {
        /// The template its root disk is made from.
        template_id: Id,
        /// The name and host name: 1 to 63 letters, digits and hyphens, no digit first, no hyphen first or last.
        name: String,
        /// The name for people; the name when left out.
        display_name: String,
        /// The address on the default interface; any free one when left out.
        ip_address: Ipv4Addr,
        /// The name of a key pair.
        key_pair: String,
        /// Data for the first boot.
        user_data: UserData,
        /// `false` only writes it down.
        start_vm: bool,
        /// Size of the root disk in GB; the template's when left out.
        root_disk_size: u64,
        /// A data disk's offering.
        disk_offering_id: Id,
        /// The data disk's size in GB, where the offering leaves it open.
        size: u64,
        /// The hypervisor, for an image that says none.
        hypervisor: String,
        /// A group to show it in.
        group: String,
    }
    lists {
        /// Its networks, the default one first; not with `ip_to_network_list`.
        network_ids: Id,
        /// Its affinity groups, by id; not with `affinity_group_names`.
        affinity_group_ids: Id,
        /// Its affinity groups, by name.
        affinity_group_names: String,
        /// The names of several key pairs.
        key_pairs: String,
    }
    maps {
        /// Its networks with an address in each.
        ip_to_network_list: IpToNetworkList,
        /// Free fields; processors and memory where the offering leaves them open (`cpuNumber`, `memory`).
        details: Details,
    }
}

command! {
    /// Lists machines, oldest first.
    ListVirtualMachines("listVirtualMachines") lists VirtualMachine;
    optional {
        /// The machine with this id; not with `ids`.
        id: Id,
        /// The machines of this name, in whole.
        name: String,
        /// Those whose name holds this, or whose address or state it is.
        keyword: String,
        /// Those in this state.
        state: VirtualMachineState,
        /// Those in this network.
        network_id: Id,
        /// Those in this zone.
        zone_id: Id,
        /// Those made from this template.
        template_id: Id,
        /// Those in this affinity group.
        affinity_group_id: Id,
        /// Those with this key pair.
        key_pair: String,
        /// Those in this group.
        group_id: Id,
        /// Also those of others, for administrators.
        list_all: bool,
    }
    lists {
        /// The machines with these ids.
        ids: Id,
        /// How much to tell: `min`, `nics`, `all`, …
        details: String,
    }
    maps {
        /// Those with one of these tags.
        tags: TagList,
    }
}

command! {
    /// Lists a machine's interfaces.
    ListNics("listNics") lists Nic;
    required {
        /// The machine.
        virtual_machine_id: Id,
    }
}
