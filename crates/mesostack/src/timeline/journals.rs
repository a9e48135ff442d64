//! Where a cluster's journals are kept: a file a run, numbered, the last ones only, for nobody's eyes but the user's.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{record::Record, recorder::Recorder};

/// How many runs are kept.
pub const KEPT: usize = 20;

/// The journals of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journals {
    folder: PathBuf,
}

impl Journals {
    /// Those of the cluster, below the user's state folder. None where the user has none.
    pub fn of(cluster: &str) -> Option<Self> {
        let named =
            |variable| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = named("XDG_STATE_HOME").or_else(|| Some(named("HOME")?.join(".local/state")))?;
        Some(Self::within(&state.join("mesostack"), cluster))
    }

    /// Those of the cluster, in a folder of `base`.
    pub fn within(base: &Path, cluster: &str) -> Self {
        Self { folder: base.join(cluster.replace(['/', '\0'], "-").trim_start_matches('.')) }
    }

    /// Begins the journal of a run that begins now, and forgets the oldest.
    ///
    /// # Errors
    /// When no file can be made.
    pub fn begin(&self) -> io::Result<Recorder> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let mut number = self.numbers()?.last().map_or(1, |last| last + 1);
        let file = loop {
            match self.create(number) {
                Ok(file) => break file,
                // Another run begins at the same time.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        };
        let numbers = self.numbers()?;
        for old in &numbers[..numbers.len().saturating_sub(KEPT)] {
            let _ = std::fs::remove_file(self.path(*old));
        }
        Ok(Recorder::new(file, Timestamp::now()))
    }

    fn create(&self, number: u64) -> io::Result<File> {
        OpenOptions::new().append(true).create_new(true).mode(0o600).open(self.path(number))
    }

    /// The kept runs' numbers, the oldest first.
    ///
    /// # Errors
    /// When the folder cannot be read; one that is not there is empty.
    pub fn numbers(&self) -> io::Result<Vec<u64>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let number = |entry: io::Result<std::fs::DirEntry>| {
            entry.ok()?.file_name().to_str()?.strip_suffix(".jsonl")?.parse().ok()
        };
        let mut numbers: Vec<u64> = entries.filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// A run. None when its journal says nothing that can be read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, number: u64) -> io::Result<Option<Record>> {
        let bytes = std::fs::read(self.path(number))?;
        Ok(Record::read(&String::from_utf8_lossy(&bytes)))
    }

    /// The newest that can be read: as many as say what to expect, and no more than are read in a moment.
    pub fn recent(&self) -> Vec<Record> {
        const RUNS: usize = 5;
        const BYTES: u64 = 32 << 20;
        let mut left = BYTES;
        let numbers = self.numbers().unwrap_or_default().into_iter().rev();
        let fits = |number: &u64| {
            let size = std::fs::metadata(self.path(*number)).map_or(0, |file| file.len());
            left = left.saturating_sub(size);
            left > 0
        };
        numbers.take_while(fits).filter_map(|number| self.read(number).ok()?).take(RUNS).collect()
    }

    /// All that can be read, the oldest first.
    pub fn all(&self) -> Vec<(u64, Record)> {
        let numbers = self.numbers().unwrap_or_default();
        numbers.into_iter().filter_map(|number| Some((number, self.read(number).ok()??))).collect()
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:06}.jsonl"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::events::{Event, Listener, Run, Work};

    #[test]
    fn the_last_runs_are_kept_for_their_user_only() {
        let base = tempfile::tempdir().unwrap();
        let journals = Journals::within(base.path(), "mesos");
        assert_eq!(journals.all(), []);
        for number in 1..=KEPT + 5 {
            let recorder = journals.begin().unwrap();
            let command = format!("apply {number}");
            recorder.hear(Event::RunStarted { run: Run { command, ..Run::default() } });
        }
        let kept = journals.all();
        assert_eq!(kept.len(), KEPT);
        assert_eq!((kept[0].0, &*kept[0].1.run.command), (6, "apply 6"));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&journals.path(25)), 0o600);
        assert_eq!(mode(&journals.folder), 0o700);
    }

    #[test]
    fn what_a_machine_prints_is_never_in_a_journal() {
        let base = tempfile::tempdir().unwrap();
        let journals = Journals::within(base.path(), "../../mesos");
        let recorder = journals.begin().unwrap();
        recorder.hear(Event::Output { work: Work::new("x"), line: "hunter2".into() });
        recorder.hear(Event::Warning { message: "seen".into() });
        let text = std::fs::read_to_string(journals.path(1)).unwrap();
        assert!(text.contains("seen") && !text.contains("hunter2"), "{text}");
        assert!(journals.folder.starts_with(base.path()));
        assert!(!journals.folder.components().any(|part| part.as_os_str() == ".."));
    }
}
