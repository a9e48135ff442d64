//! `mesostack zone …`: a CloudStack zone on this host.

mod clock;
mod faults;
mod machine;
mod profile;
mod state;

use std::time::{Duration, Instant};

use devcloud::host::{self, Options, Places, Status};
use ipnet::Ipv4Net;
use mesostack::events::{Event, Work};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::json;

use self::profile::Profile;
use super::{
    arguments::{self, ZoneName, ZoneUp},
    exit::Exit,
    report::{Refused, While},
    run::{Run, print},
};
use crate::progress::readable;

/// How long the first raising may take: it builds the base template.
const RAISING: Duration = Duration::from_secs(20 * 60);
/// How long removing may take.
const REMOVAL: Duration = Duration::from_secs(5 * 60);
/// The ready-made account whose keys are handed out: a normal user.
const ACCOUNT: &str = "mesostack";

pub(super) async fn zone(run: &Run, command: arguments::Zone) -> miette::Result<Exit> {
    match command {
        arguments::Zone::Up(up) => {
            let zone = raise(run, &up).await?;
            run.conclude(&zone, || text(&zone))?;
            Ok(Exit::Done)
        }
        arguments::Zone::Status(name) => {
            let zone = Zone::of(host::status(&places()?, &name.name).tried("there is nothing to show")?);
            run.answer(&zone, || text(&zone))?;
            Ok(if zone.pid.is_some() { Exit::Done } else { Exit::Unhealthy })
        }
        arguments::Zone::Down(name) => down(run, &name).await,
        arguments::Zone::Credentials { zone, profile } => credentials(run, &zone, profile.as_deref()),
        arguments::Zone::Apis => apis(run),
        arguments::Zone::Faults(faults) => faults::faults(run, &faults).await,
        arguments::Zone::Clock(clock) => clock::clock(run, &clock).await,
        arguments::Zone::Exec { zone, machine, command } => {
            machine::exec(run, &zone.name, &machine, &command).await
        }
        arguments::Zone::Console { zone, machine } => machine::console(run, &zone.name, &machine).await,
        arguments::Zone::Logs { zone, lines } => state::logs(run, &zone.name, lines),
        arguments::Zone::Snapshot { zone, snapshot } => state::snapshot(run, &zone.name, &snapshot).await,
        arguments::Zone::Reset { zone, snapshot } => state::reset(run, &zone.name, snapshot.as_ref()).await,
        arguments::Zone::Serve(up) => {
            let served = host::serve(&places()?, &options(&up)?, run.stop.clone()).await;
            served.tried("the zone cannot be served")?;
            Ok(Exit::Done)
        }
    }
}

/// A zone as it is shown.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Zone {
    pub(super) name: String,
    pub(super) api_url: String,
    pub(super) public_range: Ipv4Net,
    /// Whether it keeps records only.
    pub(super) simulated: bool,
    /// The process that serves it; none when none does.
    pid: Option<u32>,
    /// Virtual routers that stand.
    routers: usize,
    /// Machines that run.
    machines: usize,
}

impl Zone {
    fn of(status: Status) -> Self {
        Self {
            name: status.name.to_string(),
            api_url: status.url,
            public_range: status.public_range,
            simulated: status.simulator,
            pid: status.process,
            routers: status.routers,
            machines: status.machines,
        }
    }
}

fn text(zone: &Zone) -> String {
    let name = &zone.name;
    let served = match zone.pid {
        Some(pid) => format!("served by process {pid}"),
        None => format!("not served; `mesostack zone up --name {name}` serves it again"),
    };
    let machines = if zone.simulated {
        "simulated: records without machines".to_owned()
    } else {
        format!("{} running, {} routers", zone.machines, zone.routers)
    };
    let page = zone.api_url.trim_end_matches("client/api");
    format!(
        "zone       {name}, {served}\nAPI        {}\npage       {page}\npublic     {}\nmachines   {machines}\nkeys       mesostack zone credentials --name {name}\n",
        zone.api_url, zone.public_range
    )
}

