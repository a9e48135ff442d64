//! Templates and ISOs that come from elsewhere, go elsewhere, or are shared with other accounts.

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Answer, ZONED};
use super::call::{object, time};
use super::template::{TEMPLATE, described, usable, view};
use super::{Begun, Call, Command, Entity, JobKind, Parameter};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{Format, Template};

pub(super) const COMMANDS: &[Command] = &[
    Command::change(
        "registerTemplate",
        "Has the zone fetch a template",
        &[
            Parameter::text("name").required(),
            Parameter::text("url").required().length(2048),
            Parameter::text("format").required().about("QCOW2, RAW, VHD, VMDK, OVA or TAR"),
            Parameter::text("hypervisor").required(),
            Parameter::text("displaytext").length(4096),
            Parameter::id("ostypeid", Entity::OsType),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::texts("zoneids"),
            Parameter::text("checksum"),
            Parameter::boolean("ispublic"),
            Parameter::boolean("isfeatured"),
            Parameter::boolean("isextractable"),
            Parameter::boolean("passwordenabled"),
            Parameter::boolean("requireshvm"),
            Parameter::boolean("isdynamicallyscalable"),
            Parameter::integer("bits"),
            Parameter::text("templatetag"),
            Parameter::map("details"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
        ],
        register_template,
    )
    .answering(&TEMPLATE),
    Command::change(
        "registerIso",
        "Has the zone fetch an ISO",
        &[
            Parameter::text("name").required(),
            Parameter::text("url").required().length(2048),
            Parameter::id("zoneid", Entity::Zone).required(),
            Parameter::text("displaytext").length(4096),
            Parameter::id("ostypeid", Entity::OsType),
            Parameter::text("checksum"),
            Parameter::boolean("bootable"),
            Parameter::boolean("ispublic"),
            Parameter::boolean("isfeatured"),
            Parameter::boolean("isextractable"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
        ],
        register_iso,
    )
    .answering(&TEMPLATE),
    Command::change(
        "updateTemplatePermissions",
        "Changes who may use a template",
        PERMISSIONS,
        update_permissions,
    ),
    Command::change("updateIsoPermissions", "Changes who may use an ISO", PERMISSIONS, update_permissions),
    Command::read(
        "listTemplatePermissions",
        "Answers who may use a template",
        &[Parameter::id("id", Entity::Template).required()],
        list_permissions,
    )
    .answering(&SHARED),
    Command::read(
        "listIsoPermissions",
        "Answers who may use an ISO",
        &[Parameter::id("id", Entity::Template).required()],
        list_permissions,
    )
    .answering(&SHARED),
    Command::job(
        "copyTemplate",
        "Copies a template to another zone; there is none here",
        JobKind::new("user.template.CopyTemplateCmd"),
        COPY,
        |call| copy(call, "Template"),
    )
    .answering(&TEMPLATE),
    Command::job(
        "copyIso",
        "Copies an ISO to another zone; there is none here",
        JobKind::new("user.iso.CopyIsoCmd"),
        COPY,
        |call| copy(call, "Iso"),
    )
    .answering(&TEMPLATE),
    Command::job(
        "extractTemplate",
        "Answers where a template can be fetched",
        JobKind::new("user.template.ExtractTemplateCmd"),
        EXTRACT,
        |call| extract(call, "template", "Template"),
    )
    .answering(&EXTRACTED),
    Command::job(
        "extractIso",
        "Answers where an ISO can be fetched",
        JobKind::new("user.iso.ExtractIsoCmd"),
        EXTRACT,
        |call| extract(call, "iso", "Iso"),
    )
    .answering(&EXTRACTED),
    Command::change(
        "linkUserDataToTemplate",
        "Has machines made from a template be told registered user-data",
        &[
            Parameter::id("templateid", Entity::Template),
            Parameter::id("isoid", Entity::Template),
            Parameter::id("userdataid", Entity::UserData),
            Parameter::text("userdatapolicy").about("ALLOWOVERRIDE, DENYOVERRIDE or APPEND"),
        ],
        link_user_data,
    )
    .answering(&TEMPLATE),
];

const PERMISSIONS: &[Parameter] = &[
    Parameter::id("id", Entity::Template).required(),
    Parameter::boolean("ispublic"),
    Parameter::boolean("isfeatured"),
    Parameter::boolean("isextractable"),
    Parameter::text("op").about("add, remove or reset"),
    Parameter::texts("accounts"),
    Parameter::ids("projectids", Entity::Project),
];

const COPY: &[Parameter] = &[
    Parameter::id("id", Entity::Template).required().of_anyone(),
    Parameter::id("destzoneid", Entity::Zone),
    Parameter::ids("destzoneids", Entity::Zone),
    Parameter::id("sourcezoneid", Entity::Zone),
];

const EXTRACT: &[Parameter] = &[
    Parameter::id("id", Entity::Template).required().of_anyone(),
    Parameter::text("mode").required(),
    Parameter::text("url").length(2048),
    Parameter::id("zoneid", Entity::Zone),
];

const SHARED: Answer = Answer::of(&[&["id", "ispublic", "domainid", "account:list", "projectids"]]);

const EXTRACTED: Answer = Answer::of(&[
    ZONED,
    &["id", "name", "extractId", "extractMode", "state", "status", "url", "created", "accountid"],
]);

fn gone() -> ApiError {
    ApiError::invalid("Unable to find the template")
}

/// A format by its name in any case, and whether a URL ends as it should for one.
fn format(name: &str, url: &str) -> Result<Format, ApiError> {
    let known = Format::ALL.into_iter().filter(|format| *format != Format::Iso);
    let format = known.into_iter().find(|format| format.name().eq_ignore_ascii_case(name));
    let format =
        format.ok_or_else(|| ApiError::invalid(format!("Please specify a valid format: {name} is none")))?;
    fitting(url, format.name())?;
    Ok(format)
}

fn fitting(url: &str, extension: &str) -> Result<(), ApiError> {
    let address = url.split(['?', '#']).next().unwrap_or(url).to_lowercase();
    if !["http://", "https://", "ftp://"].iter().any(|scheme| address.starts_with(scheme)) {
        return Err(ApiError::invalid(format!("Unsupported scheme for url: {url}")));
    }
    let packed = [".gz", ".bz2", ".zip", ".xz"];
    let plain = packed.iter().find_map(|ending| address.strip_suffix(ending)).unwrap_or(&address);
    let wanted = format!(".{}", extension.to_lowercase());
    if plain.ends_with(&wanted) || (extension == "RAW" && plain.ends_with(".img")) {
        return Ok(());
    }
    Err(ApiError::invalid(format!("Please specify a valid {}", extension.to_lowercase())))
}

fn register_template(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let arguments = call.arguments;
    let hypervisor = arguments.required_text("hypervisor")?;
    if !hypervisor.eq_ignore_ascii_case(call.catalogue().hypervisor) {
        return Err(ApiError::invalid(format!(
            "Hypervisor Type: {hypervisor} is invalid. Supported Hypervisor types are {}",
            call.catalogue().hypervisor
        )));
    }
    let zone = call.catalogue().zone_id.to_string();
    let zones = arguments.texts("zoneids");
    match (arguments.id("zoneid"), zones) {
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid("Both zoneid and zoneids cannot be specified at the same time"));
        }
        (None, None) if arguments.integer("zoneid").is_none() => {
            return Err(ApiError::invalid("Either zoneid or zoneids must be specified"));
        }
        (None, Some(zones)) if zones.iter().any(|id| id != "-1" && *id != zone) => {
            return Err(ApiError::unknown_entity("registertemplate", "zoneids", &zones.join(",")));
        }
        _ => {}
    }
    let format = format(arguments.required_text("format")?, arguments.required_text("url")?)?;
    register(call, format, "template")
}

