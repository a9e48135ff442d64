//! What stands below the zone, for root admins: one pod with one cluster and one storage pool, hosts and virtual routers.

use serde_json::{Value, json};

use super::answer::{Answer, OWNED, ZONED};
use super::call::{View, object, time};
use super::{Call, Command, Entity, Listing, Parameter, Reach, VERSION};
use crate::catalogue::ROUTER_OFFERING;
use crate::error::ApiError;
use crate::model::{Network, NetworkState};

/// The names of the one pod, cluster, storage pool and place for templates there are.
pub(super) const POD: &str = "pod-1";
pub(super) const CLUSTER: &str = "cluster-1";
pub(super) const STORAGE: &str = "primary";
pub(super) const IMAGES: &str = "secondary";

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listPods",
        "Lists pods; there is one",
        &[
            Parameter::id("id", Entity::Infrastructure),
            Parameter::text("name"),
            Parameter::text("allocationstate"),
            Parameter::id("zoneid", Entity::Zone),
        ],
        list_pods,
    )
    .answering(&POD_ANSWER)
    .reaching(Reach::Catalogue)
    .for_root_admin(),
    Command::list(
        "listClusters",
        "Lists clusters; there is one",
        &[
            Parameter::id("id", Entity::Infrastructure),
            Parameter::text("name"),
            Parameter::text("allocationstate"),
            Parameter::text("hypervisor"),
            Parameter::text("clustertype"),
            Parameter::text("managedstate"),
            Parameter::id("podid", Entity::Infrastructure),
            Parameter::id("zoneid", Entity::Zone),
        ],
        list_clusters,
    )
    .answering(&CLUSTER_ANSWER)
    .reaching(Reach::Catalogue)
    .for_root_admin(),
    Command::list(
        "listStoragePools",
        "Lists storage pools; there is one, with every volume in it",
        &[
            Parameter::id("id", Entity::Infrastructure),
            Parameter::text("name"),
            Parameter::text("scope"),
            Parameter::text("status"),
            Parameter::id("clusterid", Entity::Infrastructure),
            Parameter::id("podid", Entity::Infrastructure),
            Parameter::id("zoneid", Entity::Zone),
        ],
        list_storage_pools,
    )
    .answering(&STORAGE_POOL)
    .reaching(Reach::Catalogue)
    .for_root_admin(),
    Command::list(
        "listImageStores",
        "Lists where templates are kept; there is one place",
        &[
            Parameter::id("id", Entity::Infrastructure),
            Parameter::text("name"),
            Parameter::text("protocol"),
            Parameter::text("provider"),
            Parameter::boolean("readonly"),
            Parameter::id("zoneid", Entity::Zone),
        ],
        list_image_stores,
    )
    .answering(&IMAGE_STORE)
    .reaching(Reach::Catalogue)
    .for_root_admin(),
    Command::list(
        "listHosts",
        "Lists hosts",
        &[
            Parameter::id("id", Entity::Infrastructure),
            Parameter::text("name"),
            Parameter::text("type"),
            Parameter::text("state"),
            Parameter::text("resourcestate"),
            Parameter::text("hypervisor"),
            Parameter::id("podid", Entity::Infrastructure),
            Parameter::id("clusterid", Entity::Infrastructure),
            Parameter::id("virtualmachineid", Entity::VirtualMachine)
                .about("leaves out the host this machine is on"),
            Parameter::id("zoneid", Entity::Zone),
        ],
        list_hosts,
    )
    .answering(&HOST)
    .reaching(Reach::Catalogue)
    .for_root_admin(),
    Command::list(
        "listRouters",
        "Lists virtual routers",
        &[
            Parameter::id("id", Entity::Network),
            Parameter::text("name"),
            Parameter::id("networkid", Entity::Network),
            Parameter::text("state"),
            Parameter::text("version"),
            Parameter::id("hostid", Entity::Infrastructure).about("none: routers are on no host"),
            Parameter::id("podid", Entity::Infrastructure),
            Parameter::id("clusterid", Entity::Infrastructure),
            Parameter::boolean("forvpc"),
            Parameter::id("vpcid", Entity::Nothing),
            Parameter::id("zoneid", Entity::Zone),
        ],
        list_routers,
    )
    .answering(&ROUTER)
    .reaching(Reach::Owned)
    .for_root_admin(),
];

