//! Applications and their deployments. A task is a record that an agent holds; placing them is a pure function of the
//! applications and the agents known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::protocol::{AgentStanding, KnownAgent, Task};

/// All applications, by id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Apps {
    apps: BTreeMap<String, App>,
    deployments: Vec<Deployment>,
    /// Changed since it was last written down.
    #[serde(skip)]
    pub(super) unsaved: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct App {
    /// As it was posted.
    definition: Map<String, Value>,
    instances: usize,
    cpus: f64,
    mem: f64,
    version: String,
    tasks: Vec<Placed>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Placed {
    id: String,
    agent_id: String,
    host: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Deployment {
    id: String,
    version: String,
    app: String,
}

/// Why a change is refused; the number is the HTTP status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("An app with id [{0}] already exists.")]
    Exists(String),
    #[error("App '{0}' does not exist")]
    Unknown(String),
    #[error("Object is not valid: {0}")]
    Invalid(String),
    #[error(
        "App is locked by one or more deployments. Override with the option '?force=true'. View details at \
         '/v2/deployments/<DEPLOYMENT_ID>'."
    )]
    Locked(Vec<String>),
}

impl Refused {
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Exists(_) | Self::Locked(_) => 409,
            Self::Unknown(_) => 404,
            Self::Invalid(_) => 422,
        }
    }
}

/// When and under which name a change is made; made by the caller, so that this module needs no clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) deployment: String,
    pub(super) version: String,
    pub(super) force: bool,
}

impl Apps {
    /// A new application.
    pub(super) fn create(
        &mut self,
        definition: Map<String, Value>,
        change: &Change,
    ) -> Result<String, Refused> {
        let id = id_of(&definition)?;
        if self.apps.contains_key(&id) {
            return Err(Refused::Exists(id));
        }
        self.put(id.clone(), definition, change)?;
        Ok(id)
    }

    /// A new or changed application: what is not given stays as it was. Returns whether it is new.
    pub(super) fn update(
        &mut self,
        id: &str,
        given: Map<String, Value>,
        change: &Change,
    ) -> Result<bool, Refused> {
        let known = self.apps.get(id).map(|app| app.definition.clone());
        let is_new = known.is_none();
        let mut definition = known.unwrap_or_default();
        definition.extend(given);
        definition.insert("id".into(), id.into());
        self.put(id_of(&definition)?, definition, change)?;
        Ok(is_new)
    }

    pub(super) fn delete(&mut self, id: &str, change: &Change) -> Result<(), Refused> {
        self.check_lock(id, change)?;
        self.apps.remove(id).ok_or_else(|| Refused::Unknown(id.to_owned()))?;
        self.deployments.retain(|deployment| deployment.app != id);
        self.deploy(id, change);
        Ok(())
    }

    fn put(&mut self, id: String, definition: Map<String, Value>, change: &Change) -> Result<(), Refused> {
        self.check_lock(&id, change)?;
        let number = |name: &str, default: f64| match definition.get(name) {
            None => Ok(default),
            Some(value) => value
                .as_f64()
                .filter(|number| *number >= 0.0)
                .ok_or_else(|| Refused::Invalid(format!("/{name}: error.min"))),
        };
        let instances = number("instances", 1.0)?;
        if instances.fract() != 0.0 || instances > 100_000.0 {
            return Err(Refused::Invalid("/instances: error.expected.int".into()));
        }
        if !["cmd", "args", "container"].iter().any(|name| definition.contains_key(*name)) {
            let reason = "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.";
            return Err(Refused::Invalid(reason.into()));
        }
        let app = App {
            cpus: number("cpus", 1.0)?,
            mem: number("mem", 128.0)?,
            instances: instances as usize,
            version: change.version.clone(),
            tasks: self.apps.remove(&id).map(|app| app.tasks).unwrap_or_default(),
            definition,
        };
        self.apps.insert(id.clone(), app);
        self.deployments.retain(|deployment| deployment.app != id);
        self.deploy(&id, change);
        Ok(())
    }

    fn check_lock(&self, id: &str, change: &Change) -> Result<(), Refused> {
        let locks: Vec<String> = self
            .deployments
            .iter()
            .filter(|deployment| deployment.app == id)
            .map(|deployment| deployment.id.clone())
            .collect();
        if locks.is_empty() || change.force { Ok(()) } else { Err(Refused::Locked(locks)) }
    }

    fn deploy(&mut self, id: &str, change: &Change) {
        self.deployments.push(Deployment {
            id: change.deployment.clone(),
            version: change.version.clone(),
            app: id.to_owned(),
        });
        self.unsaved = true;
    }

