//! Serves a zone from this process until it is told to stop.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::Ipv4Net;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::places::{ZonePlace, write_whole};
use super::status::KeyFile;
use super::{Error, Options, Places, Result, lock};
use crate::driver::Driver;
use crate::faults::FaultsFile;
use crate::simulator::Simulator;
use crate::{PublicRange, Records, Zone, ZoneConfig};

/// How long jobs under way may take to end when the zone is told to stop; those that take longer are put right at the
/// next opening.
const LAST_JOBS: Duration = Duration::from_secs(5);

/// Whoever looks who serves a zone has its lock for a moment: longer than that it is not held by a look.
const A_LOOK: Duration = Duration::from_millis(500);

/// The accounts whose keys are handed out on the host.
pub(super) const ACCOUNTS: [&str; 2] = ["mesostack", "admin"];

/// Opens the zone, making it if need be, and answers its API on loopback until `shutdown` is cancelled. Machines and
/// routers stay as they are then: the next `serve` finds them.
///
/// # Errors
/// When the zone is already served, its port or range is taken, the host lacks something, or the zone cannot be opened.
pub async fn serve(places: &Places, options: &Options, shutdown: CancellationToken) -> Result<()> {
    let config = config(options)?;
    let place = places.zone(&options.name);
    place.make()?;
    let Some(mut held) = lock::take(&place.serving(), A_LOOK).await? else {
        let process = lock::holder(&place.serving()).unwrap_or_default();
        return Err(Error::Served { name: options.name.clone(), process });
    };
    held.sign()?;
    // First of all: a taken port is noticed before anything is made.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))
        .await
        .map_err(|source| Error::Port { port: options.port, source })?;
    place.remove_unfinished()?;
    place.write_settings(&options.settings())?;
    let driver = driver(places, &place, options).await?;
    let zone = Zone::open(config, driver, Records::file(&place.records())?).await?;
    if let Some(file) = &options.faults {
        zone.take_up(file)?;
    }
    write_whole(&place.keys(), &key_file(&zone, options))?;
    tracing::info!(zone = %options.name, url = options.url(), "the zone answers");
    let served = crate::serve(Arc::clone(&zone), listener, shutdown).await;
    let _ = std::fs::remove_file(place.keys());
    zone.shut_down(tokio::time::Instant::now() + LAST_JOBS).await;
    served.map_err(|source| Error::Port { port: options.port, source })
}

/// The zone's settings as its API shows them.
fn config(options: &Options) -> Result<ZoneConfig> {
    let mut config = ZoneConfig::default();
    if let Some(file) = &options.faults {
        let FaultsFile { pace, limits, throttle, delays, faults, .. } = file.clone();
        config = ZoneConfig { pace, limits, throttle, faults, ..config }.with_delays(delays);
    }
    Ok(ZoneConfig {
        name: options.name.to_string(),
        public: public_range(options.public_range)?,
        dns: first_address(options.public_range),
        ..config
    })
}

fn simulator(options: &Options) -> Simulator {
    match &options.faults {
        Some(file) => Simulator::new(file.latencies, file.capacity).seeded(file.faults.seed),
        None => Simulator::default(),
    }
}

fn first_address(range: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(range.network()) + 1)
}

/// The host has the first address; routers begin at the tenth where there is room.
pub(super) fn public_range(range: Ipv4Net) -> Result<PublicRange> {
    let range = range.trunc();
    if !(8..=29).contains(&range.prefix_len()) {
        return Err(Error::Option(format!("the public range {range} is not usable: take one of /8 to /29")));
    }
    let offset = if range.prefix_len() <= 27 { 10 } else { 2 };
    Ok(PublicRange {
        range,
        gateway: first_address(range),
        first: Ipv4Addr::from(u32::from(range.network()) + offset),
        last: Ipv4Addr::from(u32::from(range.broadcast()) - 1),
    })
}

fn key_file(zone: &Zone, options: &Options) -> Vec<u8> {
    let keys = ACCOUNTS.iter().filter_map(|account| {
        let keys = zone.credentials(account)?;
        Some(((*account).to_owned(), (keys.api_key, keys.secret_key.expose_secret().to_owned())))
    });
    let file = KeyFile {
        process: std::process::id(),
        url: options.url(),
        keys: keys.collect(),
        token: zone.token().expose_secret().to_owned(),
    };
    // Plain text always serialises.
    serde_json::to_vec(&file).unwrap_or_default()
}

#[cfg(target_os = "linux")]
async fn driver(places: &Places, place: &ZonePlace, options: &Options) -> Result<Arc<dyn Driver>> {
    use crate::machines::{Machines, MachinesConfig};
    if options.simulator {
        return Ok(Arc::new(simulator(options)));
    }
    super::requirements::check()?;
    crate::machines::join_zone(&options.name)?;
    let (cache, name) = (places.cache.clone(), options.name.clone());
    let (range, state) = (options.public_range, place.directory.clone());
    let driver = tokio::task::spawn_blocking(move || {
        let mut config = MachinesConfig::new(name, state, range);
        let base = crate::base::prepare(&cache, &config.layers(), &|step| tracing::info!("{step}"))?;
        config.base_templates = vec![base];
        config.reachable = crate::base::reachable();
        Ok::<_, Error>(Machines::new(config)?)
    });
    Ok(Arc::new(driver.await??))
}

#[cfg(not(target_os = "linux"))]
async fn driver(_: &Places, _: &ZonePlace, options: &Options) -> Result<Arc<dyn Driver>> {
    if options.simulator {
        return Ok(Arc::new(simulator(options)));
    }
    super::requirements::can_run_machines().map(|()| Arc::new(Simulator::default()) as Arc<dyn Driver>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routers_begin_at_the_tenth_address_where_there_is_room() {
        let of = |text: &str| public_range(text.parse().expect("a range"));
        let usual = of("198.18.0.0/24").expect("usable");
        assert_eq!(usual.gateway, Ipv4Addr::new(198, 18, 0, 1));
        assert_eq!(usual.first, Ipv4Addr::new(198, 18, 0, 10));
        assert_eq!(usual.last, Ipv4Addr::new(198, 18, 0, 254));
        let small = of("198.18.0.8/29").expect("usable");
        assert_eq!((small.first, small.last), (Ipv4Addr::new(198, 18, 0, 10), Ipv4Addr::new(198, 18, 0, 14)));
        assert!(of("198.18.0.0/30").is_err());
    }
}
