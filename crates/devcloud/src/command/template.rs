//! Templates: those of the zone, and those made from machines' root disks.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{View, object, time};
use super::{Begun, Call, Command, Entity, JobKind, Listing, Parameter, Running};
use crate::driver::LayerId;
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{MachineState, Resource, Template, TemplateKind};

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listTemplates",
        "Lists templates",
        &[
            Parameter::text("templatefilter").required().about(
                "featured, self, selfexecutable, shared, sharedexecutable, executable, community or all",
            ),
            Parameter::id("id", Entity::Template),
            Parameter::ids("ids", Entity::Template),
            Parameter::text("name"),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::text("hypervisor"),
            Parameter::boolean("showunique"),
            Parameter::boolean("showremoved"),
            Parameter::text("templatetype"),
            Parameter::texts("details"),
        ],
        list,
    ),
    Command::job(
        "createTemplate",
        "Makes a template of a stopped machine's root disk",
        JobKind::new("user.template.CreateTemplateCmd", "TEMPLATE.CREATE", "creating Template"),
        &[
            Parameter::text("name").required(),
            Parameter::id("ostypeid", Entity::OsType).required(),
            Parameter::text("displaytext").length(4096),
            Parameter::id("volumeid", Entity::Volume),
            Parameter::id("snapshotid", Entity::Nothing),
            Parameter::id("virtualmachineid", Entity::VirtualMachine),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::boolean("ispublic"),
            Parameter::boolean("isfeatured"),
            Parameter::boolean("passwordenabled"),
            Parameter::boolean("requireshvm"),
            Parameter::boolean("isdynamicallyscalable"),
            Parameter::integer("bits"),
            Parameter::text("templatetag"),
            Parameter::map("details"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
        ],
        create,
    ),
    Command::change(
        "updateTemplate",
        "Changes what is said about a template",
        &[
            Parameter::id("id", Entity::Template).required(),
            Parameter::text("name"),
            Parameter::text("displaytext").length(4096),
            Parameter::id("ostypeid", Entity::OsType),
            Parameter::boolean("passwordenabled"),
            Parameter::boolean("isdynamicallyscalable"),
            Parameter::integer("sortkey"),
            Parameter::map("details"),
            Parameter::boolean("cleanupdetails"),
        ],
        update,
    ),
    Command::change(
        "updateTemplatePermissions",
        "Changes who may use a template",
        &[
            Parameter::id("id", Entity::Template).required(),
            Parameter::boolean("ispublic"),
            Parameter::boolean("isfeatured"),
            Parameter::boolean("isextractable"),
        ],
        update_permissions,
    ),
    Command::job(
        "deleteTemplate",
        "Removes a template that no machine was made from",
        JobKind::new("user.template.DeleteTemplateCmd", "TEMPLATE.DELETE", "Deleting Template"),
        &[
            Parameter::id("id", Entity::Template).required().of_anyone(),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::boolean("forced"),
        ],
        delete,
    ),
];

