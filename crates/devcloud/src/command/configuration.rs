//! The zone's settings under the names that a CloudStack has for them: those that are in force here, and no others.

use serde_json::{Value, json};

use super::answer::Answer;
use super::call::object;
use super::{Call, Command, Entity, Listing, Parameter, Reach};
use crate::config::ZoneConfig;
use crate::error::ApiError;
use crate::model::Model;

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listConfigurations",
        "Lists the settings that are in force in this zone",
        &[
            Parameter::text("name"),
            Parameter::text("category"),
            Parameter::text("group"),
            Parameter::id("zoneid", Entity::Zone),
        ],
        list,
    )
    .answering(&CONFIGURATION)
    .reaching(Reach::Catalogue)
    .for_root_admin(),
    Command::change(
        "updateConfiguration",
        "Changes a setting that can be changed while the zone is up",
        &[Parameter::text("name").required(), Parameter::text("value").length(4095)],
        update,
    )
    .answering(&CONFIGURATION)
    .for_root_admin(),
];

const CONFIGURATION: Answer = Answer::of(&[
    &["category", "group", "subgroup", "name", "value", "defaultvalue", "description", "isdynamic:boolean"],
    &["component", "displaytext", "type"],
]);

/// A setting, as CloudStack knows it.
struct Known {
    name: &'static str,
    group: &'static str,
    component: &'static str,
    displayed: &'static str,
    description: &'static str,
    default: &'static str,
    kind: Kind,
    /// What the zone was opened with; none where the zone does without.
    value: fn(&ZoneConfig) -> Option<String>,
}

/// What a setting's value is, and whether it can be changed while the zone is up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Boolean,
    /// Changed by `updateConfiguration`.
    Switch,
}

/// Whether users may expunge and recover their machines.
const EXPUNGE_MACHINES: &str = "allow.user.expunge.recover.vm";

/// Whether users may expunge and recover their volumes.
const EXPUNGE_VOLUMES: &str = "allow.user.expunge.recover.volume";

/// Whether users may make their templates public.
const PUBLIC_TEMPLATES: &str = "allow.public.user.templates";

const fn number(
    name: &'static str,
    group: &'static str,
    description: &'static str,
    default: &'static str,
    value: fn(&ZoneConfig) -> Option<String>,
) -> Known {
    let (component, displayed, kind) = ("management-server", description, Kind::Number);
    Known { name, group, component, displayed, description, default, kind, value }
}

const fn limit(
    name: &'static str,
    description: &'static str,
    default: &'static str,
    value: fn(&ZoneConfig) -> Option<String>,
) -> Known {
    number(name, "Account", description, default, value)
}

const SETTINGS: &[Known] = &[
    Known {
        name: EXPUNGE_MACHINES,
        group: "Compute",
        component: "UserVmManager",
        displayed: "Allow user expunge recover vm",
        description: "Whether users may expunge and recover their machines",
        default: "false",
        kind: Kind::Switch,
        value: |config| Some(config.users_may_expunge.to_string()),
    },
    Known {
        name: EXPUNGE_VOLUMES,
        group: "Storage",
        component: "VolumeApiService",
        displayed: "Allow user expunge recover volume",
        description: "Whether users may expunge and recover their volumes",
        default: "true",
        kind: Kind::Switch,
        value: |config| Some(config.users_may_expunge.to_string()),
    },
    Known {
        name: PUBLIC_TEMPLATES,
        group: "Miscellaneous",
        component: "TemplateManager",
        displayed: "Allow public user templates",
        description: "Whether users may make their templates public",
        default: "true",
        kind: Kind::Switch,
        value: |_| Some("true".to_owned()),
    },
    Known {
        name: "api.throttling.enabled",
        group: "API",
        component: "management-server",
        displayed: "API throttling",
        description: "Whether accounts may make so many calls only",
        default: "false",
        kind: Kind::Boolean,
        value: |config| Some(config.throttle.is_some().to_string()),
    },
    number("api.throttling.interval", "API", "Seconds in which calls are counted", "1", |config| {
        Some(config.throttle?.window.as_secs().to_string())
    }),
    number("api.throttling.max", "API", "Calls that an account may make in that time", "25", |config| {
        Some(config.throttle?.calls.to_string())
    }),
    number("default.page.size", "Miscellaneous", "Things on a page, and at most on one", "500", |_| {
        Some(super::listing::PAGE_SIZE.to_string())
    }),
    number("expunge.delay", "Compute", "Seconds until a destroyed machine is expunged", "86400", |config| {
        Some(config.expunge_delay.as_secs().to_string())
    }),
    number(
        "job.expire.minutes",
        "Miscellaneous",
        "Minutes for which a job's result is kept",
        "1440",
        |config| Some((config.job_retention.as_secs() / 60).to_string()),
    ),
    limit("max.account.cpus", "Processors that an account may have", "40", |config| {
        Some(config.limits.processors.to_string())
    }),
    limit("max.account.memory", "MiB of memory that an account may have", "40960", |config| {
        Some(config.limits.memory_mib.to_string())
    }),
    limit("max.account.networks", "Networks that an account may have", "20", |config| {
        Some(config.limits.networks.to_string())
    }),
    limit("max.account.primary.storage", "GiB of volumes that an account may have", "200", |config| {
        Some(config.limits.primary_storage_gib.to_string())
    }),
    limit("max.account.projects", "Projects that an account may lead", "10", |config| {
        Some(config.limits.projects.to_string())
    }),
    limit("max.account.public.ips", "Public addresses that an account may have", "20", |config| {
        Some(config.limits.public_addresses.to_string())
    }),
    limit(
        "max.account.secondary.storage",
        "GiB of templates and snapshots that an account may have",
        "400",
        |config| Some(config.limits.secondary_storage_gib.to_string()),
    ),
    limit("max.account.snapshots", "Snapshots that an account may have", "20", |config| {
        Some(config.limits.snapshots.to_string())
    }),
    limit("max.account.templates", "Templates that an account may have", "20", |config| {
        Some(config.limits.templates.to_string())
    }),
    limit("max.account.user.vms", "Machines that an account may have", "20", |config| {
        Some(config.limits.machines.to_string())
    }),
    limit("max.account.volumes", "Volumes that an account may have", "20", |config| {
        Some(config.limits.volumes.to_string())
    }),
    number(
        "network.gc.wait",
        "Network",
        "Seconds until a network that nobody needs is taken down",
        "600",
        |config| Some(config.network_gc?.as_secs().to_string()),
    ),
    number(
        "network.guest.cidr.limit",
        "Network",
        "The shortest prefix of a user's network",
        "22",
        |config| Some(config.shortest_guest_prefix.to_string()),
    ),
    number("vm.userdata.max.length", "Compute", "Characters of user-data in base64", "32768", |config| {
        Some(config.user_data_limit.to_string())
    }),
];

