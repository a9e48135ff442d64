//! Templates: those of the zone, those made from machines' root disks, and those fetched from elsewhere. ISOs are templates
//! too, of a format of their own ([`super::iso`]).

mod look;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use self::look::updated;
pub(super) use self::look::{TEMPLATE, view};
use super::{Begun, Call, Command, Entity, JobKind, Listing, Parameter, Running};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{Format, MachineState, Resource, Template, TemplateKind};

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
            Parameter::boolean("isready"),
            Parameter::text("templatetype"),
            Parameter::texts("details"),
            Parameter::text("arch").about("x86_64"),
            Parameter::id("oscategoryid", Entity::OsCategory),
            Parameter::id("parenttemplateid", Entity::Template).about("none is a part of another"),
            Parameter::boolean("isvnf").about("none is a network appliance"),
            Parameter::boolean("forcks").about("none is for Kubernetes"),
        ],
        |call| list(call, false),
    )
    .answering(&TEMPLATE),
    Command::job(
        "createTemplate",
        "Makes a template of a stopped machine's root disk, or of a snapshot of one",
        JobKind::new("user.template.CreateTemplateCmd")
            .with_admin_class("admin.template.CreateTemplateCmdByAdmin"),
        &[
            Parameter::text("name").required(),
            Parameter::id("ostypeid", Entity::OsType).required(),
            Parameter::text("displaytext").length(4096),
            Parameter::id("volumeid", Entity::Volume),
            Parameter::id("snapshotid", Entity::Snapshot),
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
            Parameter::project(),
        ],
        create,
    )
    .answering(&TEMPLATE),
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
            Parameter::boolean("requireshvm"),
            Parameter::integer("sortkey"),
            Parameter::map("details"),
            Parameter::boolean("cleanupdetails"),
        ],
        |call| update(call, "template"),
    )
    .answering(&TEMPLATE),
    Command::job(
        "deleteTemplate",
        "Removes a template that no machine was made from",
        JobKind::new("user.template.DeleteTemplateCmd"),
        &[
            Parameter::id("id", Entity::Template).required().of_anyone(),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::boolean("forced"),
        ],
        |call| delete(call, "Template"),
    ),
];

const FILTERS: [&str; 8] =
    ["featured", "self", "selfexecutable", "shared", "sharedexecutable", "executable", "community", "all"];

pub(super) fn list(call: &Call<'_>, isos: bool) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    let filter = if isos {
        arguments.text("isofilter").unwrap_or("selfexecutable")
    } else {
        arguments.required_text("templatefilter")?
    };
    if !FILTERS.contains(&filter) {
        return Err(ApiError::parameter(format!(
            "No enum constant com.cloud.template.VirtualMachineTemplate.TemplateFilter.{filter}"
        )));
    }
    if filter == "all" && !call.caller.root_admin {
        return Err(ApiError::invalid("Filter all can be specified by admin only"));
    }
    let by_id = arguments.id("id");
    if let Some(template) = by_id.and_then(|id| call.model.templates.get(id))
        && !usable(call, template)
    {
        return Err(ApiError::permission(format!(
            "{} does not have permission to operate with resource Template {}",
            call.caller.name, template.id
        )));
    }
    let mine = |template: &Template| template.account.is_some_and(|owner| scope.includes(owner));
    let shared = |template: &Template| template.shared_with.contains(&call.caller.account);
    let passes = |template: &Template| match filter {
        _ if by_id.is_some() => true,
        "featured" => template.featured,
        "self" => mine(template),
        "selfexecutable" => mine(template) && template.ready,
        "shared" => shared(template),
        "sharedexecutable" => shared(template) && template.ready,
        "community" => template.public && !template.featured,
        "executable" => mine(template) || template.public || shared(template),
        _ => true,
    };
    let told = |name: &str, value: bool| arguments.boolean(name).is_none_or(|wanted| wanted == value);
    let found = call.model.templates.iter().filter(|template| {
        (template.format == Format::Iso) == isos
            && call.text_is("arch", "x86_64")
            && arguments.id("parenttemplateid").is_none()
            && arguments.boolean("isvnf") != Some(true)
            && arguments.boolean("forcks") != Some(true)
            && arguments.id("oscategoryid").is_none_or(|wanted| {
                let own = call.catalogue().os_type(template.os_type);
                own.is_some_and(|own| own.category == wanted)
            })
            && passes(template)
            && call.wanted(template.id)
            && call.name_is(&template.name)
            && call.keyword_in(&[&template.name, &template.display_text])
            && call.tags_match(template.id)
            && (isos || call.text_is("hypervisor", call.catalogue().hypervisor))
            && call.text_is("templatetype", template.kind.name())
            && told("isready", template.ready)
            && told("ispublic", template.public)
            && told("bootable", template.bootable)
    });
    let object = if isos { "iso" } else { "template" };
    Listing::of(object, arguments, found, |template| view(call.view(), template))
}