const FILTERS: [&str; 8] =
    ["featured", "self", "selfexecutable", "shared", "sharedexecutable", "executable", "community", "all"];

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    let filter = arguments.required_text("templatefilter")?;
    if !FILTERS.contains(&filter) {
        return Err(ApiError::parameter(format!(
            "{filter} is not a template filter: use one of {}",
            FILTERS.join(", ")
        )));
    }
    if filter == "all" && !call.caller.root_admin {
        return Err(ApiError::invalid("Filter all can be specified by admin only"));
    }
    let by_id = arguments.id("id");
    if let Some(template) = by_id.and_then(|id| call.model.templates.get(id))
        && !template.usable_by(call.caller.account)
        && !call.caller.root_admin
    {
        return Err(ApiError::permission(format!(
            "{} does not have permission to operate with resource Template {}",
            call.caller.name, template.id
        )));
    }
    let mine = |template: &Template| template.account.is_some_and(|owner| scope.includes(owner));
    let passes = |template: &Template| match filter {
        _ if by_id.is_some() => true,
        "featured" => template.featured,
        "self" => mine(template),
        "selfexecutable" => mine(template) && template.ready,
        "community" => template.public && !template.featured,
        "executable" => mine(template) || template.public,
        "all" => true,
        // Nothing can be shared with a single account here.
        _ => false,
    };
    let is = |name: &str, value: &str| {
        arguments.text(name).is_none_or(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let found = call.model.templates.iter().filter(|template| {
        passes(template)
            && call.wanted(template.id)
            && call.name_is(&template.name)
            && call.keyword_in(&[&template.name, &template.display_text])
            && call.tags_match(template.id)
            && is("hypervisor", call.catalogue().hypervisor)
            && is("templatetype", template.kind.name())
    });
    Listing::of("template", arguments, found, |template| view(call.view(), template))
}

fn create(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments;
    let account = call.owner()?;
    let Some(volume) = arguments.id("volumeid") else {
        return Err(ApiError::invalid(
            "Please provide either a volumeId or a snapshotId: there are no snapshots in this zone",
        ));
    };
    if arguments.boolean("ispublic") == Some(true) && !call.caller.root_admin {
        return Err(ApiError::invalid("Only private Templates/ISO can be created."));
    }
    let volume = call
        .model
        .volumes
        .get(volume)
        .cloned()
        .ok_or_else(|| ApiError::invalid("Unable to find the volume"))?;
    let machine = call.model.virtual_machines.get(volume.virtual_machine);
    let machine = machine.ok_or_else(|| ApiError::invalid("The volume's machine is gone"))?;
    if machine.state != MachineState::Stopped {
        return Err(ApiError::internal(format!(
            "Unable to create private Template for volume: {}; volume is attached to a non-stopped Instance, please stop the \
             Instance first",
            volume.name
        )));
    }
    if !volume.ready {
        return Err(ApiError::internal(format!(
            "Unable to create private Template for volume: {}; its machine was never started, so there is no disk yet",
            volume.name
        )));
    }
    let mut details: BTreeMap<String, String> = machine
        .details
        .iter()
        .filter(|(name, _)| name.starts_with("SSH."))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    details.extend(arguments.map("details").first().cloned().unwrap_or_default());
    let machine = machine.id;
    call.within_limit(account, Resource::Templates, 1)?;
    let name = arguments.required_text("name")?.to_owned();
    let id = call.model.next_id();
    let layer = LayerId(format!("template-{id}"));
    let template = Template {
        number: call.model.next_number(),
        id,
        account: Some(account),
        display_text: arguments.text("displaytext").unwrap_or(&name).to_owned(),
        name,
        kind: TemplateKind::User,
        created: call.now,
        os_type: arguments.required_id("ostypeid")?,
        layers: Vec::new(),
        bytes: volume.bytes,
        physical_bytes: 0,
        ready: false,
        public: arguments.boolean("ispublic") == Some(true),
        featured: arguments.boolean("isfeatured") == Some(true) && call.caller.root_admin,
        password_enabled: arguments.boolean("passwordenabled") == Some(true),
        dynamically_scalable: arguments.boolean("isdynamicallyscalable") == Some(true),
        details,
        source: Some(volume.template),
        capture: Some((volume.id, layer)),
    };
    call.model.templates.insert(template);
    Ok(Begun::making(id, "Template", Lane::Machine(machine), move |running| capture(running, id)))
}

/// Freezes the volume a template is made of, and makes the template ready.
async fn capture(running: Running, id: Uuid) -> Result<Value, ApiError> {
    let core = &running.core;
    let stopped = core.read(|model| {
        let (volume, _) = model.templates.get(id)?.capture.as_ref()?;
        let volume = model.volumes.get(*volume)?;
        Some(model.virtual_machines.get(volume.virtual_machine)?.state == MachineState::Stopped)
    });
    // Between the request and its turn the machine may have been started.
    let captured = if stopped == Some(true) {
        core.finish_capture(id).await
    } else {
        Err(ApiError::internal("Failed to create template: its machine is not stopped any more"))
    };
    if let Err(error) = captured {
        core.change(|model, _| {
            model.templates.remove(id);
            model.tags.remove(id);
            Ok(())
        })
        .await?;
        return Err(error);
    }
    let settings = core.settings();
    core.read(|model| {
        let view_of = View { model, settings: &settings, root_admin: running.caller.root_admin };
        let template = model.templates.get(id);
        template.map(|template| json!({ "template": view(view_of, template) }))
    })
    .ok_or_else(|| ApiError::internal("The template is gone"))
}

fn update(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let arguments = call.arguments;
    let id = arguments.required_id("id")?;
    let gone = || ApiError::invalid("Unable to find the template");
    let template = call.model.templates.edit(id).ok_or_else(gone)?;
    if template.account.is_none() && !call.caller.root_admin {
        return Err(ApiError::not_yours());
    }
    if let Some(name) = arguments.text("name") {
        name.clone_into(&mut template.name);
    }
    if let Some(text) = arguments.text("displaytext") {
        text.clone_into(&mut template.display_text);
    }
    if let Some(os_type) = arguments.id("ostypeid") {
        template.os_type = os_type;
    }
    if let Some(enabled) = arguments.boolean("passwordenabled") {
        template.password_enabled = enabled;
    }
    if let Some(scalable) = arguments.boolean("isdynamicallyscalable") {
        template.dynamically_scalable = scalable;
    }
    if arguments.boolean("cleanupdetails") == Some(true) {
        template.details.clear();
    } else if !arguments.map("details").is_empty() {
        template.details =
            arguments.map("details").iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    }
    let template = call.model.templates.get(id).ok_or_else(gone)?;
    Ok(json!({ "template": view(call.view(), template) }))
}

fn update_permissions(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let arguments = call.arguments;
    let id = arguments.required_id("id")?;
    let template =
        call.model.templates.edit(id).ok_or_else(|| ApiError::invalid("Unable to find the template"))?;
    if template.account.is_none() && !call.caller.root_admin {
        return Err(ApiError::not_yours());
    }
    if let Some(public) = arguments.boolean("ispublic") {
        if public && !call.caller.root_admin {
            return Err(ApiError::invalid("Only private Templates/ISO can be created."));
        }
        template.public = public;
    }
    if let Some(featured) = arguments.boolean("isfeatured").filter(|_| call.caller.root_admin) {
        template.featured = featured;
    }
    Ok(json!({ "success": true }))
}

fn delete(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let forced = call.arguments.boolean("forced") == Some(true);
    if let Some(template) = call.model.templates.get(id)
        && !template.usable_by(call.caller.account)
    {
        call.must_be_mine(template.account.unwrap_or_default())?;
    }
    Ok(Begun::doing(Some(("Template", Some(id))), Lane::Free, move |running| async move {
        let caller = running.caller.clone();
        let layers = running
            .core
            .change(|model, _| {
                let gone = || ApiError::invalid(format!("Unable to find template with id {id}"));
                let template = model.templates.get(id).ok_or_else(gone)?;
                let users = model.virtual_machines.iter().filter(|machine| machine.template == id).count();
                if users > 0 && !forced {
                    return Err(ApiError::invalid(format!(
                        "Unable to delete template [Template {{\"format\":\"QCOW2\",\"id\":{},\"name\":\"{}\",\"uuid\":\"{}\"}}] \
                         because there are [{users}] VM instances using it.",
                        template.number, template.name, template.id
                    )));
                }
                if template.account != Some(caller.account) && !caller.root_admin {
                    let text = "Domain Admin and regular users can modify only their own Public Templates";
                    return Err(ApiError::internal(text));
                }
                if !template.ready {
                    return Err(ApiError::invalid("Please specify a template that is not currently being created."));
                }
                let template = model.templates.remove(id).ok_or_else(gone)?;
                model.bury(id, <Template as crate::model::Entity>::KIND);
                Ok(template.layers.into_iter().filter(|layer| !model.layer_in_use(layer)).collect::<Vec<_>>())
            })
            .await?;
        running.core.remove_layers(layers).await;
        Ok(json!({ "success": true }))
    }))
}

fn view(view: View<'_>, template: &Template) -> Value {
    let os_type = view.settings.catalogue.os_type(template.os_type);
    let ownership = match template.account {
        Some(account) => view.ownership(account),
        None => object([view.ownership(Uuid::nil()), json!({ "account": "system" })]),
    };
    object([
        json!({
            "id": template.id,
            "name": template.name,
            "displaytext": template.display_text,
            "ispublic": template.public,
            "created": time(template.created),
            "isready": template.ready,
            "passwordenabled": template.password_enabled,
            "format": "QCOW2",
            "isfeatured": template.featured,
            "crossZones": template.account.is_none(),
            "ostypeid": template.os_type,
            "ostypename": os_type.map(|os_type| os_type.name),
            "status": if template.ready { "Download Complete" } else { "Processing" },
            "size": template.bytes,
            "physicalsize": template.ready.then_some(template.physical_bytes),
            "templatetype": template.kind.name(),
            "hypervisor": view.settings.catalogue.hypervisor,
            "isextractable": false,
            "sourcetemplateid": template.source,
            "details": template.details,
            "downloaddetails": [],
        }),
        json!({
            "arch": "x86_64",
            "bits": 64,
            "sshkeyenabled": false,
            "isdynamicallyscalable": template.dynamically_scalable,
            "directdownload": false,
            "deployasis": false,
            "requireshvm": true,
            "tags": view.tags(template.id),
            "hasannotations": false,
        }),
        view.zone(),
        ownership,
    ])
}