const POD_ANSWER: Answer = Answer::of(&[ZONED, &["id", "name", "allocationstate", "hasannotations"]]);

const CLUSTER_ANSWER: Answer = Answer::of(&[
    ZONED,
    &["id", "name", "podid", "podname", "hypervisortype", "clustertype", "allocationstate", "managedstate"],
    &["cpuovercommitratio", "memoryovercommitratio", "hasannotations"],
]);

const STORAGE_POOL: Answer = Answer::of(&[
    ZONED,
    &["id", "name", "type", "created", "state:storagepoolstatus", "scope", "hypervisor", "provider:string"],
    &["disksizeallocated", "managed", "istagarule", "hasannotations", "overprovisionfactor:string"],
    &["storagecapabilities", "details"],
]);

const IMAGE_STORE: Answer =
    Answer::of(&[ZONED, &["id", "name", "scope:scopetype", "readonly", "hasannotations"]]);

const HOST: Answer = Answer::of(&[
    ZONED,
    &["id", "name", "state:status", "resourcestate", "type:type", "hypervisor", "hypervisorversion"],
    &["podid", "podname", "clusterid", "clustername", "clustertype", "version", "created", "arch"],
    &["managementserverid", "managementservername", "islocalstorageactive", "hahost", "ueficapability"],
    &["cpuallocatedvalue", "memoryallocated", "memoryallocatedbytes", "hostha", "outofbandmanagement"],
    &["hasannotations"],
]);

const ROUTER: Answer = Answer::of(&[
    OWNED,
    ZONED,
    &["id", "name", "state:state", "created", "networkdomain", "gateway", "publicip", "guestipaddress"],
    &[
        "guestnetmask",
        "guestnetworkid",
        "guestnetworkname",
        "hypervisor",
        "isredundantrouter",
        "dns1",
        "publicnetmask",
        "podid",
        "podname",
        "hasannotations",
        "role",
        "version",
        "requiresupgrade",
        "redundantstate",
        "healthchecksfailed",
        "publicnetworkid",
        "serviceofferingid",
        "serviceofferingname",
        "arch",
    ],
]);

fn list_pods(call: &Call<'_>) -> Result<Listing, ApiError> {
    let id = call.catalogue().own_id("pod", "1");
    let found = call.wanted(id)
        && call.name_is(POD)
        && call.keyword_in(&[POD])
        && call.text_is("allocationstate", "Enabled");
    Listing::of("pod", call.arguments, found.then_some(()), |()| {
        object([
            json!({ "id": id, "name": POD, "allocationstate": "Enabled", "hasannotations": false }),
            call.view().zone(),
        ])
    })
}

fn list_clusters(call: &Call<'_>) -> Result<Listing, ApiError> {
    let catalogue = call.catalogue();
    let (id, pod) = (catalogue.own_id("cluster", "1"), catalogue.own_id("pod", "1"));
    let found = call.wanted(id)
        && call.arguments.id("podid").is_none_or(|wanted| wanted == pod)
        && call.name_is(CLUSTER)
        && call.keyword_in(&[CLUSTER])
        && call.text_is("hypervisor", catalogue.hypervisor)
        && call.text_is("clustertype", "CloudManaged")
        && call.text_is("managedstate", "Managed")
        && call.text_is("allocationstate", "Enabled");
    Listing::of("cluster", call.arguments, found.then_some(()), |()| {
        object([
            json!({
                "id": id,
                "name": CLUSTER,
                "podid": pod,
                "podname": POD,
                "hypervisortype": catalogue.hypervisor,
                "clustertype": "CloudManaged",
                "allocationstate": "Enabled",
                "managedstate": "Managed",
                "cpuovercommitratio": "1.0",
                "memoryovercommitratio": "1.0",
                "hasannotations": false,
            }),
            call.view().zone(),
        ])
    })
}