impl Known {
    /// What is in force: what it was changed to, else what the zone was opened with.
    fn current(&self, model: &Model, config: &ZoneConfig) -> Option<String> {
        let changed = model.settings.iter().find(|setting| setting.name == self.name);
        changed.map(|setting| setting.value.clone()).or_else(|| (self.value)(config))
    }

    fn view(&self, value: &str) -> Value {
        object([json!({
            "category": "Advanced",
            "group": self.group,
            "subgroup": "Others",
            "name": self.name,
            "value": value,
            "defaultvalue": self.default,
            "description": self.description,
            "isdynamic": self.kind == Kind::Switch,
            "component": self.component,
            "displaytext": self.displayed,
            "type": if self.kind == Kind::Number { "Number" } else { "Boolean" },
        })])
    }
}

impl Call<'_> {
    fn switched_on(&self, name: &str) -> bool {
        let known = SETTINGS.iter().find(|known| known.name == name);
        let value = known.and_then(|known| known.current(self.model, &self.settings.config));
        value.is_some_and(|value| value == "true")
    }

    /// Whether the caller may expunge and recover machines.
    pub(super) fn may_expunge_machines(&self) -> bool {
        self.caller.root_admin || self.users_may_expunge_machines()
    }

    /// Whether the caller may expunge and recover volumes.
    pub(super) fn may_expunge_volumes(&self) -> bool {
        self.caller.root_admin || self.users_may_expunge_volumes()
    }

    /// Whether normal users may make their templates public.
    pub(super) fn users_may_publish_templates(&self) -> bool {
        self.switched_on(PUBLIC_TEMPLATES)
    }

    /// Whether normal users may expunge and recover machines.
    pub(super) fn users_may_expunge_machines(&self) -> bool {
        self.switched_on(EXPUNGE_MACHINES)
    }

    /// Whether normal users may expunge and recover volumes.
    pub(super) fn users_may_expunge_volumes(&self) -> bool {
        self.switched_on(EXPUNGE_VOLUMES)
    }
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let found = SETTINGS.iter().filter_map(|known| {
        let value = known.current(call.model, &call.settings.config)?;
        let wanted = call.name_is(known.name)
            && call.text_is("category", "Advanced")
            && call.text_is("group", known.group)
            && call.keyword_in(&[known.name]);
        wanted.then_some((known, value))
    });
    Listing::of("configuration", call.arguments, found, |(known, value)| known.view(&value))
}

fn update(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let name = call.arguments.required_text("name")?;
    let known = SETTINGS.iter().find(|known| known.name == name);
    let known =
        known.ok_or_else(|| ApiError::invalid(format!("Config parameter with name {name} doesn't exist")))?;
    if known.kind != Kind::Switch {
        return Err(ApiError::invalid(format!(
            "{name} is as the zone was opened and can't be changed while it is up"
        )));
    }
    let value = match call.arguments.text("value").map(str::to_lowercase).as_deref() {
        Some(value @ ("true" | "false")) => value.to_owned(),
        _ => return Err(ApiError::invalid(format!("Please enter either 'true' or 'false' for {name}"))),
    };
    let answer = json!({ "configuration": known.view(&value) });
    call.model.set_setting(name, value);
    Ok(answer)
}
