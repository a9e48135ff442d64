//! A zone of its own with a cluster in it, worked with by the program alone, as a user would; taken down whatever happens.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use serde_json::Value;

/// A zone that is taken down when this is dropped, also by a failing test.
#[derive(Debug)]
pub(crate) struct Rehearsal {
    pub(crate) zone: String,
    folder: tempfile::TempDir,
    times: Vec<(String, Duration)>,
}

impl Rehearsal {
    /// Prepares a zone of that name; nothing runs yet.
    pub(crate) fn new(zone: &str) -> Self {
        Self { zone: zone.to_owned(), folder: tempfile::tempdir().unwrap(), times: Vec::new() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the file every command reads.
    pub(crate) fn write_file(&self, text: &str) {
        std::fs::write(self.folder().join("mesostack.toml"), text).unwrap();
    }

    /// Runs the program, whatever it ends with.
    pub(crate) fn try_run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .current_dir(self.folder())
            .args(arguments)
            .env("HOME", self.folder())
            .env_remove("CLOUDSTACK_API_KEY");
        command
    }

    /// Runs the program, which has to end well, and notes how long it took. Gives its standard output.
    pub(crate) fn run(&mut self, arguments: &[&str]) -> String {
        let began = Instant::now();
        let output = self.try_run(arguments);
        let took = began.elapsed();
        println!("{:7.1} s  mesostack {}", took.as_secs_f64(), arguments.join(" "));
        assert!(
            output.status.success(),
            "mesostack {} ended with {}\n{}\n{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        self.note(arguments.join(" "), took);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a question with `--json`, and gives its answer.
    pub(crate) fn ask(&mut self, arguments: &[&str]) -> Value {
        let answer = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&answer).unwrap()
    }

    /// Notes a time for the table at the end.
    pub(crate) fn note(&mut self, what: impl Into<String>, took: Duration) {
        self.times.push((what.into(), took));
    }

    /// Prints what took how long.
    pub(crate) fn print_times(&self) {
        println!("\nmeasured in zone {}:", self.zone);
        for (what, took) in &self.times {
            println!("{:8.1} s  {what}", took.as_secs_f64());
        }
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        let output = self.try_run(&["zone", "down", "--name", &self.zone]);
        if !output.status.success() {
            eprintln!("could not take zone {} down: {}", self.zone, String::from_utf8_lossy(&output.stderr));
        }
    }
}

pub(crate) fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_mesostack").into()
}