fn register_iso(call: &mut Call<'_>) -> Result<Value, ApiError> {
    fitting(call.arguments.required_text("url")?, "ISO")?;
    if call.arguments.boolean("bootable") != Some(false) && call.arguments.id("ostypeid").is_none() {
        return Err(ApiError::invalid("Please pass a valid GuestOS Id"));
    }
    register(call, Format::Iso, "iso")
}

fn register(call: &mut Call<'_>, format: Format, object: &'static str) -> Result<Value, ApiError> {
    let account = call.owner()?;
    let template = described(call, account, format)?;
    let id = template.id;
    call.model.templates.insert(template);
    call.fetch.push(id);
    let template = call.model.templates.get(id).ok_or_else(gone)?;
    Ok(json!({ "count": 1, object: [view(call.view(), template)] }))
}

fn own<'a>(call: &'a Call<'_>) -> Result<&'a Template, ApiError> {
    let template = call.model.templates.get(call.arguments.required_id("id")?).ok_or_else(gone)?;
    let owned = template.account.is_some_and(|owner| call.may_use(owner));
    if owned || call.caller.root_admin { Ok(template) } else { Err(ApiError::not_yours()) }
}

fn update_permissions(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let arguments = call.arguments;
    let template = own(call)?;
    let (id, owner) = (template.id, template.account);
    let domain = owner.and_then(|owner| call.model.accounts.get(owner)).and_then(|owner| owner.domain);
    let mut named = Vec::new();
    for name in arguments.texts("accounts").unwrap_or_default() {
        let account = call.model.account_in(domain, name).ok_or_else(|| {
            ApiError::invalid(format!(
                "Unable to grant or revoke permissions: there is no account {name} in the domain"
            ))
        })?;
        named.push(account.id);
    }
    for project in arguments.ids("projectids").unwrap_or_default() {
        named.extend(call.model.projects.get(*project).map(|project| project.account));
    }
    let operation = arguments.text("op").map(str::to_lowercase);
    if operation.is_none() && !named.is_empty() {
        return Err(ApiError::invalid("Invalid operation: op must be one of add, remove and reset"));
    }
    let may_publish = call.caller.root_admin || call.users_may_publish_templates();
    if arguments.boolean("ispublic") == Some(true) && !may_publish {
        return Err(ApiError::invalid("Only private Templates/ISO can be created."));
    }
    let may_feature = call.caller.root_admin;
    let template = call.model.templates.edit(id).ok_or_else(gone)?;
    template.public = arguments.boolean("ispublic").unwrap_or(template.public);
    template.extractable = arguments.boolean("isextractable").unwrap_or(template.extractable);
    if let Some(featured) = arguments.boolean("isfeatured").filter(|_| may_feature) {
        template.featured = featured;
    }
    match operation.as_deref() {
        None => {}
        Some("add") => {
            named.retain(|account| Some(*account) != owner && !template.shared_with.contains(account));
            template.shared_with.extend(named);
        }
        Some("remove") => template.shared_with.retain(|account| !named.contains(account)),
        Some("reset") => {
            template.shared_with.clear();
            (template.public, template.featured) = (false, false);
        }
        Some(other) => {
            return Err(ApiError::invalid(format!(
                "Invalid operation {other}: op must be one of add, remove and reset"
            )));
        }
    }
    Ok(json!({ "success": true }))
}

