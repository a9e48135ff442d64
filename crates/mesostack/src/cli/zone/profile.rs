//! A zone's keys as a profile of cloudmonkey's configuration, for every tool that reads it.

use std::{
    io::{ErrorKind, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use secrecy::{ExposeSecret, SecretString};

use crate::cli::report::{Refused, While};

/// Where an API is and with which keys.
#[derive(Debug)]
pub(super) struct Profile<'a> {
    pub(super) name: &'a str,
    pub(super) url: &'a str,
    pub(super) api_key: &'a SecretString,
    pub(super) secret_key: &'a SecretString,
}

impl Profile<'_> {
    /// Writes the profile into a configuration, whole or not at all, readable by its owner only. Everything else in the
    /// file stays as it is.
    pub(super) fn save(&self, config: &Path) -> miette::Result<()> {
        if self.name.is_empty() || self.name.contains(['[', ']', '\n', '\r']) {
            let message = format!("`{}` cannot be a profile's name", self.name);
            return Err(Refused::new(message, "choose one without brackets and line breaks").into());
        }
        let tried = || format!("could not write {}", config.display());
        let before = match std::fs::read_to_string(config) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            read => read.tried(format!("could not read {}", config.display()))?,
        };
        let folder = config.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).tried(tried())?;
        let mut file = tempfile::NamedTempFile::new_in(folder).tried(tried())?;
        file.write_all(self.merged(&before).expose_secret().as_bytes()).tried(tried())?;
        file.as_file().set_permissions(PermissionsExt::from_mode(0o600)).tried(tried())?;
        file.persist(config).tried(tried())?;
        Ok(())
    }

    /// The configuration with the profile's section replaced, or added at the end.
    fn merged(&self, before: &str) -> SecretString {
        let heading = format!("[{}]", self.name);
        let mut kept = String::new();
        let mut ours = false;
        for line in before.lines() {
            if line.trim_start().starts_with('[') {
                ours = line.trim() == heading;
            }
            if !ours {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        let kept = kept.trim_end();
        let gap = if kept.is_empty() { "" } else { "\n\n" };
        format!(
            "{kept}{gap}{heading}\nurl       = {}\napikey    = {}\nsecretkey = {}\n",
            self.url,
            self.api_key.expose_secret(),
            self.secret_key.expose_secret(),
        )
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(config: &Path, name: &str, key: &str) -> miette::Result<()> {
        let (api_key, secret_key) = (SecretString::from(key), SecretString::from("secret"));
        Profile { name, url: "http://127.0.0.1:8880/client/api", api_key: &api_key, secret_key: &secret_key }
            .save(config)
    }

    #[test]
    fn a_profile_is_added_and_replaced_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join(".cmk/config");
        save(&config, "one", "first").unwrap();
        let own = "prompt = >\n[mine]\nurl = https://cloud/client/api\napikey = x\n";
        std::fs::write(&config, format!("{own}\n[one]\nurl = old\napikey = old\n\n[last]\nurl = u\n"))
            .unwrap();
        save(&config, "one", "second").unwrap();
        let text = std::fs::read_to_string(&config).unwrap();
        assert_eq!(
            text,
            format!(
                "{own}\n[last]\nurl = u\n\n[one]\nurl       = http://127.0.0.1:8880/client/api\napikey    = second\nsecretkey = secret\n"
            )
        );
        assert_eq!(std::fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o600);
        save(&config, "one", "second").unwrap();
        assert_eq!(std::fs::read_to_string(&config).unwrap(), text, "writing it again changes nothing");
    }

    #[test]
    fn a_name_that_would_break_the_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["", "a]b", "a\nb"] {
            assert!(save(&folder.path().join("config"), name, "k").is_err(), "{name:?}");
        }
    }
}