/// How large the pool is, is the driver's to know; what is given out of it is known here.
fn list_storage_pools(call: &Call<'_>) -> Result<Listing, ApiError> {
    let catalogue = call.catalogue();
    let id = catalogue.own_id("storage pool", "1");
    // It is the whole zone's: no pod or cluster has its own.
    let of_zone = call.arguments.id("podid").is_none() && call.arguments.id("clusterid").is_none();
    let found = of_zone
        && call.wanted(id)
        && call.name_is(STORAGE)
        && call.keyword_in(&[STORAGE])
        && call.text_is("scope", "ZONE")
        && call.text_is("status", "Up");
    Listing::of("storagepool", call.arguments, found.then_some(()), |()| {
        let allocated: u64 = call.model.volumes.iter().map(|volume| volume.bytes).sum();
        object([
            json!({
                "id": id,
                "name": STORAGE,
                "type": "Filesystem",
                "created": time(catalogue.created),
                "state": "Up",
                "scope": "ZONE",
                "hypervisor": catalogue.hypervisor,
                "provider": "DefaultPrimary",
                "disksizeallocated": allocated,
                "managed": false,
                "overprovisionfactor": "1.0",
                "storagecapabilities": { "VOLUME_SNAPSHOT_QUIESCEVM": "false" },
                "details": {},
                "istagarule": false,
                "hasannotations": false,
            }),
            call.view().zone(),
        ])
    })
}

/// A directory of the driver's: it has no address and speaks no protocol.
fn list_image_stores(call: &Call<'_>) -> Result<Listing, ApiError> {
    let arguments = call.arguments;
    let id = call.catalogue().own_id("image store", "1");
    let found = call.wanted(id)
        && call.name_is(IMAGES)
        && call.keyword_in(&[IMAGES])
        && arguments.text("protocol").is_none()
        && arguments.text("provider").is_none()
        && arguments.boolean("readonly") != Some(true);
    Listing::of("imagestore", arguments, found.then_some(()), |()| {
        object([
            json!({ "id": id, "name": IMAGES, "scope": "ZONE", "readonly": false, "hasannotations": false }),
            call.view().zone(),
        ])
    })
}

/// Whether a parameter names the one pod, cluster or storage pool there is, or nothing.
pub(super) fn stands_in(call: &Call<'_>, parameter: &str, kind: &str) -> bool {
    call.arguments.id(parameter).is_none_or(|wanted| wanted == call.catalogue().own_id(kind, "1"))
}

