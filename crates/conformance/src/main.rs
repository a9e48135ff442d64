//! The program: reads its arguments and keys, runs the suite, tells what differs.
//!
//! Exit codes: 0 when nothing differs, 1 when something does or was left behind, 2 when it could not run.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program's output")]

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use cloudstack::Credentials;
use conformance::{Behaviour, Checked, Login, Outcome, Report, Settings, Wishes};
use url::Url;

/// Checks whether a server behaves as a CloudStack 4.23 does.
///
/// It makes networks, machines, rules and more in the account whose keys are in CLOUDSTACK_API_KEY and
/// CLOUDSTACK_SECRET_KEY, all of them called conform-…, and takes them away again, also when it is interrupted.
#[derive(Debug, Parser)]
#[command(name = "conformance", version)]
#[command(after_help = "\
Environment:
  CLOUDSTACK_API_KEY, CLOUDSTACK_SECRET_KEY              the account that is worked with
  CLOUDSTACK_OTHER_API_KEY, CLOUDSTACK_OTHER_SECRET_KEY  another account, for what one sees of another
  CLOUDSTACK_ADMIN_API_KEY, CLOUDSTACK_ADMIN_SECRET_KEY  a root admin: expunges where users may not
  CLOUDSTACK_PASSWORD                                    with --user: for sessions

Exit codes: 0 nothing differs, 1 something differs or was left behind, 2 it could not run")]
struct Arguments {
    /// The API's address, such as http://127.0.0.1:8880/client/api
    #[arg(long, env = "CLOUDSTACK_API_URL", required_unless_present_any = ["markdown", "list"])]
    api_url: Option<Url>,
    /// Accept any certificate
    #[arg(long)]
    insecure: bool,
    /// The zone, by name or id [default: the first Advanced one]
    #[arg(long)]
    zone: Option<String>,
    /// The service offering [default: the smallest]
    #[arg(long)]
    offering: Option<String>,
    /// The template [default: the first ready one that is featured]
    #[arg(long)]
    template: Option<String>,
    /// The network offering [default: isolated, with source NAT]
    #[arg(long)]
    network_offering: Option<String>,
    /// Who logs in, for sessions; the password is in CLOUDSTACK_PASSWORD
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The path of that user's domain
    #[arg(long, default_value = "/")]
    domain: String,
    /// Only behaviours with this in their names; may be given several times
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,
    /// No behaviours with this in their names; may be given several times
    #[arg(long, value_name = "PATTERN")]
    skip: Vec<String>,
    /// How long one job is waited for, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    patience: u64,
    /// How long taking everything away may last in the end, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    removal: u64,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Take away what killed runs have left, and check nothing
    #[arg(long)]
    clean: bool,
    /// List the behaviours, and check nothing
    #[arg(long)]
    list: bool,
    /// Print all behaviours as a page, with a column for each report that --json printed
    #[arg(long, value_name = "LABEL=FILE", num_args = 0..)]
    markdown: Option<Vec<String>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match work(arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(problem) => {
            eprintln!("conformance: {problem}");
            ExitCode::from(2)
        }
    }
}

async fn work(arguments: Arguments) -> Result<bool, String> {
    if arguments.list {
        for behaviour in conformance::behaviours() {
            println!("{}\n    {} ({})", behaviour.name, behaviour.says, behaviour.source);
        }
        return Ok(true);
    }
    if let Some(reports) = &arguments.markdown {
        let reports = reports.iter().map(|argument| report(argument)).collect::<Result<Vec<_>, _>>()?;
        print!("{}", conformance::markdown(&reports));
        return Ok(true);
    }
    let (json, clean) = (arguments.json, arguments.clean);
    let settings = settings(arguments)?;
    if clean {
        let left = conformance::clean(&settings).await.map_err(|error| error.to_string())?;
        left.iter().for_each(|thing| println!("still there: {thing}"));
        return Ok(left.is_empty());
    }
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
        eprintln!("interrupted: taking away what was made");
    };
    let tell = |behaviour: &Behaviour, checked: &Checked| {
        if !json {
            println!("{}", line(behaviour, checked));
        }
    };
    let report = conformance::run(&settings, tell, stop).await.map_err(|error| error.to_string())?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?);
    } else {
        summary(&report);
    }
    Ok(report.is_fine())
}

/// `LABEL=FILE`, read.
fn report(argument: &str) -> Result<(String, Report), String> {
    let (label, file) = argument.split_once('=').ok_or(format!("{argument}: expected LABEL=FILE"))?;
    let text = std::fs::read_to_string(PathBuf::from(file)).map_err(|error| format!("{file}: {error}"))?;
    let report = serde_json::from_str(&text).map_err(|error| format!("{file} is no report: {error}"))?;
    Ok((label.to_owned(), report))
}

fn settings(arguments: Arguments) -> Result<Settings, String> {
    let user = cloudstack::credentials::environment().map_err(|error| error.to_string())?.credentials;
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let more = |who: &str| {
        let key = |which: &str| set(&format!("CLOUDSTACK_{who}_{which}"));
        Some(Credentials::new(key("API_KEY")?, key("SECRET_KEY")?))
    };
    let login = match arguments.user {
        Some(user) => {
            let password =
                set("CLOUDSTACK_PASSWORD").ok_or("--user needs a password in CLOUDSTACK_PASSWORD")?;
            Some(Login { user, password: password.into(), domain: arguments.domain })
        }
        None => None,
    };
    // A name that nothing has would check nothing, and pass.
    let names: HashSet<&str> = conformance::behaviours().map(|behaviour| behaviour.name).collect();
    for pattern in arguments.only.iter().chain(&arguments.skip) {
        if !names.iter().any(|name| name.contains(pattern.as_str())) {
            return Err(format!("no behaviour has \"{pattern}\" in its name; --list shows them"));
        }
    }
    Ok(Settings {
        endpoint: arguments.api_url.ok_or("--api-url is needed")?,
        insecure: arguments.insecure,
        user,
        other: more("OTHER"),
        admin: more("ADMIN"),
        login,
        wishes: Wishes {
            zone: arguments.zone,
            offering: arguments.offering,
            template: arguments.template,
            network_offering: arguments.network_offering,
        },
        only: arguments.only,
        skip: arguments.skip,
        patience: Duration::from_secs(arguments.patience),
        removal: Duration::from_secs(arguments.removal),
    })
}

fn line(behaviour: &Behaviour, checked: &Checked) -> String {
    let head = format!("{:<8}{:<44}{:>8.2} s", checked.outcome.word(), behaviour.name, checked.seconds);
    match &checked.outcome {
        Outcome::Passed => head,
        Outcome::Skipped { reason } => format!("{head}  {reason}"),
        Outcome::Differs { expected, came } => format!(
            "{head}\n        {}\n        known from: {}\n        expected:   {expected}\n        came:       {came}",
            behaviour.says, behaviour.source
        ),
    }
}

fn summary(report: &Report) {
    let (passed, differs, skipped) = report.counts();
    let server = &report.server;
    println!(
        "\nCloudStack {}, zone {}, account {}: {passed} passed, {differs} differ, {skipped} skipped",
        server.version, server.zone, server.account
    );
    for thing in &report.left {
        println!("left behind: {thing}");
    }
    if !report.left.is_empty() {
        println!("Networks wait for their machines to be expunged; run again with --clean when they are.");
    }
}
