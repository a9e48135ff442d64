//! `mesostack-standin packages --out DIR`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::contents::{marathon, mesos};

/// Stand-ins for mesos-master, mesos-agent and Marathon, for a rehearsal without the internet.
#[derive(Debug, Parser)]
#[command(name = "mesostack-standin", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the Debian packages that install this program as the daemons
    Packages {
        /// The directory to write them to; made if need be
        #[arg(long)]
        out: PathBuf,
    },
    /// Run as mesos-master; its flags follow
    #[command(name = "mesos-master")]
    Master,
    /// Run as mesos-agent; its flags follow
    #[command(name = "mesos-agent")]
    Agent,
    /// Run as Marathon; its flags follow
    Marathon,
}

/// Why the packages could not be written.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("this program could not be read from {0}: {1}")]
    Program(PathBuf, std::io::Error),
    #[error("{0} could not be written: {1}")]
    Write(PathBuf, std::io::Error),
    #[error("the package could not be made: {0}")]
    Make(std::io::Error),
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the program's command line")]
pub(crate) fn run(program: &str, arguments: &[String]) -> ExitCode {
    let words = std::iter::once(program).chain(arguments.iter().map(String::as_str));
    let out = match Arguments::try_parse_from(words) {
        Ok(Arguments { command: Command::Packages { out } }) => out,
        // The daemons' names are taken from the first argument before this is reached.
        Ok(_) => return ExitCode::FAILURE,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match write(&out) {
        Ok(written) => {
            written.iter().for_each(|path| println!("{}", path.display()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("mesostack-standin: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(out: &Path) -> Result<Vec<PathBuf>, Error> {
    let program = std::env::current_exe().map_err(|error| Error::Program(PathBuf::new(), error))?;
    let bytes = std::fs::read(&program).map_err(|error| Error::Program(program, error))?;
    std::fs::create_dir_all(out).map_err(|error| Error::Write(out.to_owned(), error))?;
    let mut written = Vec::new();
    for package in [mesos(&bytes), marathon()] {
        let package = package.map_err(Error::Make)?;
        let path = out.join(&package.file_name);
        // Whole or not at all: an image build may be reading the directory.
        let new = out.join(format!(".{}.new", package.file_name));
        std::fs::write(&new, &package.bytes).map_err(|error| Error::Write(new.clone(), error))?;
        std::fs::rename(&new, &path).map_err(|error| Error::Write(path.clone(), error))?;
        written.push(path);
    }
    Ok(written)
}
