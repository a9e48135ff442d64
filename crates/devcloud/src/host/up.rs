//! Raises a zone: checks the host, prepares the base template, leaves a process behind that serves the zone.

use std::fs::OpenOptions;
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use super::places::{ZonePlace, tail, write_whole};
use super::status::{KeyFile, Status, status};
use super::{At, Error, Options, Places, Result, Settings, lock, requirements};

/// How long another up or down of the same zone is waited for.
pub(super) const BUSY: Duration = Duration::from_secs(60);

/// How long the zone may take to answer once its base template is there; putting a hundred machines right takes a while.
const UP: Duration = Duration::from_secs(120);

/// Raises the zone, or finds it served. Says on `progress` what it does, one line a step.
///
/// # Errors
/// When machines cannot run here, a package is missing, the port or the range is taken, or the zone does not come up.
pub async fn up(
    places: &Places,
    options: &Options,
    progress: impl Fn(&str) + Clone + Send + 'static,
) -> Result<Status> {
    super::serve::public_range(options.public_range)?;
    if !options.simulator {
        requirements::check()?;
    }
    let place = places.zone(&options.name);
    let held = loop {
        places.make()?;
        match lock::take(&place.lock, BUSY).await {
            // The last other zone went meanwhile, and the directory of all with it.
            Err(Error::Path { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            taken => break taken?.ok_or_else(|| Error::Busy(options.name.clone()))?,
        }
    };
    if let Some(process) = lock::holder(&place.serving()) {
        check_same(&place, options)?;
        wait_until_served(&place, options, process, std::future::pending()).await?;
        return status(places, &options.name);
    }
    prepare(places, &place, options, progress.clone()).await?;
    progress("opening the zone");
    start(&place, options).await?;
    drop(held);
    status(places, &options.name)
}

/// Leaves a process behind that serves the zone, and waits until it answers.
pub(super) async fn start(place: &ZonePlace, options: &Options) -> Result<()> {
    let log = place.log();
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&log).at("open", &log)?;
    let errors = file.try_clone().at("open", &log)?;
    let program = std::env::current_exe().at("find", std::path::Path::new("this program"))?;
    // A session of its own: it outlives this terminal.
    let mut command = tokio::process::Command::new("setsid");
    command
        .arg(&program)
        .args(["zone", "serve", "--name", options.name.as_str(), "--port", &options.port.to_string()])
        .args(["--public-range", &options.public_range.to_string()])
        .args(options.simulator.then_some("--simulator"))
        // Its log tells when it answered, and which jobs failed and why.
        .arg("--verbose")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors);
    if let Some(file) = &options.faults {
        // A copy of its own: the zone stays as it is, whatever becomes of the file it was told of.
        write_whole(&place.faults(), file.text.as_bytes())?;
        command.arg("--faults").arg(place.faults());
    }
    let mut child = command.spawn().at("run", &program)?;
    let process = child.id().unwrap_or_default();
    wait_until_served(place, options, process, async move { child.wait().await }).await
}

/// A zone that is served keeps what it was raised with.
fn check_same(place: &ZonePlace, options: &Options) -> Result<()> {
    match place.settings()? {
        Some(settings) if settings != options.settings() => Err(Error::Option(format!(
            "zone {} is served already, with port {}, range {}, {} and {}; take it down first to change that",
            options.name,
            settings.port,
            settings.public_range,
            if settings.simulator { "the simulator" } else { "machines" },
            match &settings.faults {
                None => "without a file of faults",
                faults if *faults == options.settings().faults => "this file of faults",
                _ => "another file of faults",
            }
        ))),
        _ => Ok(()),
    }
}

/// No two zones have the same port or public addresses, whether they are served at the moment or not.
fn check_others(others: &[(String, Settings)], options: &Options) -> Result<()> {
    for (name, other) in others {
        let overlap = other.public_range.contains(&options.public_range.network())
            || options.public_range.contains(&other.public_range.network());
        let taken = match () {
            () if other.port == options.port => format!("port {}", other.port),
            () if overlap && !other.simulator && !options.simulator => {
                format!("range {}", other.public_range)
            }
            () => continue,
        };
        return Err(Error::Option(format!(
            "zone {name} of this host has {taken} already; choose another, or take it down first"
        )));
    }
    Ok(())
}

#[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "only machines need preparation"))]
async fn prepare(
    places: &Places,
    place: &ZonePlace,
    options: &Options,
    progress: impl Fn(&str) + Send + 'static,
) -> Result<()> {
    // Whoever holds the port now would only be noticed after a base template was built.
    drop(
        std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))
            .map_err(|source| Error::Port { port: options.port, source })?,
    );
    if let Some(settings) = place.settings()?
        && (settings.public_range, settings.simulator) != (options.public_range, options.simulator)
    {
        return Err(Error::Option(format!(
            "zone {} was made with range {} and {}; take it down first to change that",
            options.name,
            settings.public_range,
            if settings.simulator { "the simulator" } else { "machines" }
        )));
    }
    check_others(&places.others(&options.name), options)?;
    #[cfg(target_os = "linux")]
    if !options.simulator {
        crate::machines::check_public_range(&options.name, options.public_range)?;
        place.make()?;
        place.write_settings(&options.settings())?;
        let (cache, layers) = (places.cache.clone(), place.directory.join("layers"));
        tokio::task::spawn_blocking(move || crate::base::prepare(&cache, &layers, &progress)).await??;
        return Ok(());
    }
    place.make()?;
    place.write_settings(&options.settings())
}

/// Waits until the process has opened the zone and answers.
async fn wait_until_served(
    place: &ZonePlace,
    options: &Options,
    process: u32,
    end: impl Future<Output = std::io::Result<ExitStatus>>,
) -> Result<()> {
    const LOOK_AGAIN: Duration = Duration::from_millis(30);
    let served = async {
        while !KeyFile::read(&place.keys()).is_ok_and(|file| file.is_some_and(|file| file.process == process))
        {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let not_up = |what: String| Error::NotUp {
        name: options.name.clone(),
        what,
        log: place.log(),
        tail: tail(&place.log()),
    };
    tokio::select! {
        () = served => Ok(()),
        ended = end => Err(not_up(match ended {
            Ok(status) => format!("the process that serves it ended ({status})"),
            Err(error) => format!("the process that serves it cannot be watched ({error})"),
        })),
        () = tokio::time::sleep(UP) => Err(not_up(format!("it gave no answer within {} s", UP.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_side_by_side_share_neither_port_nor_range() {
        let other = |port, range: &str, simulator| {
            let public_range = range.parse().expect("a range");
            [("other".to_owned(), Settings { port, public_range, simulator, faults: None })]
        };
        let options = Options {
            name: "mine".parse().expect("a name"),
            port: 8880,
            public_range: "198.18.0.0/24".parse().expect("a range"),
            simulator: false,
            faults: None,
        };
        let refused = |others: &[_]| check_others(others, &options).is_err();
        assert!(refused(&other(8880, "198.18.1.0/24", false)));
        assert!(refused(&other(8881, "198.18.0.128/25", false)));
        assert!(refused(&other(8881, "198.18.0.0/16", false)));
        assert!(!refused(&other(8881, "198.18.1.0/24", false)));
        assert!(!refused(&other(8881, "198.18.0.0/24", true)), "a simulator's addresses are only records");
    }
}
