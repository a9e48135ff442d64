//! How templates and ISOs look: to whoever lists them, and to whoever has just changed one.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::command::answer::{Answer, OWNED, ZONED};
use crate::command::call::{View, object, time, without};
use crate::command::infrastructure::IMAGES;
use crate::model::{Format, Template};

/// What is told of a template or an ISO.
pub(in crate::command) const TEMPLATE: Answer = Answer::of(&[
    OWNED,
    ZONED,
    &[
        "id",
        "name",
        "displaytext",
        "ispublic",
        "created",
        "isready",
        "passwordenabled",
        "format",
        "isfeatured",
    ],
    &["crossZones", "ostypeid", "ostypename", "status", "size", "physicalsize", "templatetype", "hypervisor"],
    &["isextractable", "sourcetemplateid", "details", "downloaddetails", "arch", "bits", "sshkeyenabled"],
    &[
        "isdynamicallyscalable",
        "directdownload",
        "deployasis",
        "requireshvm",
        "url",
        "checksum",
        "bootable",
        "forcks",
    ],
    &["userdataid", "userdataname", "userdatapolicy", "tags", "hasannotations"],
])
.with(&[("tags", &crate::command::tag::TAG)]);

/// How one looks to whoever has just changed it: not where it is nor how large, and as if it were not there yet.
pub(super) fn updated(of: View<'_>, template: &Template) -> Value {
    const NOT_TOLD: &[&str] = &[
        "zoneid",
        "zonename",
        "status",
        "size",
        "physicalsize",
        "passwordenabled",
        "isextractable",
        "sourcetemplateid",
        "downloaddetails",
        "checksum",
        "arch",
        "sshkeyenabled",
        "directdownload",
        "deployasis",
        "forcks",
        "requireshvm",
        "url",
    ];
    let kept = without(view(of, template), NOT_TOLD);
    object([
        kept,
        json!({ "isready": false, "bootable": template.bootable || template.format != Format::Iso }),
    ])
}

/// Where it is kept, once it is.
fn downloads(template: &Template) -> Vec<Value> {
    let kept = template
        .ready
        .then(|| json!({ "datastore": IMAGES, "downloadPercent": "100", "downloadState": "DOWNLOADED" }));
    kept.into_iter().collect()
}

/// How far it is, in the server's words.
fn status(template: &Template) -> String {
    match (&template.failure, template.ready, &template.url) {
        (Some(failure), ..) => failure.clone(),
        (None, true, _) => "Download Complete".to_owned(),
        (None, false, Some(_)) => "0% Downloaded".to_owned(),
        (None, false, None) => "Processing".to_owned(),
    }
}

pub(in crate::command) fn view(view: View<'_>, template: &Template) -> Value {
    let os_type = view.settings.catalogue.os_type(template.os_type);
    let iso = template.format == Format::Iso;
    let ownership = match template.account {
        Some(account) => view.ownership(account),
        None => object([view.ownership(Uuid::nil()), json!({ "account": "system" })]),
    };
    let user_data = template.user_data.as_ref().and_then(|(id, policy)| {
        let known = view.model.user_data.get(*id)?;
        Some(json!({ "userdataid": id, "userdataname": known.name, "userdatapolicy": policy }))
    });
    object([
        json!({
            "id": template.id,
            "name": template.name,
            "displaytext": template.display_text,
            "ispublic": template.public,
            "created": time(template.created),
            "isready": template.ready,
            "passwordenabled": template.password_enabled,
            "format": (!iso).then(|| template.format.name()),
            "bootable": iso.then_some(template.bootable),
            "isfeatured": template.featured,
            "crossZones": template.account.is_none(),
            "ostypeid": template.os_type,
            "ostypename": os_type.map(|os_type| os_type.name),
            "size": (template.ready || template.url.is_none()).then_some(template.bytes),
            "physicalsize": template.ready.then_some(template.physical_bytes),
            "templatetype": template.kind.name(),
            "hypervisor": if iso { "None" } else { view.settings.catalogue.hypervisor },
            "isextractable": template.extractable,
            "sourcetemplateid": template.source,
            "details": template.details,
            "downloaddetails": downloads(template),
            "checksum": template.checksum,
        }),
        json!({
            "arch": "x86_64",
            "bits": 64,
            "sshkeyenabled": false,
            "isdynamicallyscalable": template.dynamically_scalable,
            "directdownload": false,
            "deployasis": false,
            "forcks": false,
            "requireshvm": template.requires_hvm,
            "tags": view.tags(template.id),
            "hasannotations": false,
        }),
        // How it came here is for those whose it is.
        if view.root_admin || template.account == Some(view.account) {
            json!({ "status": status(template), "url": template.url })
        } else {
            Value::Null
        },
        user_data.unwrap_or(Value::Null),
        view.zone(),
        ownership,
    ])
}
