//! The command line of mesostack: the only room that prints.

mod cli;
mod progress;

fn main() -> std::process::ExitCode {
    cli::main()
}
