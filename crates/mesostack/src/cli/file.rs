//! The file a command works by.

use mesostack::{events::Event, spec::Document};

use super::run::Run;

impl Run {
    /// Reads the file, and says what a reader should know of it.
    pub(crate) fn read_file(&self) -> miette::Result<Document> {
        let document = Document::read(&self.options.file)?;
        for warning in &document.warnings {
            self.progress.listener().hear(Event::Warning { message: warning.to_string() });
        }
        // A command works by one file; where it is read again it says the same.
        let _ = self.document.set(document.clone());
        Ok(document)
    }
}
