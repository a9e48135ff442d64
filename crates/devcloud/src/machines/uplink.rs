//! The zone's public range on the host: the bridge its routers meet on, the way out to the world, and the walls around.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use ipnet::Ipv4Net;
use serde::Deserialize;

use super::error::{At, HostError, Result};
use super::firewall;
use super::program::{Program, ip};
use crate::host::ZoneName;

/// The route that catches what is meant for the zone while the zone is down is only looked at after the bridge's own.
const CATCH_ALL_METRIC: &str = "4278198272";

/// Says that forwarding was off before the first zone came. Under /run: a reboot forgets it with the setting.
const FORWARDING_MARK: &str = "/run/mesostack-forwarding-was-off";
const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// The zone's public range on the host.
#[derive(Clone, Debug)]
pub(crate) struct Uplink {
    /// The zone.
    pub(crate) zone: ZoneName,
    /// Its public range.
    pub(crate) range: Ipv4Net,
    /// Addresses and ports outside that guests may reach although they lie in a closed range: the host's proxies.
    pub(crate) open: Vec<(Ipv4Addr, u16)>,
}

#[derive(Debug, Deserialize)]
struct Route {
    dst: String,
    #[serde(default)]
    dev: Option<String>,
    #[serde(default)]
    metric: Option<u32>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

impl Uplink {
    /// The host's own address in the public range: the first one.
    pub(crate) fn host_address(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.range.network()) + 1)
    }

    /// Fails when something else on the host uses the range.
    pub(crate) fn check_free(&self) -> Result<()> {
        let routes = routes(&ip("-json -4 route show table all").run()?)?;
        let bridge = self.zone.public_bridge();
        let in_the_way = routes.iter().find(|route| {
            let Ok(taken) =
                route.dst.parse::<Ipv4Net>().or_else(|_| route.dst.parse::<Ipv4Addr>().map(Ipv4Net::from))
            else {
                return false; // "default"
            };
            let overlaps =
                taken.prefix_len() > 0 && (taken.contains(&self.range) || self.range.contains(&taken));
            overlaps && route.dev.as_deref() != Some(&bridge) && !is_catch_all(route, self.range)
        });
        match in_the_way {
            None => Ok(()),
            Some(route) => Err(HostError::Other(format!(
                "the public range {} is in use on this host: there is a route to {}{}; take another range for zone {}",
                self.range,
                route.dst,
                route.dev.as_ref().map(|device| format!(" by {device}")).unwrap_or_default(),
                self.zone
            ))),
        }
    }

    /// Makes the bridge, its address, the routes and the rules; what stands already is kept.
    pub(crate) fn raise(&self, mtu: u32) -> Result<()> {
        self.check_free()?;
        let bridge = self.zone.public_bridge();
        if !link_exists(&bridge) {
            ip("link add").args([&bridge]).line("type bridge").run()?;
        }
        let address = format!("{}/{}", self.host_address(), self.range.prefix_len());
        let hardware = super::router::hardware_address(bridge.as_bytes());
        let alias = format!("mesostack zone {}", self.zone);
        ip("link set")
            .args([&bridge, "alias", &alias])
            .line(&format!("address {hardware} mtu {mtu} up"))
            .run()?;
        // Nothing in the zone speaks IPv6; the host need not announce itself to guests.
        let setting = format!("/proc/sys/net/ipv6/conf/{bridge}/disable_ipv6");
        if Path::new(&setting).exists() {
            fs::write(&setting, "1").at("write", Path::new(&setting))?;
        }
        ip("address replace").args([&address, "dev", &bridge]).run()?;
        let range = self.range.trunc().to_string();
        ip("route replace unreachable").args([&range, "metric", CATCH_ALL_METRIC]).run()?;
        let script =
            firewall::host_script(&self.zone.table(), &bridge, self.range, self.host_address(), &self.open);
        Program::new("nft").args(["-f", "-"]).run_with(script.as_bytes())?;
        enable_forwarding()
    }
}

/// Removes the bridge, the routes and the rules, and every other interface of the zone in the host's own namespace.
pub(crate) fn lower(zone: &ZoneName, range: Option<Ipv4Net>) -> Result<()> {
    for link in links()?.iter().filter(|link| zone.owns_link(link)) {
        // The other end may have gone first, and this one with it.
        if let Err(error) = ip("link delete").args([link]).run()
            && link_exists(link)
        {
            return Err(error);
        }
    }
    let table = zone.table();
    let script = format!("table ip {table} {{}}\ndelete table ip {table}\n");
    Program::new("nft").args(["-f", "-"]).run_with(script.as_bytes())?;
    if let Some(range) = range {
        let routes = routes(&ip("-json -4 route show").run()?)?;
        if routes.iter().any(|route| is_catch_all(route, range)) {
            let range = range.trunc().to_string();
            ip("route delete unreachable").args([&range, "metric", CATCH_ALL_METRIC]).run()?;
        }
    }
    restore_forwarding()
}

/// Whether it is the route that keeps a range in the host while its zone is down.
fn is_catch_all(route: &Route, range: Ipv4Net) -> bool {
    route.dst == range.trunc().to_string()
        && route.kind.as_deref() == Some("unreachable")
        && route.metric.map(|metric| metric.to_string()).as_deref() == Some(CATCH_ALL_METRIC)
}

fn routes(json: &str) -> Result<Vec<Route>> {
    if json.trim().is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(json)
        .map_err(|error| HostError::Other(format!("could not read `ip route`: {error}")))
}

/// Whether the interface is in the host's own namespace.
pub(crate) fn link_exists(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).exists()
}

/// The interfaces in the host's own namespace.
pub(crate) fn links() -> Result<Vec<String>> {
    let path = Path::new("/sys/class/net");
    let entries = fs::read_dir(path).at("list", path)?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

fn enable_forwarding() -> Result<()> {
    let (setting, mark) = (Path::new(FORWARDING), Path::new(FORWARDING_MARK));
    if fs::read_to_string(setting).at("read", setting)?.trim() == "0" {
        fs::write(mark, "").at("write", mark)?;
        fs::write(setting, "1").at("write", setting)?;
    }
    Ok(())
}

/// Forwarding goes off again if a zone turned it on and no bridge is left that could need it, ours or another's.
fn restore_forwarding() -> Result<()> {
    let (setting, mark) = (Path::new(FORWARDING), Path::new(FORWARDING_MARK));
    let bridges = links()?.iter().any(|link| Path::new("/sys/class/net").join(link).join("bridge").exists());
    if mark.exists() && !bridges {
        fs::write(setting, "0").at("write", setting)?;
        super::files::remove(mark)?;
    }
    Ok(())
}

/// The largest packet that leaves the host by its default route whole, in bytes.
pub(crate) fn host_mtu() -> Result<u32> {
    const USUAL: u32 = 1500;
    let routes = routes(&ip("-json -4 route show default").run()?)?;
    let Some(device) = routes.into_iter().find_map(|route| route.dev) else { return Ok(USUAL) };
    let path = Path::new("/sys/class/net").join(device).join("mtu");
    let text = fs::read_to_string(&path).at("read", &path)?;
    Ok(text.trim().parse().unwrap_or(USUAL))
}
