//! What the zone offers: zones, operating systems, hypervisors, capabilities.

use serde_json::{Value, json};

use super::answer::Answer;
use super::call::{View, object};
use super::{Call, Command, Entity, Listing, Parameter, Reach};
use crate::catalogue::OsType;
use crate::error::ApiError;

/// The version whose API this is.
pub(crate) const VERSION: &str = "4.22.0.0";

pub(super) const COMMANDS: &[Command] = &[
    Command::read("listCapabilities", "Lists what this zone can do", &[], list_capabilities)
        .answering(&CAPABILITY),
    Command::list(
        "listZones",
        "Lists zones",
        &[
            Parameter::id("id", Entity::Zone),
            Parameter::ids("ids", Entity::Zone),
            Parameter::text("name"),
            Parameter::text("networktype"),
            Parameter::boolean("available"),
            Parameter::boolean("showcapacities"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::map("tags"),
        ],
        list_zones,
    )
    .answering(&ZONE)
    .reaching(Reach::Catalogue),
    Command::list(
        "listRegions",
        "Lists regions: the one that this zone is in",
        &[Parameter::integer("id"), Parameter::text("name")],
        list_regions,
    )
    .answering(&REGION)
    .reaching(Reach::Catalogue),
    Command::list(
        "listOsTypes",
        "Lists operating systems",
        &[
            Parameter::id("id", Entity::OsType),
            Parameter::ids("ids", Entity::OsType),
            Parameter::text("description"),
            Parameter::id("oscategoryid", Entity::OsCategory),
        ],
        list_os_types,
    )
    .answering(&OS_TYPE)
    .reaching(Reach::Catalogue),
    Command::list(
        "listOsCategories",
        "Lists families of operating systems",
        &[Parameter::id("id", Entity::OsCategory), Parameter::text("name")],
        list_os_categories,
    )
    .answering(&OS_CATEGORY)
    .reaching(Reach::Catalogue),
    Command::read(
        "listHypervisors",
        "Lists hypervisors",
        &[Parameter::id("zoneid", Entity::Zone)],
        list_hypervisors,
    )
    .answering(&HYPERVISOR),
];

const CAPABILITY: Answer = Answer::of(&[
    &["cloudstackversion", "securitygroupsenabled", "dynamicrolesenabled", "userpublictemplateenabled"],
    &["supportELB", "projectinviterequired", "allowusercreateprojects", "customdiskofferingminsize"],
    &[
        "customdiskofferingmaxsize",
        "regionsecondaryenabled",
        "kvmsnapshotenabled",
        "allowuserviewdestroyedvm",
    ],
    &["allowuserexpungerecovervm", "allowuserexpungerecovervolume", "allowuserforcestopvm"],
    &["defaultuipagesize", "dynamicscalingenabled", "apilimitinterval", "apilimitmax"],
    &["snapshotshowchainsize", "allowuserviewalldomainaccounts", "kubernetesserviceenabled"],
    &[
        "kubernetesclusterexperimentalfeaturesenabled",
        "customhypervisordisplayname",
        "instancesstatsretentiontime",
    ],
    &["instancesstatsuseronly", "instancesdisksstatsretentionenabled", "instancesdisksstatsretentiontime"],
    &["sharedfsvmmincpucount", "sharedfsvmminramsize", "instanceleaseenabled", "extensionspath"],
    &["additionalconfigenabled"],
]);

const ZONE: Answer = Answer::of(&[
    &["id", "name", "networktype", "securitygroupsenabled", "allocationstate", "zonetoken", "dhcpprovider"],
    &["localstorageenabled", "tags", "allowuserspecifyvrmtu", "routerprivateinterfacemaxmtu"],
    &["routerpublicinterfacemaxmtu", "type", "ismultiarch", "hasannotations", "dns1", "internaldns1"],
    &["guestcidraddress", "isnsxenabled", "routedmodeenabled", "asnrange"],
]);

const REGION: Answer =
    Answer::of(&[&["id:integer", "name", "gslbserviceenabled", "portableipserviceenabled"]]);

const OS_TYPE: Answer = Answer::of(&[&[
    "id",
    "oscategoryid",
    "oscategoryname",
    "name",
    "description",
    "isuserdefined",
    "fordisplay",
]]);

const OS_CATEGORY: Answer = Answer::of(&[&["id", "name", "isfeatured"]]);

const HYPERVISOR: Answer = Answer::of(&[&["name"]]);

fn list_capabilities(call: &Call<'_>) -> Result<Value, ApiError> {
    let config = &call.settings.config;
    let admin = call.caller.root_admin;
    // Shown only where calls are limited.
    let limit = match config.throttle {
        Some(throttle) => {
            json!({ "apilimitinterval": throttle.window.as_secs(), "apilimitmax": throttle.calls })
        }
        None => Value::Null,
    };
    let capability = json!({
        "cloudstackversion": VERSION,
        "securitygroupsenabled": false,
        "dynamicrolesenabled": true,
        "userpublictemplateenabled": call.users_may_publish_templates(),
        "supportELB": "false",
        "projectinviterequired": false,
        "allowusercreateprojects": true,
        "customdiskofferingminsize": 1,
        "customdiskofferingmaxsize": 1024,
        "regionsecondaryenabled": false,
        "kvmsnapshotenabled": true,
        "allowuserviewdestroyedvm": admin,
        "allowuserexpungerecovervm": call.may_expunge_machines(),
        "allowuserexpungerecovervolume": call.may_expunge_volumes(),
        "allowuserforcestopvm": true,
        "defaultuipagesize": 20,
        "dynamicscalingenabled": false,
    });
    // What a CloudStack says of what this zone has nothing of.
    let absent = json!({
        "snapshotshowchainsize": false,
        "allowuserviewalldomainaccounts": false,
        "kubernetesserviceenabled": false,
        "kubernetesclusterexperimentalfeaturesenabled": false,
        "customhypervisordisplayname": "Custom",
        "instancesstatsretentiontime": 720,
        "instancesstatsuseronly": false,
        "instancesdisksstatsretentionenabled": false,
        "instancesdisksstatsretentiontime": 720,
        "sharedfsvmmincpucount": 2,
        "sharedfsvmminramsize": 1024,
        "instanceleaseenabled": false,
        "extensionspath": admin.then_some("/usr/share/cloudstack-management/extensions"),
        "additionalconfigenabled": false,
    });
    Ok(json!({ "capability": object([capability, absent, limit]) }))
}

fn list_regions(call: &Call<'_>) -> Result<Listing, ApiError> {
    const NAME: &str = "Local";
    let found = (call.name_is(NAME)
        && call.keyword_in(&[NAME])
        && call.arguments.integer("id").is_none_or(|wanted| wanted == 1))
    .then_some(());
    Listing::of(
        "region",
        call.arguments,
        found,
        |()| json!({ "id": 1, "name": NAME, "gslbserviceenabled": false, "portableipserviceenabled": false }),
    )
}

fn list_zones(call: &Call<'_>) -> Result<Listing, ApiError> {
    let catalogue = call.catalogue();
    // `available=false` asks for zones where the caller has a router.
    let has_router = || {
        let mut networks = call.model.networks.iter();
        networks.any(|network| {
            network.account == call.caller.account && network.state == crate::model::NetworkState::Implemented
        })
    };
    let found = (call.wanted(catalogue.zone_id)
        && call.name_is(&catalogue.zone_name)
        && call.keyword_in(&[&catalogue.zone_name])
        && call.arguments.map("tags").is_empty()
        && call.text_is("networktype", "Advanced")
        && (call.arguments.boolean("available") != Some(false) || call.caller.root_admin || has_router()))
    .then_some(());
    Listing::of("zone", call.arguments, found, |()| zone_view(call.view()))
}

fn zone_view(view: View<'_>) -> Value {
    let catalogue = &view.settings.catalogue;
    let config = &view.settings.config;
    let admin = if view.root_admin {
        json!({
            "dns1": config.dns.to_string(),
            "internaldns1": config.dns.to_string(),
            "guestcidraddress": config.guest_range.to_string(),
        })
    } else {
        Value::Null
    };
    object([
        json!({
            "id": catalogue.zone_id,
            "name": catalogue.zone_name,
            "networktype": "Advanced",
            "securitygroupsenabled": false,
            "allocationstate": "Enabled",
            "zonetoken": catalogue.management_server,
            "dhcpprovider": "VirtualRouter",
            "localstorageenabled": false,
            "tags": [],
            "allowuserspecifyvrmtu": false,
            "routerprivateinterfacemaxmtu": 1500,
            "routerpublicinterfacemaxmtu": 1500,
            "type": "Core",
            "ismultiarch": false,
            "isnsxenabled": false,
            "routedmodeenabled": false,
            "asnrange": "",
            "hasannotations": false,
        }),
        admin,
    ])
}

fn list_os_types(call: &Call<'_>) -> Result<Listing, ApiError> {
    let arguments = call.arguments;
    let found = call.catalogue().os_types.iter().filter(|os_type| {
        call.wanted(os_type.id)
            && call.text_has("description", os_type.name)
            && arguments.id("oscategoryid").is_none_or(|wanted| wanted == os_type.category)
            && call.keyword_in(&[os_type.name])
    });
    let mut found: Vec<&OsType> = found.collect();
    found.sort_by_key(|os_type| os_type.name);
    Listing::of("ostype", arguments, found, os_type_view)
}

fn os_type_view(os_type: &OsType) -> Value {
    json!({
        "id": os_type.id,
        "oscategoryid": os_type.category,
        "oscategoryname": os_type.category_name,
        "name": os_type.name,
        "description": os_type.name,
        "isuserdefined": false,
        "fordisplay": true,
    })
}

fn list_os_categories(call: &Call<'_>) -> Result<Listing, ApiError> {
    let found = call.catalogue().os_categories.iter().filter(|category| {
        call.wanted(category.id) && call.name_is(category.name) && call.keyword_in(&[category.name])
    });
    Listing::of(
        "oscategory",
        call.arguments,
        found,
        |category| json!({ "id": category.id, "name": category.name, "isfeatured": true }),
    )
}

fn list_hypervisors(call: &Call<'_>) -> Result<Value, ApiError> {
    Ok(json!({ "count": 1, "hypervisor": [{ "name": call.catalogue().hypervisor }] }))
}
