//! `mesostack demo`: the whole job on this host, and how to look at it.
//!
//! Nothing here does anything of its own: a rehearsal is a zone, a file, and the ordinary commands one after another. Run
//! again, it goes on where it stopped, since each of them does.

mod packages;
mod rehearsal;

use std::{
    fmt::Write,
    path::Path,
    time::{Duration, Instant},
};

use devcloud::host;
use mesostack::{
    cluster::Output,
    image::{catalogue, recipe::Recipe},
    spec::{Document, Packages, Spec},
};
use serde::Serialize;

use self::rehearsal::{Folder, Rehearsal};
use super::{
    apply,
    arguments::{self, Apply, Changes, Consent, Demo, DemoPackages, Part, Turn},
    cloud::connect,
    exit::Exit,
    image, output,
    report::While,
    run::Run,
    status,
    zone::{self, Zone},
};
use crate::progress::readable;

pub(super) async fn demo(run: &Run, arguments: Demo) -> miette::Result<Exit> {
    let folder = Folder::new(&arguments.folder).tried("the folder's name cannot be used")?;
    if arguments.down {
        return down(run, &arguments, &folder).await;
    }
    let began = Instant::now();
    let (zone, mut times) = timed("zone", zone::raise(run, &zone_of(&arguments))).await?;
    let packages = if zone.simulated {
        run.remark(
            "there are no machines on this host (that takes root on Linux): the zone is simulated, so that nothing is \
             installed and no node is configured",
        );
        None
    } else {
        Some(choose_packages(run, arguments.packages, &folder).await)
    };
    let here = run.with_file(folder.file());
    let mut used = None;
    match packages {
        None => write_file(&folder, &zone, None)?,
        Some(found) => {
            let attempt = async |packages| {
                write_file(&folder, &zone, Some(packages))?;
                build_image(&here).await
            };
            let remark = |text: &str| run.remark(text);
            let building = packages::build(found, arguments.packages.is_some(), attempt, remark);
            let (built, took) = timed("image", building).await?;
            times.extend(took);
            used = Some(built);
        }
    }
    let (run, packages) = (here, used.as_ref().map(|used| used.packages));
    let only = packages.is_none().then_some(Part::Infrastructure);
    let (changes, turn, consent) = (Changes::default(), Turn::default(), Consent { yes: true });
    let applying = apply::apply(&run, Apply { changes, plan: None, only, turn, consent });
    times.extend(timed("apply", applying).await?.1);
    let exit = if packages.is_some() { status::status(&run).await? } else { Exit::Done };
    times.push(("in all".to_owned(), began.elapsed()));
    let summary = Summary {
        file: folder.file().display().to_string(),
        simulated: zone.simulated,
        packages,
        instead_of_clusterd: used.and_then(|used| used.instead),
        output: output::find(&run).await?,
        seconds: times.iter().map(|(stage, took)| (stage.clone(), took.as_secs_f64())).collect(),
    };
    run.conclude(&summary, || text(&summary, &times, &folder))?;
    Ok(exit)
}

/// Does one stage, and takes its time.
async fn timed<T>(
    stage: &str,
    work: impl Future<Output = miette::Result<T>>,
) -> miette::Result<(T, Vec<(String, Duration)>)> {
    let began = Instant::now();
    let done = work.await?;
    Ok((done, vec![(stage.to_owned(), began.elapsed())]))
}

fn zone_of(arguments: &Demo) -> arguments::ZoneUp {
    arguments::ZoneUp {
        zone: arguments::ZoneName { name: arguments.zone.clone() },
        port: arguments.port,
        public_range: arguments.public_range,
        // Where machines cannot run, the simulator stands in; what is missing on a host is said instead.
        simulator: arguments.simulator || host::can_run_machines().is_err(),
        faults: None,
    }
}

async fn choose_packages(run: &Run, chosen: Option<DemoPackages>, folder: &Folder) -> DemoPackages {
    if chosen.is_none()
        && let Some(packages) = of_last_time(folder).await
    {
        run.remark("there is an image of an earlier rehearsal, which goes on with its packages");
        return packages;
    }
    let packages = match chosen {
        Some(chosen) => chosen,
        None => packages::find().await,
    };
    run.remark(match (packages, chosen) {
        (DemoPackages::Clusterd, _) => {
            "Mesos comes from ClusterD, the living distribution; Marathon is its container image"
        }
        (DemoPackages::Standin, None) => {
            "the package hosts are not reached from here: stand-ins take the place of Mesos and Marathon, with their \
             flags, ports and endpoints"
        }
        (DemoPackages::Standin, Some(_)) => {
            "stand-ins take the place of Mesos and Marathon, with their flags, ports and endpoints"
        }
    });
    packages
}