/// Whether the caller may make machines of it.
pub(super) fn usable(call: &Call<'_>, template: &Template) -> bool {
    template.usable_by(call.caller.account)
        || template.account.is_some_and(|owner| call.may_use(owner))
        || call.caller.root_admin
}

/// A template as these arguments describe it, without contents yet.
pub(super) fn described(call: &mut Call<'_>, account: Uuid, format: Format) -> Result<Template, ApiError> {
    let arguments = call.arguments;
    let told = |name: &str| arguments.boolean(name) == Some(true);
    if told("ispublic") && !call.caller.root_admin && !call.users_may_publish_templates() {
        return Err(ApiError::invalid("Only private Templates/ISO can be created."));
    }
    call.within_limit(account, Resource::Templates, 1)?;
    let name = arguments.required_text("name")?.to_owned();
    let os_type = arguments.id("ostypeid").or_else(|| call.catalogue().os_type_named("").map(|it| it.id));
    Ok(Template {
        number: call.model.next_number(),
        id: call.model.next_id(),
        account: Some(account),
        display_text: arguments.text("displaytext").unwrap_or(&name).to_owned(),
        name,
        kind: TemplateKind::User,
        created: call.now,
        os_type: os_type.unwrap_or_default(),
        layers: Vec::new(),
        bytes: 0,
        physical_bytes: 0,
        ready: false,
        public: told("ispublic"),
        featured: told("isfeatured") && call.caller.root_admin,
        password_enabled: told("passwordenabled"),
        dynamically_scalable: told("isdynamicallyscalable"),
        details: arguments.map("details").first().cloned().unwrap_or_default(),
        source: None,
        format,
        url: arguments.text("url").map(str::to_owned),
        checksum: arguments.text("checksum").map(str::to_owned),
        extractable: told("isextractable"),
        bootable: arguments.boolean("bootable").unwrap_or(true),
        requires_hvm: arguments.boolean("requireshvm").unwrap_or(true),
        sort_key: 0,
        shared_with: Vec::new(),
        user_data: None,
        failure: None,
        capture: None,
    })
}

fn create(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments;
    let account = call.owner()?;
    let volume = match (arguments.id("volumeid"), arguments.id("snapshotid")) {
        (Some(volume), None) => volume,
        (None, Some(snapshot)) => return create_from_snapshot(call, account, snapshot),
        _ => {
            return Err(ApiError::invalid(
                "Please provide either a volumeId or a snapshotId, and not both of them",
            ));
        }
    };
    let volume = call.model.volumes.get(volume).cloned();
    let volume = volume.ok_or_else(|| ApiError::invalid("Unable to find the volume"))?;
    let machine = volume.virtual_machine.and_then(|machine| call.model.virtual_machines.get(machine));
    let (Some(machine), Some(source)) = (machine, volume.template) else {
        return Err(ApiError::invalid(
            "The volume is no machine's root disk: machines can't be made from it in this zone",
        ));
    };
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
    let machine = machine.id;
    let keys = keys_of(call, machine);
    let mut template = described(call, account, Format::Qcow2)?;
    let id = template.id;
    template.details = keys.into_iter().chain(std::mem::take(&mut template.details)).collect();
    template.bytes = volume.bytes;
    template.source = Some(source);
    template.capture = Some((volume.id, Template::own_layer(id)));
    call.model.templates.insert(template);
    Ok(Begun::making(id, "Template", Lane::Machine(machine), move |running| capture(running, id)))
}

