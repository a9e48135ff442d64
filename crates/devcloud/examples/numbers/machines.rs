//! A zone with real machines: how long it takes to come up with a base template at hand, from a deployment to SSH, and to go
//! down. A machine has SSH when its server greets through a port forwarding rule, which is asked for when the deployment
//! has ended.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use devcloud::host::{self, Options, Places};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::line::Line;
use super::{Caller, Outcome, free_port};

/// So many are deployed at once, after the first.
const AT_ONCE: usize = 10;
/// The longest that one is waited for.
const PATIENCE: Duration = Duration::from_secs(180);
/// The longest that a base template is waited for.
const BUILD: Duration = Duration::from_secs(1800);
const DIRECTORY: &str = "/var/tmp/mesostack-numbers";

/// What a machine of the zone is made with.
#[derive(Clone)]
struct Kit {
    zone: String,
    offering: String,
    template: String,
    network: String,
}

fn places() -> Places {
    Places { state: PathBuf::from(DIRECTORY), cache: PathBuf::from("/var/cache/mesostack") }
}

/// Serves the zone, in a process of its own.
pub(super) async fn serve(port: u16) -> Outcome {
    let options = Options {
        name: "numbers".parse()?,
        port,
        public_range: "198.19.18.0/24".parse()?,
        simulator: false,
        faults: None,
    };
    Ok(host::serve(&places(), &options, CancellationToken::new()).await?)
}

pub(super) async fn measure() -> Outcome {
    std::fs::create_dir_all(DIRECTORY)?;
    let port = free_port()?;
    let began = Instant::now();
    let mut served = Command::new(std::env::current_exe()?)
        .args(["machines", "serve", &port.to_string()])
        .stdin(Stdio::null())
        .spawn()?;
    let measured = measure_at(port, began).await;
    let began = Instant::now();
    host::down(&places(), &"numbers".parse()?).await?;
    if measured.is_ok() {
        println!("zone down, with {} machines: {:.1?}", AT_ONCE + 1, began.elapsed());
    }
    // It has ended, or never came up.
    let _ = served.kill();
    served.wait()?;
    // Gone with the zone, unless somebody else has left something there.
    match std::fs::remove_dir_all(DIRECTORY) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => measured,
    }
}

async fn measure_at(port: u16, began: Instant) -> Outcome {
    let mut caller = loop {
        if began.elapsed() > BUILD {
            return Err("the zone does not come up".into());
        }
        let keys = host::credentials(&places(), &"numbers".parse()?, "mesostack");
        if let Ok(keys) = keys
            && let Ok(line) = Line::connect(port).await
        {
            break Caller { line, keys };
        }
        sleep(Duration::from_millis(10)).await;
    };
    caller.call("listZones", &[]).await?;
    println!("zone up (minutes where the base template is not at hand yet): {:.1?}", began.elapsed());
    let kit = Kit::find(&mut caller).await?;
    let began = Instant::now();
    let address = first(&mut caller, &kit).await?;
    println!("from deployVirtualMachine to SSH, the network's router included: {:.1?}", began.elapsed());
    let began = Instant::now();
    let mut hands: JoinSet<Outcome> = JoinSet::new();
    for number in 1..=AT_ONCE {
        let (mut caller, kit, address) = (caller.again(port).await?, kit.clone(), address.clone());
        hands.spawn(async move {
            let machine = kit.deploy(&mut caller, number).await?;
            reach(&mut caller, &address, &machine, number).await
        });
    }
    while let Some(reached) = hands.join_next().await {
        reached??;
    }
    println!("the same for {AT_ONCE} at once: {:.1?}", began.elapsed());
    Ok(())
}

impl Kit {
    async fn find(caller: &mut Caller) -> Outcome<Self> {
        let zone = caller.id("listZones", "zone", ("listall", "true")).await?;
        let isolated = ("name", "DefaultIsolatedNetworkOfferingWithSourceNatService");
        let network_offering = caller.id("listNetworkOfferings", "networkoffering", isolated).await?;
        let parameters = [("name", "n"), ("zoneid", &zone), ("networkofferingid", &network_offering)];
        let made = caller.call("createNetwork", &parameters).await?;
        Ok(Self {
            offering: caller.id("listServiceOfferings", "serviceoffering", ("name", "t1.small")).await?,
            template: caller.id("listTemplates", "template", ("templatefilter", "executable")).await?,
            network: text(&made["network"]["id"])?,
            zone,
        })
    }

    /// Deploys a machine: its id.
    async fn deploy(&self, caller: &mut Caller, number: usize) -> Outcome<String> {
        let name = format!("m{number}");
        let parameters = [
            ("name", name.as_str()),
            ("zoneid", &self.zone),
            ("serviceofferingid", &self.offering),
            ("templateid", &self.template),
            ("networkids", &self.network),
        ];
        let begun = caller.call("deployVirtualMachine", &parameters).await?;
        caller.end(&text(&begun["jobid"])?, Duration::from_millis(50)).await?;
        text(&begun["id"])
    }
}

/// The first machine of the network, with which its router comes up: the address's id and the address.
async fn first(caller: &mut Caller, kit: &Kit) -> Outcome<(String, Ipv4Addr)> {
    let machine = kit.deploy(caller, 0).await?;
    let filter = [("associatednetworkid", kit.network.as_str()), ("issourcenat", "true")];
    let found = caller.call("listPublicIpAddresses", &filter).await?;
    let found = &found["publicipaddress"][0];
    let address = (text(&found["id"])?, text(&found["ipaddress"])?.parse()?);
    reach(caller, &address, &machine, 0).await?;
    Ok(address)
}

/// Leads a port to the machine's SSH, opens it, and waits for the greeting.
async fn reach(
    caller: &mut Caller,
    (id, address): &(String, Ipv4Addr),
    machine: &str,
    number: usize,
) -> Outcome {
    let port = 2200 + u16::try_from(number)?;
    let public = port.to_string();
    let parameters = [
        ("ipaddressid", id.as_str()),
        ("protocol", "tcp"),
        ("publicport", &public),
        ("privateport", "22"),
        ("virtualmachineid", machine),
    ];
    let begun = caller.call("createPortForwardingRule", &parameters).await?;
    caller.end(&text(&begun["jobid"])?, Duration::from_millis(50)).await?;
    let until = Instant::now() + PATIENCE;
    loop {
        let mut greeting = [0; 4];
        let greeted = timeout(Duration::from_secs(2), async {
            TcpStream::connect((*address, port)).await?.read_exact(&mut greeting).await
        });
        if matches!(greeted.await, Ok(Ok(_))) && greeting == *b"SSH-" {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(format!("machine {number} does not greet within {PATIENCE:?}").into());
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn text(value: &Value) -> Outcome<String> {
    Ok(value.as_str().ok_or_else(|| format!("no text: {value}"))?.to_owned())
}