fn list_permissions(call: &Call<'_>) -> Result<Value, ApiError> {
    let template = own(call)?;
    let accounts = || template.shared_with.iter().filter_map(|id| call.model.accounts.get(*id));
    let people: Vec<&String> =
        accounts().filter(|account| account.project.is_none()).map(|account| &account.name).collect();
    let projects: Vec<Uuid> = accounts().filter_map(|account| account.project).collect();
    let domain =
        template.account.and_then(|owner| call.model.accounts.get(owner)).and_then(|owner| owner.domain);
    Ok(json!({ "templatepermission": object([json!({
        "id": template.id,
        "ispublic": template.public,
        "domainid": call.caller.root_admin.then(|| domain.unwrap_or(call.catalogue().domain_id)),
        "account": (!people.is_empty()).then_some(people),
        "projectids": (!projects.is_empty()).then_some(projects),
    })]) }))
}

// The real server says it in the job, too.
fn copy(call: &mut Call<'_>, instance: &'static str) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let template = call.model.templates.get(id).ok_or_else(gone)?;
    if !usable(call, template) {
        return Err(ApiError::not_yours());
    }
    let named = call.arguments.id("destzoneid").is_some() || call.arguments.ids("destzoneids").is_some();
    Ok(Begun::doing(Some((instance, Some(id))), Lane::Free, move |_| async move {
        Err(ApiError::invalid(match named {
            true => "Please specify different source and destination zones.",
            false => "Either destzoneid or destzoneids parameters have to be specified.",
        }))
    }))
}

fn extract(
    call: &mut Call<'_>,
    object_name: &'static str,
    instance: &'static str,
) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let template = call.model.templates.get(id).cloned().ok_or_else(gone)?;
    let may = call.caller.root_admin || (template.extractable && usable(call, &template));
    if !may {
        return Err(ApiError::permission(format!("The template {id} is not extractable by this account")));
    }
    let mode = call.arguments.required_text("mode")?.to_uppercase();
    let extract_id = call.model.next_id();
    Ok(Begun::doing(Some((instance, Some(id))), Lane::Free, move |running| async move {
        if mode != "HTTP_DOWNLOAD" {
            return Err(ApiError::invalid(
                "Please specify a valid extract Mode: HTTP_DOWNLOAD is the one here",
            ));
        }
        let url = template.url.as_ref().filter(|_| template.ready).ok_or_else(|| {
            ApiError::internal(
                "Only what was registered from a URL can be fetched from this zone, at that URL",
            )
        })?;
        let zone = running.look(|look| look.zone());
        let extracted = object([
            json!({
                "id": template.id,
                "name": template.name,
                "extractId": extract_id,
                "extractMode": mode,
                "state": "DOWNLOAD_URL_CREATED",
                "url": url,
                "created": time(template.created),
                "accountid": template.account,
            }),
            zone,
        ]);
        Ok(json!({ object_name: extracted }))
    }))
}

fn link_user_data(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let arguments = call.arguments;
    let id = match (arguments.id("templateid"), arguments.id("isoid")) {
        (Some(id), None) | (None, Some(id)) => id,
        _ => return Err(ApiError::invalid("Exactly one of templateid and isoid has to be given")),
    };
    let policy = arguments.text("userdatapolicy").unwrap_or("ALLOWOVERRIDE").to_uppercase();
    if !["ALLOWOVERRIDE", "DENYOVERRIDE", "APPEND"].contains(&policy.as_str()) {
        return Err(ApiError::invalid(format!("Invalid userdatapolicy {policy}")));
    }
    let linked = arguments.id("userdataid").map(|user_data| (user_data, policy));
    call.model.templates.edit(id).ok_or_else(gone)?.user_data = linked;
    let template = call.model.templates.get(id).ok_or_else(gone)?;
    Ok(json!({ "template": view(call.view(), template) }))
}
