//! How quick and how small a simulated zone is, measured from outside over its socket, with the load's generator on the same
//! processors: `make bench` runs it. What else the host does while it runs takes from the rates, and not from the times of
//! the processors. `numbers machines`, as root, measures a zone with real machines.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

#[path = "../../tests/zone/line.rs"]
mod line;
mod machines;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cloudstack::signature::{Encoding, form, signature};
use devcloud::faults::FaultsFile;
use devcloud::host::{self, Credentials, Options, Places};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::line::Line;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Connections that the load comes over.
const CONNECTIONS: usize = 16;
/// Machines of the large zone, and of each of its networks.
const MACHINES: usize = 10_000;
const MACHINES_OF_A_NETWORK: usize = 100;
/// How long one machine after another is asked for.
const LISTING: Duration = Duration::from_secs(5);
const STARTS: usize = 5;

const NO_LATENCIES: &str = r#"
[latency]
router = "0s"
rule = "0s"
router_down = "0s"
start = "0s"
stop = "0s"
volume = "0s"
[limits]
machines = -1
public_addresses = -1
volumes = -1
networks = -1
processors = -1
memory_mib = -1
primary_storage_gib = -1
"#;

fn places(directory: &Path) -> Places {
    Places { state: directory.join("state"), cache: directory.join("cache") }
}

fn main() -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", directory, port, range] => {
            let options = Options {
                name: "numbers".parse()?,
                port: port.parse()?,
                public_range: range.parse()?,
                simulator: true,
                faults: Some(FaultsFile::parse(NO_LATENCIES).map_err(|problems| format!("{problems:?}"))?),
            };
            let shutdown = CancellationToken::new();
            Ok(runtime.block_on(host::serve(&places(Path::new(directory)), &options, shutdown))?)
        }
        ["machines"] => runtime.block_on(machines::measure()),
        ["machines", "serve", port] => runtime.block_on(machines::serve(port.parse()?)),
        _ => runtime.block_on(measure()),
    }
}

