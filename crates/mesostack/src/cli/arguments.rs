//! What may be typed: every command and option, with the words its help shows.

mod zone;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use mesostack::{cluster::lease, image::build::BuildId};

pub(crate) use self::zone::{Demo, DemoPackages, Zone, ZoneClock, ZoneFaults, ZoneName, ZoneUp};
use super::environment;

/// Builds an immutable Mesos image on Apache CloudStack, and deploys a cluster from it
///
/// Everything is described in one file, mesostack.toml. The cloud is the only state: there is nothing else to keep, to
/// lock or to lose, and every command can be interrupted and run again.
#[derive(Debug, Parser)]
#[command(name = "mesostack", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options every command takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// The file that describes the image and the cluster
    #[arg(long, short, global = true, value_name = "PATH", env = environment::FILE.name, hide_env = true, default_value = "mesostack.toml")]
    pub(crate) file: PathBuf,

    /// Print results and events as JSON on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Show no progress, only results and errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Show more: the output of commands on machines; twice: every call
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Give up after this long, such as 90s, 15m or 1h30m [default: none for apply, replace and destroy, each of whose
    /// steps has its own in the file; an hour for image build; minutes at most for whatever only asks]
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration)]
    pub(crate) deadline: Option<Duration>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check the file, and against the cloud that all it names exists
    Validate(Validate),
    /// Build, list and remove images
    #[command(subcommand)]
    Image(Image),
    /// Show what apply would change; exits with 2 when there is something
    Plan(Plan),
    /// Make the cloud match the file
    ///
    /// Shows the plan, asks, carries it out, configures every node and waits until the cluster is healthy. Interrupted
    /// at any moment, the next apply goes on where this one stopped.
    Apply(Apply),
    /// Make one node anew: same name, address and ports, another machine from the current image
    ///
    /// An agent is drained first. A master is destroyed only if the quorum outlives it, which is asked right before. An
    /// apply makes good what an interrupted replacement leaves.
    Replace(Replace),
    /// Print the cluster's public address, SSH ports and interfaces
    Output,
    /// Show what the last runs took, and what it was spent on
    ///
    /// Every apply, destroy and image build on this machine leaves a journal; the last 20 of a cluster are kept. No
    /// command needs them: without them there is no timeline, and estimates are built-in figures.
    Timeline(Timeline),
    /// Ask every node how it is; exits with 3 unless the cluster is healthy
    ///
    /// ZooKeeper, the masters, the agents and Marathon are asked through the SSH connection, so that no port need be
    /// open for it.
    Status,
    /// Open a shell on a node, or run a command there
    Ssh(Ssh),
    /// Remove the cluster: machines, rules, address and network
    Destroy(Destroy),
    /// Create, register, list and delete SSH key pairs
    #[command(subcommand)]
    Keypair(Keypair),
    /// Raise, watch, break, reset and remove a CloudStack zone on this host
    #[command(subcommand)]
    Zone(Zone),
    /// Rehearse everything on this host: zone, image, a cluster of 3 and 3, status
    Demo(Demo),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Changes {
    /// As they are given on a command line, each with a space before it.
    pub(crate) fn options(&self) -> String {
        let remove = self.remove.iter().map(|node| format!(" --remove {node}"));
        remove.chain(self.prune.then(|| " --prune".to_owned())).collect()
    }
}

impl Command {
    /// Whether it changes anything, in the cloud or on this host. Such a command tells what it does as it does it; a
    /// question has its answer alone.
    pub(crate) fn acts(&self) -> bool {
        match self {
            Self::Apply(_) | Self::Replace(_) | Self::Destroy(_) | Self::Demo(_) => true,
            Self::Image(image) => {
                matches!(image, Image::Build { .. } | Image::Delete { .. } | Image::Gc { .. })
            }
            Self::Zone(zone) => {
                matches!(zone, Zone::Up(_) | Zone::Down(_) | Zone::Snapshot { .. } | Zone::Reset { .. })
            }
            Self::Keypair(_)
            | Self::Validate(_)
            | Self::Plan(_)
            | Self::Output
            | Self::Timeline(_)
            | Self::Status
            | Self::Ssh(_)
            | Self::Completions { .. } => false,
        }
    }
}

/// `mesostack validate`
#[derive(Args, Debug)]
pub(crate) struct Validate {
    /// Check the file alone, without asking the cloud
    #[arg(long)]
    pub(crate) offline: bool,
}

/// `mesostack image …`
#[derive(Debug, Subcommand)]
pub(crate) enum Image {
    /// Build an image from the file's recipe
    Build {
        /// What to do with what was made so far when the build fails
        #[arg(long, value_enum, default_value_t = OnError::Cleanup, value_name = "WHAT")]
        on_error: OnError,
    },
    /// Check the recipe, and against the cloud that zone, offering, base and network exist
    Validate,
    /// List the images in the cloud
    List,
    /// Delete an image; refused while machines use it
    Delete {
        /// Its id, or its name when only one has it
        image: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Find and remove what killed builds left behind
    Gc {
        /// Remove what this build made, even if it may still be running; also the way to end a build that was kept
        #[arg(long, value_name = "ID")]
        build: Option<BuildId>,
        #[command(flatten)]
        consent: Consent,
    },
}

/// What becomes of a failed build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnError {
    /// Keep everything, to look into it
    Keep,
    /// Ask on the terminal
    Ask,
    /// Remove everything
    Cleanup,
}