fn list_hosts(call: &Call<'_>) -> Result<Listing, ApiError> {
    let arguments = call.arguments;
    let catalogue = call.catalogue();
    let machine = arguments.id("virtualmachineid").and_then(|id| call.model.virtual_machines.get(id));
    let taken = machine.and_then(|machine| machine.host);
    let found = (0..call.settings.config.hosts).filter(|host| {
        call.wanted(catalogue.host_id(*host))
            && taken != Some(*host)
            && call.text_is("hypervisor", catalogue.hypervisor)
            && call.text_is("resourcestate", "Enabled")
            && stands_in(call, "podid", "pod")
            && stands_in(call, "clusterid", "cluster")
            && call.name_is(&catalogue.host_name(*host))
            && call.keyword_in(&[&catalogue.host_name(*host)])
            && call.text_is("type", "Routing")
            && call.text_is("state", "Up")
    });
    Listing::of("host", arguments, found, |host| {
        // What is given out; how much there is, is not the zone's to know: its hosts are names of one computer.
        let here = call.model.virtual_machines.iter().filter(|machine| machine.host == Some(host));
        let (megahertz, bytes) = here.map(|machine| call.model.size_of(machine)).fold((0, 0), |sum, size| {
            let speed = u64::from(size.processors) * u64::from(size.speed_mhz);
            (sum.0 + speed, sum.1 + (size.memory_mib << 20))
        });
        object([
            json!({
                "id": catalogue.host_id(host),
                "name": catalogue.host_name(host),
                "state": "Up",
                "resourcestate": "Enabled",
                "type": "Routing",
                "hypervisor": catalogue.hypervisor,
                "hypervisorversion": VERSION,
                "podid": catalogue.own_id("pod", "1"),
                "podname": POD,
                "clusterid": catalogue.own_id("cluster", "1"),
                "clustername": CLUSTER,
                "clustertype": "CloudManaged",
                "version": VERSION,
                "created": time(catalogue.created),
                "arch": "x86_64",
                "managementserverid": catalogue.management_server,
                "managementservername": "localhost",
                "islocalstorageactive": false,
                "hahost": false,
                "ueficapability": false,
                "cpuallocatedvalue": megahertz,
                "memoryallocated": bytes,
                "memoryallocatedbytes": bytes,
                "hostha": { "haenable": false, "hastate": "Disabled" },
                "outofbandmanagement": { "enabled": false, "powerstate": "Disabled" },
                "hasannotations": false,
            }),
            call.view().zone(),
        ])
    })
}

fn list_routers(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    let found = call.model.networks.iter().filter(|network| {
        network.state != NetworkState::Allocated
            && scope.includes(network.account)
            && call.wanted(network.id)
            && call.name_is(&router_name(network))
            && call.keyword_in(&[&router_name(network)])
            && arguments.id("networkid").is_none_or(|wanted| wanted == network.id)
            && arguments.id("hostid").is_none()
            && stands_in(call, "podid", "pod")
            && stands_in(call, "clusterid", "cluster")
            && arguments.boolean("forvpc") != Some(true)
            && call.text_is("version", VERSION)
            && call.text_is("state", state(network))
    });
    Listing::of("router", arguments, found, |network| router(call.view(), network))
}

fn state(network: &Network) -> &'static str {
    match network.state {
        NetworkState::Implementing => "Starting",
        NetworkState::Implemented => "Running",
        NetworkState::Shutdown => "Stopping",
        NetworkState::Allocated => "Stopped",
    }
}

fn router_name(network: &Network) -> String {
    format!("r-{}-VM", network.number)
}

/// A router has no record of its own: it is its network's, and has its id.
fn router(view: View<'_>, network: &Network) -> Value {
    let public = view.model.source_nat_of(network.id).map(|address| address.address.to_string());
    object([
        json!({
            "id": network.id,
            "name": router_name(network),
            "state": state(network),
            "created": time(network.created),
            "networkdomain": network.domain,
            "gateway": view.settings.config.public.gateway.to_string(),
            "publicip": public,
            "guestipaddress": network.gateway.to_string(),
            "guestnetmask": network.range.netmask().to_string(),
            "guestnetworkid": network.id,
            "guestnetworkname": network.name,
            "hypervisor": view.settings.catalogue.hypervisor,
            "isredundantrouter": false,
            "role": "VIRTUAL_ROUTER",
            "version": VERSION,
            "requiresupgrade": false,
            "redundantstate": "UNKNOWN",
            "healthchecksfailed": false,
            "publicnetworkid": view.settings.catalogue.public_network,
            "serviceofferingid": view.settings.catalogue.router_offering,
            "serviceofferingname": ROUTER_OFFERING,
            "arch": "x86_64",
            "dns1": view.settings.config.dns.to_string(),
            "publicnetmask": view.settings.config.public.range.netmask().to_string(),
            "podid": view.settings.catalogue.own_id("pod", "1"),
            "podname": POD,
            "hasannotations": false,
        }),
        view.zone(),
        view.ownership(network.account),
    ])
}