/// Raises a zone, or finds it running.
pub(super) async fn raise(run: &Run, up: &ZoneUp) -> miette::Result<Zone> {
    const PHASE: &str = "zone";
    let (places, options) = (places()?, options(up)?);
    let listener = run.progress.listener();
    let work = Work::new(format!("raise {}", options.name));
    let began = Instant::now();
    listener.hear(Event::PhaseStarted { phase: PHASE.to_owned(), steps: 1 });
    listener.hear(Event::Started { phase: PHASE.to_owned(), work: work.clone() });
    let progress = {
        let (listener, work) = (listener.clone(), work.clone());
        move |step: &str| {
            listener.hear(Event::Waiting { work: work.clone(), node: None, waits_for: step.to_owned() })
        }
    };
    let raised = run
        .ask(run.deadline(RAISING), async {
            host::up(&places, &options, progress).await.tried(format!("zone {} was not raised", options.name))
        })
        .await;
    let zone = match raised {
        Ok(status) => Zone::of(status),
        Err(error) => {
            listener.hear(Event::Failed { work, error: error.to_string() });
            return Err(error);
        }
    };
    let took = began.elapsed();
    listener.hear(Event::Done { work, detail: Some(zone.api_url.clone()), took });
    listener.hear(Event::PhaseDone { phase: PHASE.to_owned(), took });
    Ok(zone)
}

/// Removes a zone with everything in it; that there is none is no error.
pub(super) async fn down(run: &Run, zone: &ZoneName) -> miette::Result<Exit> {
    let name = &zone.name;
    let began = Instant::now();
    let places = places()?;
    let there = run
        .ask(run.deadline(REMOVAL), async {
            host::down(&places, name).await.tried(format!("zone {name} was not wholly removed"))
        })
        .await?;
    run.conclude(&json!({ "zone": name.as_str(), "removed": there }), || {
        if there {
            format!("zone {name} is gone, with everything in it ({})", readable(began.elapsed()))
        } else {
            format!("there is no zone {name} on this host")
        }
    })?;
    Ok(Exit::Done)
}

/// What can be called is in the program: no zone has to be up.
fn apis(run: &Run) -> miette::Result<Exit> {
    let apis = devcloud::apis();
    run.answer(&apis, || {
        let commands = apis["listapisresponse"]["api"].as_array().into_iter().flatten();
        let text =
            |command: &serde_json::Value, field: &str| command[field].as_str().unwrap_or_default().to_owned();
        let mut lines: Vec<String> = commands
            .map(|command| format!("{:<36} {}", text(command, "name"), text(command, "description")))
            .collect();
        lines.sort_unstable();
        lines.join("\n")
    })?;
    Ok(Exit::Done)
}

fn credentials(run: &Run, zone: &ZoneName, profile: Option<&str>) -> miette::Result<Exit> {
    let keys = host::credentials(&places()?, &zone.name, ACCOUNT).tried("there are no keys to be had")?;
    if let Some(name) = profile {
        let config = cloudstack::credentials::cmk_default_path().ok_or_else(|| {
            Refused::new("nobody knows where your home is", "set HOME, or use the keys without --profile")
        })?;
        let saved = Profile { name, url: &keys.url, api_key: &keys.api_key, secret_key: &keys.secret_key };
        saved.save(&config)?;
        run.remark(&format!("profile {name} is in {}", config.display()));
        return Ok(Exit::Done);
    }
    // Asked for by name: this is the one place that prints keys.
    let (api_key, secret_key) = (keys.api_key.expose_secret(), keys.secret_key.expose_secret());
    if run.options.json {
        print(&json!({ "api_url": keys.url, "api_key": api_key, "secret_key": secret_key }).to_string())?;
    } else {
        print(&format!(
            "export CLOUDSTACK_API_URL='{}'\nexport CLOUDSTACK_API_KEY='{api_key}'\nexport CLOUDSTACK_SECRET_KEY='{secret_key}'",
            keys.url
        ))?;
    }
    Ok(Exit::Done)
}

fn places() -> miette::Result<Places> {
    Places::usual().tried("there is no place for zones")
}

fn options(up: &ZoneUp) -> miette::Result<Options> {
    Ok(Options {
        name: up.zone.name.clone(),
        port: up.port,
        public_range: up.public_range,
        simulator: up.simulator,
        faults: up.faults.as_deref().map(faults::read).transpose()?,
    })
}