/// Consent given beforehand.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Consent {
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(long, short = 'y', visible_alias = "auto-approve")]
    pub(crate) yes: bool,
}

/// What a plan is to do beyond what the file says.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Changes {
    /// Let this agent go, instead of the one with the highest number; may be given more than once
    ///
    /// How many agents there are is what the file says: `agents` has to be lowered by as many.
    #[arg(long, value_name = "NODE")]
    pub(crate) remove: Vec<String>,
    /// Remove from the cluster's network what the file does not ask for: rules, addresses, virtual machines
    ///
    /// The plan shows each of them with a minus. Without this they are shown with a question mark, and left alone.
    #[arg(long)]
    pub(crate) prune: bool,
}

/// `mesostack replace`
#[derive(Args, Debug)]
pub(crate) struct Replace {
    /// The node, such as agent-2 or master-3
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) turn: Turn,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// `mesostack plan`
#[derive(Args, Debug)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) changes: Changes,
    /// Save the plan, for `mesostack apply FILE`; it holds no secret
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print its graph instead
    #[arg(long, value_enum, value_name = "FORM", conflicts_with = "json")]
    pub(crate) graph: Option<Graph>,
}

/// A form a graph is printed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Graph {
    /// Graphviz's language
    Dot,
    /// A drawing, whole in itself
    Svg,
}

/// `mesostack apply`
#[derive(Args, Debug)]
pub(crate) struct Apply {
    /// Carry out a plan that `plan --out` saved, without asking; refused when the file or the cloud has moved since
    #[arg(value_name = "PLAN")]
    pub(crate) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) changes: Changes,
    /// Do this part of the work alone
    #[arg(long, value_enum, value_name = "PART")]
    pub(crate) only: Option<Part>,
    #[command(flatten)]
    pub(crate) turn: Turn,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// What is done about others who work on the same cluster.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// Wait for another run on this cluster to end, no longer than this [default: the deadline, else a day]
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, value_parser = duration)]
    pub(crate) wait: Option<Option<Duration>>,
    /// How long others stay away if this run is killed; while it works it renews that
    #[arg(long, value_name = "DURATION", value_parser = lease, default_value = "3m")]
    pub(crate) lease: Duration,
}

impl Default for Turn {
    fn default() -> Self {
        Self { wait: None, lease: lease::USUAL }
    }
}

/// A part of an apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Network, address, rules and machines, without configuring the nodes
    Infrastructure,
}

/// `mesostack timeline`
#[derive(Args, Debug)]
pub(crate) struct Timeline {
    /// The run, by its number [default: the last]
    #[arg(long, value_name = "N")]
    pub(crate) run: Option<u64>,
    /// List the runs that are kept
    #[arg(long, conflicts_with_all = ["run", "svg", "html"])]
    pub(crate) list: bool,
    /// Write it as a drawing
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Write it as a page for a browser, which says more of each step; it needs no other file
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// `mesostack destroy`
#[derive(Args, Debug)]
pub(crate) struct Destroy {
    #[command(flatten)]
    pub(crate) turn: Turn,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// `mesostack ssh`
#[derive(Args, Debug)]
pub(crate) struct Ssh {
    /// The node, such as master-1 or agent-3
    pub(crate) node: String,
    /// A command to run there instead of a shell
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// `mesostack keypair …`
#[derive(Debug, Subcommand)]
pub(crate) enum Keypair {
    /// Make a key pair; the private half is written to a new file
    Create {
        /// Its name in the cloud
        name: String,
        /// Where to write the private key; must not exist
        #[arg(long, value_name = "PATH")]
        out: PathBuf,
        /// Let the cloud make it (RSA), instead of this machine (ed25519)
        #[arg(long)]
        by_the_cloud: bool,
    },
    /// Register the public half of a key of yours
    Register {
        /// Its name in the cloud
        name: String,
        /// The public key's file
        #[arg(long, value_name = "PATH")]
        public_key: PathBuf,
    },
    /// List the key pairs
    List,
    /// Delete a key pair
    Delete {
        /// Its name in the cloud
        name: String,
        #[command(flatten)]
        consent: Consent,
    },
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "not a duration; write a number and a unit, such as 90s, 15m or 1h30m".to_owned())?;
    match Duration::try_from(span) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("a deadline has to be longer than nothing".to_owned()),
    }
}

fn lease(text: &str) -> Result<Duration, String> {
    let length = duration(text)?;
    if length < lease::SHORTEST {
        return Err(format!(
            "a lease is at least {} s long, or there is no time to renew it",
            lease::SHORTEST.as_secs()
        ));
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_usual_lease_is_what_the_help_says() {
        let cli = Cli::try_parse_from(["mesostack", "apply"]).unwrap();
        let Command::Apply(apply) = cli.command else { panic!("{:?}", cli.command) };
        assert_eq!((apply.turn.lease, apply.turn.wait), (Turn::default().lease, None));
        for (argument, wait) in [("--wait", None), ("--wait=5m", Some(Duration::from_secs(300)))] {
            let cli = Cli::try_parse_from(["mesostack", "destroy", argument]).unwrap();
            let Command::Destroy(destroy) = cli.command else { panic!("{:?}", cli.command) };
            assert_eq!(destroy.turn.wait, Some(wait));
        }
        assert!(Cli::try_parse_from(["mesostack", "apply", "--lease", "5s"]).is_err());
    }

    #[test]
    fn durations_are_a_number_and_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("15 m"), Ok(Duration::from_secs(900)));
        for wrong in ["", "90", "0s", "-5s", "soon"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
