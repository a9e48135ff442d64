//! The command line: a file a command, and what they share.
//!
//! Nothing is decided here. A command reads what was typed, asks the library, and shows the answer.

mod apply;
mod arguments;
mod cloud;
mod cluster;
mod consent;
mod demo;
mod environment;
mod exit;
mod file;
mod help;
mod holder;
mod image;
mod interrupt;
mod journal;
mod keypair;
mod keys;
mod lease;
mod log;
mod output;
mod plan;
mod report;
mod run;
mod saved;
mod ssh;
mod status;
mod table;
mod timeline;
mod validate;
mod zone;

use std::{process::ExitCode, time::Duration};

use clap::FromArgMatches;
use mesostack::cluster::lease::LeaseError;
use miette::IntoDiagnostic;
use tokio_util::sync::CancellationToken;

use self::{
    arguments::{Cli, Command},
    exit::Exit,
    report::Interrupted,
    run::Run,
};
use crate::progress::{Look, Progress};

/// Reads what was typed, does it, and gives the exit code.
pub(crate) fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let json = cli.global.json;
    match start(cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            report::show(&error, json);
            let exit = if error.downcast_ref::<Interrupted>().is_some() {
                Exit::Interrupted
            } else if error.downcast_ref::<LeaseError>().is_some_and(LeaseError::is_held) {
                Exit::Held
            } else {
                Exit::Failed
            };
            exit.into()
        }
    }
}

fn parse() -> Result<Cli, clap::Error> {
    let mut command = help::command();
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

fn start(cli: Cli) -> miette::Result<Exit> {
    let logging = log::start(&cli.global);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().into_diagnostic()?;
    let ended = runtime.block_on(async {
        let stop = CancellationToken::new();
        let quiet = cli.global.quiet || cli.global.json && !cli.command.acts();
        let look = Look::choose(cli.global.json && cli.command.acts(), quiet, logging);
        let progress = Progress::start(look);
        interrupt::watch(stop.clone(), progress.clone()).into_diagnostic()?;
        let run = Run::new(cli.global, stop.clone(), progress);
        let ended = perform(&run, cli.command).await;
        run.progress.finish();
        match ended {
            Err(complaint) if stop.is_cancelled() => Err(Interrupted::because(complaint).into()),
            Err(complaint) => Err(keys::at_the_line(complaint, run.document.get())),
            Ok(exit) => Ok(exit),
        }
    });
    // A thread that still reads the terminal must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    ended
}

async fn perform(run: &Run, command: Command) -> miette::Result<Exit> {
    match command {
        Command::Validate(arguments) => validate::validate(run, arguments).await,
        Command::Image(command) => image::image(run, command).await,
        Command::Plan(arguments) => plan::plan(run, arguments).await,
        Command::Apply(arguments) => apply::apply(run, arguments).await,
        Command::Replace(arguments) => apply::replace(run, arguments).await,
        Command::Destroy(arguments) => apply::destroy(run, arguments).await,
        Command::Output => output::output(run).await,
        Command::Timeline(arguments) => timeline::timeline(run, &arguments),
        Command::Status => status::status(run).await,
        Command::Ssh(arguments) => ssh::ssh(run, arguments).await,
        Command::Keypair(command) => keypair::keypair(run, command).await,
        Command::Zone(command) => zone::zone(run, command).await,
        Command::Demo(arguments) => demo::demo(run, arguments).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut help::command(), "mesostack", &mut std::io::stdout());
            Ok(Exit::Done)
        }
    }
}