/// The packages of an earlier run, when the zone has its image: what was found out then is not found out again.
async fn of_last_time(folder: &Folder) -> Option<DemoPackages> {
    let spec = Document::read(&folder.file()).ok()?.spec;
    let packages = match &spec.image.packages {
        Packages::ClusterD { .. } => DemoPackages::Clusterd,
        Packages::StandIn => DemoPackages::Standin,
        Packages::Debs(_) => return None,
    };
    has_image(&spec).await.ok()?.then_some(packages)
}

fn write_file(folder: &Folder, zone: &Zone, packages: Option<DemoPackages>) -> miette::Result<()> {
    let rehearsal = Rehearsal {
        zone: zone.name.clone(),
        public_range: zone.public_range,
        api_url: zone.api_url.clone(),
        program: std::env::current_exe().tried("this program does not know where it is")?,
        packages,
    };
    let tried = || format!("could not write {}", folder.file().display());
    std::fs::create_dir_all(folder.path()).tried(tried())?;
    std::fs::write(folder.file(), rehearsal.file()).tried(tried())
}

/// Builds the image, unless the zone has one made by the same recipe.
async fn build_image(run: &Run) -> miette::Result<()> {
    let Document { spec, .. } = run.read_file()?;
    if has_image(&spec).await? {
        run.remark(&format!("image {} is there already, made by the same recipe", spec.image.name));
        return Ok(());
    }
    image::build(run, arguments::OnError::Cleanup).await
}

async fn has_image(spec: &Spec) -> miette::Result<bool> {
    let recipe = Recipe::load(&spec.image, None).await.tried("the recipe cannot be made")?;
    let client = connect(&spec.cloud).await?;
    let images = catalogue::list(&client, &spec.cloud.zone).await.tried("could not list the images")?;
    // The newest of a name is the one a cluster uses.
    let newest = images.iter().find(|image| image.ready && image.name == spec.image.name);
    Ok(newest.is_some_and(|image| image.label.head.recipe == recipe.digest()))
}

async fn down(run: &Run, arguments: &Demo, folder: &Folder) -> miette::Result<Exit> {
    let exit = zone::down(run, &arguments::ZoneName { name: arguments.zone.clone() }).await?;
    // Only what a rehearsal wrote; a folder with anything else in it stays.
    for file in [folder.file(), folder.private_key()] {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).tried(format!("could not remove {}", file.display()));
            }
            _ => {}
        }
    }
    let _ = std::fs::remove_dir(folder.path());
    Ok(exit)
}

#[derive(Debug, Serialize)]
struct Summary {
    file: String,
    simulated: bool,
    packages: Option<DemoPackages>,
    /// Why stand-ins were used though ClusterD's packages were tried first.
    instead_of_clusterd: Option<String>,
    #[serde(flatten)]
    output: Output,
    seconds: Vec<(String, f64)>,
}

/// Where to look, how to get in, how to be rid of it, and how long it took.
fn text(summary: &Summary, times: &[(String, Duration)], folder: &Folder) -> String {
    let Output { public_ip, mesos_url, marathon_url, masters, .. } = &summary.output;
    let file = shortest(&folder.file());
    let program = std::env::args().next().unwrap_or_else(|| "mesostack".to_owned());
    let mut text = String::from("\n");
    if summary.simulated {
        let _ = writeln!(
            text,
            "The cluster is written down in a simulated zone, at {public_ip}; no machine runs.\n"
        );
    } else {
        let stand_ins = match summary.packages {
            Some(DemoPackages::Standin) => " (stand-ins)",
            _ => "",
        };
        let _ = writeln!(
            text,
            "The cluster is up{stand_ins}.\n\n  Mesos     {mesos_url}\n  Marathon  {marathon_url}"
        );
        if let Some(reason) = &summary.instead_of_clusterd {
            let _ = writeln!(text, "  Stand-ins, since ClusterD's packages could not be used: {reason}");
        }
        if let Some(master) = masters.first() {
            let _ = writeln!(text, "  SSH       {program} --file {file} ssh {}", master.name);
        }
        text.push('\n');
    }
    let _ = writeln!(text, "More: {program} --file {file} status | output | plan");
    let _ = writeln!(text, "Take it down: make demo-down, or {program} demo --down\n");
    let times: Vec<_> = times.iter().map(|(stage, took)| format!("{stage} {}", readable(*took))).collect();
    let _ = writeln!(text, "{}", times.join(", "));
    text
}

/// A path as one would type it here.
fn shortest(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}