/// A port of loopback that nobody has.
fn free_port() -> Outcome<u16> {
    Ok(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A served zone; its process ends with this.
struct Served {
    child: Child,
    directory: PathBuf,
    port: u16,
}

impl Served {
    fn start(directory: &Path, range: &str) -> Outcome<Self> {
        let port = free_port()?;
        let child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .arg(directory)
            .args([&port.to_string(), range])
            .stdin(Stdio::null())
            .spawn()?;
        Ok(Self { child, directory: directory.to_owned(), port })
    }

    /// Waits for the first answered call.
    async fn caller(&self) -> Outcome<Caller> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let keys = host::credentials(&places(&self.directory), &"numbers".parse()?, "mesostack");
            if let Ok(keys) = keys
                && let Ok(line) = Line::connect(self.port).await
            {
                let mut caller = Caller { line, keys };
                caller.call("listZones", &[]).await?;
                return Ok(caller);
            }
            if Instant::now() > until {
                return Err("the zone does not come up".into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Its resident memory in MiB.
    fn memory(&self) -> Outcome<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }
}

/// The processor time that a process has taken, in seconds.
fn processor_time(process: u32) -> Outcome<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // After the name, which may have spaces: user and system time are the 12th and 13th, in hundredths of a second.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: Vec<f64> = fields.skip(11).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

/// How much processor time something took, of the zone and of the load's generator.
struct Effort {
    zone: (u32, f64),
    generator: (u32, f64),
}

impl Effort {
    fn begin(served: &Served) -> Outcome<Self> {
        let of =
            |process| Ok::<_, Box<dyn std::error::Error + Send + Sync>>((process, processor_time(process)?));
        Ok(Self { zone: of(served.child.id())?, generator: of(std::process::id())? })
    }

    /// For each of so many, in text.
    fn of_each(&self, count: f64) -> Outcome<String> {
        let micros = |(process, before): (u32, f64)| {
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(
                (processor_time(process)? - before) / count * 1e6,
            )
        };
        Ok(format!(
            "each took {:.0} µs of a processor in the zone and {:.0} µs in the load's generator",
            micros(self.zone)?,
            micros(self.generator)?
        ))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Caller {
    line: Line,
    keys: Credentials,
}

impl Caller {
    fn signed(&self, command: &str, parameters: &[(&str, &str)]) -> String {
        let key = self.keys.api_key.expose_secret();
        let mut pairs = vec![("command", command), ("response", "json"), ("apiKey", key)];
        pairs.extend_from_slice(parameters);
        let signed = signature(&pairs, self.keys.secret_key.expose_secret(), Encoding::Java);
        pairs.push(("signature", &signed));
        form(&pairs)
    }

    async fn call(&mut self, command: &str, parameters: &[(&str, &str)]) -> Outcome<Value> {
        let (status, body) = self.line.post(&self.signed(command, parameters)).await?;
        let answer: Value = serde_json::from_slice(&body)?;
        if status != 200 {
            return Err(format!("{command}: {answer}").into());
        }
        let inside = answer.as_object().and_then(|whole| whole.values().next()).cloned();
        Ok(inside.unwrap_or_default())
    }

    async fn id(&mut self, list: &str, object: &str, filter: (&str, &str)) -> Outcome<String> {
        let found = self.call(list, &[filter]).await?;
        Ok(found[object][0]["id"].as_str().ok_or("nothing found")?.to_owned())
    }

    /// Waits for a job, asking each so often: its result.
    async fn end(&mut self, job: &str, often: Duration) -> Outcome<Value> {
        loop {
            let answer = self.call("queryAsyncJobResult", &[("jobid", job)]).await?;
            if answer["jobstatus"] == json!(1) {
                return Ok(answer["jobresult"].clone());
            }
            if answer["jobstatus"] == json!(2) {
                return Err(format!("a job failed: {answer}").into());
            }
            tokio::time::sleep(often).await;
        }
    }

    /// Another connection of the same account.
    async fn again(&self, port: u16) -> Outcome<Self> {
        Ok(Self { line: Line::connect(port).await?, keys: self.keys.clone() })
    }
}

async fn measure() -> Outcome {
    let mut starts = Vec::new();
    let mut idle = 0.0;
    for _ in 0..STARTS {
        let directory = tempfile::tempdir()?;
        let began = Instant::now();
        let served = Served::start(directory.path(), "198.18.0.0/24")?;
        let _caller = served.caller().await?;
        starts.push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(500)).await;
        idle = served.memory()?;
    }
    starts.sort();
    println!(
        "first answered call after the start of the process (of a new zone; median of {STARTS}): {:.0?}",
        starts[STARTS / 2]
    );
    println!("memory, idle: {idle:.1} MiB");

    let directory = tempfile::tempdir()?;
    let served = Served::start(directory.path(), "10.64.0.0/22")?;
    let mut caller = served.caller().await?;
    let effort = Effort::begin(&served)?;
    let (machines, took) = deploy(&served, &mut caller).await?;
    println!(
        "deploy jobs, no latencies, durable: {:.0} a second ({MACHINES} in {took:.1?}); {}",
        MACHINES as f64 / took.as_secs_f64(),
        effort.of_each(MACHINES as f64)?
    );
    println!("memory, {MACHINES} machines: {:.1} MiB", served.memory()?);
    let effort = Effort::begin(&served)?;
    let lists = list(&served, &caller, &machines).await?;
    println!(
        "lists of one machine among {MACHINES}: {:.0} a second; {}",
        lists as f64 / LISTING.as_secs_f64(),
        effort.of_each(lists as f64)?
    );
    drop(served);
    let began = Instant::now();
    let served = Served::start(directory.path(), "10.64.0.0/22")?;
    served.caller().await?;
    println!("first answered call of that zone after kill -9 and start: {:.0?}", began.elapsed());
    Ok(())
}

/// Deploys and starts all machines; their ids, and how long it took until the last job had ended.
async fn deploy(served: &Served, caller: &mut Caller) -> Outcome<(Vec<String>, Duration)> {
    let zone = caller.id("listZones", "zone", ("listall", "true")).await?;
    let offering = caller.id("listServiceOfferings", "serviceoffering", ("name", "t1.small")).await?;
    let template = caller.id("listTemplates", "template", ("templatefilter", "executable")).await?;
    let isolated = ("name", "DefaultIsolatedNetworkOfferingWithSourceNatService");
    let network_offering = caller.id("listNetworkOfferings", "networkoffering", isolated).await?;
    let mut networks = Vec::new();
    for number in 0..MACHINES / MACHINES_OF_A_NETWORK {
        let name = format!("n{number}");
        let parameters =
            [("name", name.as_str()), ("zoneid", &zone), ("networkofferingid", &network_offering)];
        let made = caller.call("createNetwork", &parameters).await?;
        networks.push(made["network"]["id"].as_str().ok_or("no network")?.to_owned());
    }
    let began = Instant::now();
    let mut hands: JoinSet<Outcome<Vec<String>>> = JoinSet::new();
    for hand in 0..CONNECTIONS {
        let mut caller = caller.again(served.port).await?;
        let (zone, offering, template) = (zone.clone(), offering.clone(), template.clone());
        let networks = networks.clone();
        hands.spawn(async move {
            let (mut made, mut jobs) = (Vec::new(), Vec::new());
            for number in (hand..MACHINES).step_by(CONNECTIONS) {
                let name = format!("m{number}");
                let parameters = [
                    ("name", name.as_str()),
                    ("zoneid", &zone),
                    ("serviceofferingid", &offering),
                    ("templateid", &template),
                    ("networkids", &networks[number % networks.len()]),
                ];
                let begun = caller.call("deployVirtualMachine", &parameters).await?;
                made.push(begun["id"].as_str().ok_or("no machine")?.to_owned());
                jobs.push(begun["jobid"].as_str().ok_or("no job")?.to_owned());
            }
            for job in jobs {
                caller.end(&job, Duration::from_millis(2)).await?;
            }
            Ok(made)
        });
    }
    let mut machines = Vec::new();
    while let Some(made) = hands.join_next().await {
        machines.extend(made??);
    }
    Ok((machines, began.elapsed()))
}

/// Lists one machine after another over all connections; how many answers came in time.
async fn list(served: &Served, caller: &Caller, machines: &[String]) -> Outcome<u64> {
    let until = Instant::now() + LISTING;
    let mut hands: JoinSet<Outcome<u64>> = JoinSet::new();
    for hand in 0..CONNECTIONS {
        let mut caller = caller.again(served.port).await?;
        let asked: Vec<String> = machines.iter().skip(hand).step_by(CONNECTIONS).cloned().collect();
        hands.spawn(async move {
            let mut count = 0;
            for machine in asked.iter().cycle() {
                if Instant::now() >= until {
                    break;
                }
                let text = caller.signed("listVirtualMachines", &[("id", machine)]);
                let (status, body) = caller.line.post(&text).await?;
                if status != 200 || !String::from_utf8_lossy(&body).contains(machine.as_str()) {
                    return Err("a wrong answer".into());
                }
                count += 1;
            }
            Ok(count)
        });
    }
    let mut all = 0;
    while let Some(count) = hands.join_next().await {
        all += count??;
    }
    Ok(all)
}