    /// Places tasks where they are missing, removes those too many and those whose agent is lost or draining, and ends
    /// the deployments that are done. Returns whether anything changed.
    pub(super) fn place(&mut self, agents: &[KnownAgent], mut new_id: impl FnMut() -> String) -> bool {
        let mut changed = false;
        for app in self.apps.values_mut() {
            let before = app.tasks.len();
            app.tasks.retain(|task| {
                agents
                    .iter()
                    .any(|agent| agent.id == task.agent_id && agent.standing != AgentStanding::Draining)
            });
            app.tasks.truncate(app.instances);
            changed |= app.tasks.len() != before;
        }
        let mut free: Vec<Free<'_>> = agents
            .iter()
            .filter(|agent| agent.standing == AgentStanding::Open)
            .map(|agent| self.free_on(agent))
            .collect();
        for (id, app) in &mut self.apps {
            while app.tasks.len() < app.instances {
                let fitting = free.iter_mut().filter(|free| free.cpus >= app.cpus && free.mem >= app.mem);
                let Some(place) = fitting.min_by_key(|free| free.tasks) else { break };
                place.cpus -= app.cpus;
                place.mem -= app.mem;
                place.tasks += 1;
                app.tasks.push(Placed {
                    id: format!("{}.{}", id.trim_start_matches('/').replace('/', "_"), new_id()),
                    agent_id: place.agent.id.clone(),
                    host: place.agent.hostname.clone(),
                });
                changed = true;
            }
        }
        let apps = &self.apps;
        let before = self.deployments.len();
        self.deployments.retain(|deployment| {
            apps.get(&deployment.app).is_some_and(|app| app.tasks.len() != app.instances)
        });
        changed | (self.deployments.len() != before)
    }

    fn free_on<'a>(&self, agent: &'a KnownAgent) -> Free<'a> {
        let mut free = Free { agent, cpus: agent.cpus, mem: agent.mem, tasks: 0 };
        for app in self.apps.values() {
            for _ in app.tasks.iter().filter(|task| task.agent_id == agent.id) {
                free.cpus -= app.cpus;
                free.mem -= app.mem;
                free.tasks += 1;
            }
        }
        free
    }

    /// Every task, as the master is told.
    pub(super) fn tasks(&self) -> Vec<Task> {
        let of = |(id, app): (&String, &App)| {
            let name = id.trim_start_matches('/').to_owned();
            let (cpus, mem) = (app.cpus, app.mem);
            app.tasks
                .iter()
                .map(|task| Task {
                    id: task.id.clone(),
                    name: name.clone(),
                    agent_id: task.agent_id.clone(),
                    cpus,
                    mem,
                })
                .collect::<Vec<_>>()
        };
        self.apps.iter().flat_map(of).collect()
    }

    /// `/v2/apps`.
    pub(super) fn list(&self) -> Value {
        json!({ "apps": self.apps.iter().map(|(id, app)| self.shown(id, app)).collect::<Vec<_>>() })
    }

    /// An application with its tasks.
    pub(super) fn show(&self, id: &str) -> Result<Value, Refused> {
        let app = self.apps.get(id).ok_or_else(|| Refused::Unknown(id.to_owned()))?;
        let mut shown = self.shown(id, app);
        let tasks: Vec<Value> = app
            .tasks
            .iter()
            .map(|task| {
                json!({
                    "id": task.id, "appId": id, "host": task.host, "slaveId": task.agent_id,
                    "state": "TASK_RUNNING", "version": app.version,
                })
            })
            .collect();
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("tasks".into(), tasks.into());
        }
        Ok(shown)
    }

    fn shown(&self, id: &str, app: &App) -> Value {
        let deployments: Vec<Value> = self
            .deployments
            .iter()
            .filter(|deployment| deployment.app == id)
            .map(|deployment| json!({ "id": deployment.id }))
            .collect();
        let mut shown = app.definition.clone();
        shown.extend([
            ("id".to_owned(), json!(id)),
            ("instances".to_owned(), json!(app.instances)),
            ("cpus".to_owned(), json!(app.cpus)),
            ("mem".to_owned(), json!(app.mem)),
            ("version".to_owned(), json!(app.version)),
            ("tasksStaged".to_owned(), json!(0)),
            ("tasksRunning".to_owned(), json!(app.tasks.len())),
            ("tasksHealthy".to_owned(), json!(0)),
            ("tasksUnhealthy".to_owned(), json!(0)),
            ("deployments".to_owned(), deployments.into()),
        ]);
        Value::Object(shown)
    }

    /// `/v2/deployments`.
    pub(super) fn deployments(&self) -> Value {
        self.deployments
            .iter()
            .map(|deployment| {
                json!({
                    "id": deployment.id, "version": deployment.version, "affectedApps": [deployment.app],
                    "affectedPods": [], "steps": [], "currentActions": [], "currentStep": 1, "totalSteps": 1,
                })
            })
            .collect()
    }
}

struct Free<'a> {
    agent: &'a KnownAgent,
    cpus: f64,
    mem: f64,
    tasks: usize,
}

/// The id in a definition, made absolute.
fn id_of(definition: &Map<String, Value>) -> Result<String, Refused> {
    let id = definition.get("id").and_then(Value::as_str).unwrap_or_default();
    let id = format!("/{}", id.trim_matches('/'));
    let legal = |part: &str| {
        let end =
            |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let bytes = part.as_bytes();
        let inner = |byte: &u8| end(Some(byte)) || matches!(byte, b'-' | b'.');
        end(bytes.first()) && end(bytes.last()) && bytes.iter().all(inner)
    };
    if id.split('/').skip(1).all(legal) {
        Ok(id)
    } else {
        Err(Refused::Invalid(format!("/id: error.pattern in '{id}'")))
    }
}

#[cfg(test)]
mod tests;