/// What of a machine's details its templates carry on.
fn keys_of(call: &Call<'_>, machine: Uuid) -> BTreeMap<String, String> {
    let details = call.model.virtual_machines.get(machine).map(|machine| &machine.details);
    let keys = details.into_iter().flatten().filter(|(name, _)| name.starts_with("SSH."));
    keys.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A snapshot holds layers already, so only records are made.
fn create_from_snapshot(call: &mut Call<'_>, account: Uuid, snapshot: Uuid) -> Result<Begun, ApiError> {
    let snapshot = call.model.snapshots.get(snapshot).cloned();
    let snapshot = snapshot.ok_or_else(|| ApiError::invalid("Unable to find the snapshot"))?;
    if !snapshot.ready || snapshot.template.is_none() {
        return Err(ApiError::invalid(
            "Snapshot is not in BackedUp state yet, or of no root disk, and can't be used for template creation",
        ));
    }
    let mut template = described(call, account, Format::Qcow2)?;
    let id = template.id;
    template.bytes = snapshot.bytes;
    template.source = snapshot.template;
    call.model.templates.insert(template);
    Ok(Begun::making(id, "Template", Lane::Free, move |running| async move {
        let made = running
            .core
            .change(|model, _| {
                crate::faults::not_doomed()?;
                let source = snapshot.template.and_then(|template| model.templates.get(template));
                let below = source.map_or(0, |source| source.physical_bytes);
                let kept = model.snapshots.contains(snapshot.id);
                let template = model.templates.edit(id).filter(|_| kept);
                let template = template.ok_or_else(|| ApiError::internal("The snapshot is gone"))?;
                template.layers = snapshot.layers;
                template.physical_bytes = below + snapshot.physical_bytes;
                template.ready = true;
                Ok(())
            })
            .await;
        running.or_give_up(id, made).await?;
        running.template_answer(id, "template")
    }))
}

/// Freezes the volume a template is made of, and makes the template ready.
async fn capture(running: Running, id: Uuid) -> Result<Value, ApiError> {
    let core = &running.core;
    let stopped = core.read(|model| {
        let (volume, _) = model.templates.get(id)?.capture.as_ref()?;
        let volume = model.volumes.get(*volume)?;
        Some(model.virtual_machines.get(volume.virtual_machine?)?.state == MachineState::Stopped)
    });
    // Between the request and its turn the machine may have been started.
    let captured = if stopped == Some(true) {
        core.finish_capture(id).await
    } else {
        Err(ApiError::internal("Failed to create template: its machine is not stopped any more"))
    };
    running.or_give_up(id, captured).await?;
    running.template_answer(id, "template")
}

impl Running {
    /// There is no template when it could not be made.
    async fn or_give_up(&self, id: Uuid, made: Result<(), ApiError>) -> Result<(), ApiError> {
        if made.is_err() {
            self.core
                .change(|model, _| {
                    model.templates.remove(id);
                    model.tags.remove(id);
                    Ok(())
                })
                .await?;
        }
        made
    }

    /// A template or an ISO as its job's result.
    pub(super) fn template_answer(&self, id: Uuid, object: &'static str) -> Result<Value, ApiError> {
        self.look(|look| look.model.templates.get(id).map(|template| json!({ object: view(look, template) })))
            .ok_or_else(|| ApiError::internal("The template is gone"))
    }
}

pub(super) fn update(call: &mut Call<'_>, object: &'static str) -> Result<Value, ApiError> {
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
    for (name, field) in [
        ("passwordenabled", &mut template.password_enabled),
        ("isdynamicallyscalable", &mut template.dynamically_scalable),
        ("requireshvm", &mut template.requires_hvm),
        ("bootable", &mut template.bootable),
    ] {
        *field = arguments.boolean(name).unwrap_or(*field);
    }
    template.sort_key = arguments.integer("sortkey").unwrap_or(template.sort_key);
    if arguments.boolean("cleanupdetails") == Some(true) {
        template.details.clear();
    } else if !arguments.map("details").is_empty() {
        template.details =
            arguments.map("details").iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    }
    let template = call.model.templates.get(id).ok_or_else(gone)?;
    Ok(json!({ object: updated(call.view(), template) }))
}

pub(super) fn delete(call: &mut Call<'_>, instance: &'static str) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let forced = call.arguments.boolean("forced") == Some(true);
    if let Some(template) = call.model.templates.get(id)
        && !usable(call, template)
    {
        return Err(ApiError::not_yours());
    }
    Ok(Begun::doing(Some((instance, Some(id))), Lane::Free, move |running| async move {
        let caller = running.caller.clone();
        let layers = running
            .core
            .change(|model, _| {
                let gone = || ApiError::invalid(format!("Unable to find template with id {id}"));
                let template = model.templates.get(id).ok_or_else(gone)?;
                let users = model.virtual_machines.iter();
                let users = users.filter(|machine| machine.template == id || machine.isos.contains(&id)).count();
                if users > 0 && template.format == Format::Iso {
                    return Err(ApiError::invalid(format!(
                        "Unable to delete ISO, as it's used by other instances: {users} of them"
                    )));
                }
                if users > 0 && !forced {
                    return Err(ApiError::invalid(format!(
                        "Unable to delete template [Template {{\"format\":\"{}\",\"id\":{},\"name\":\"{}\",\"uuid\":\"{}\"}}] \
                         because there are [{users}] VM instances using it.",
                        template.format.name(), template.number, template.name, template.id
                    )));
                }
                let owner = template.account;
                if !owner.is_some_and(|owner| crate::command::call::may_use(model, &caller, owner))
                    && !caller.root_admin
                {
                    let text = "Domain Admin and regular users can modify only their own Public Templates";
                    return Err(ApiError::internal(text));
                }
                if !template.ready && template.failure.is_none() {
                    return Err(ApiError::invalid("Please specify a template that is not currently being created."));
                }
                let template = model.templates.remove(id).ok_or_else(gone)?;
                model.bury_template(&template);
                Ok(template.layers)
            })
            .await?;
        running.core.remove_unused(layers).await;
        Ok(json!({ "success": true }))
    }))
}
