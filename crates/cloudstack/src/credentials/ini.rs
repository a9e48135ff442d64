//! Keys from the files that other CloudStack tools keep: cloudmonkey's `~/.cmk/config` and Python's `cloudstack.ini`.
//! Both are sections of `name = value`.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{Connection, Credentials, Error, endpoint, truth};

/// Where cloudmonkey keeps its profiles: `.cmk/config` in the home directory.
#[must_use]
pub fn cmk_default_path() -> Option<PathBuf> {
    std::env::home_dir()
        .filter(|home| !home.as_os_str().is_empty())
        .map(|home| home.join(".cmk").join("config"))
}

/// Reads a cloudmonkey profile: its `url`, `apikey` and `secretkey`, and `verifycert` of the profile or of `[core]`.
/// Without a name it is the one `[core]` names in `profile`.
///
/// # Errors
/// When the file cannot be read, has no such profile, or the profile has no keys.
pub fn cmk_profile(path: &Path, name: Option<&str>) -> Result<Connection, Error> {
    cmk_profile_in(&read(path)?, &path.display().to_string(), name)
}

/// Reads a cloudmonkey profile from the file's text; `place` names the file in errors.
///
/// # Errors
/// As [`cmk_profile`].
pub fn cmk_profile_in(text: &str, place: &str, name: Option<&str>) -> Result<Connection, Error> {
    const CORE: &str = "core";
    let file = File::parse(text, place)?;
    let name = match name {
        Some(name) => name.to_owned(),
        None => file
            .section(CORE)
            .and_then(|core| core.get("profile"))
            .ok_or_else(|| Error::Missing {
                place: place.to_owned(),
                what: "`profile` in [core]".to_owned(),
            })?
            .to_owned(),
    };
    let profile = file.section(&name).filter(|_| name != CORE).ok_or_else(|| Error::NoSection {
        place: place.to_owned(),
        what: "profile",
        name: name.clone(),
        known: file.names().filter(|name| *name != CORE).map(str::to_owned).collect(),
    })?;
    let place = format!("profile \"{name}\" in {place}");
    let (Some(api_key), Some(secret_key)) = (profile.get("apikey"), profile.get("secretkey")) else {
        if profile.get("password").is_some() {
            return Err(Error::PasswordOnly { place, what: "`apikey` and `secretkey`" });
        }
        let what = if profile.get("apikey").is_none() { "`apikey`" } else { "`secretkey`" };
        return Err(Error::Missing { place, what: what.to_owned() });
    };
    let verify = profile.get("verifycert").or_else(|| file.section(CORE)?.get("verifycert"));
    Ok(Connection {
        endpoint: endpoint(profile.get("url"), &place, "`url`")?,
        credentials: Credentials::new(api_key, secret_key),
        verify_tls: verify.and_then(truth),
        ca_file: None,
    })
}

/// Reads a section of a `cloudstack.ini`: `endpoint`, `key`, `secret`, `verify` (true, false or a file of authorities)
/// and `dangerous_no_tls_verify`. Without a name it is `cloudstack`.
///
/// # Errors
/// When the file cannot be read, has no such section, or the section has no keys.
pub fn ini(path: &Path, section: Option<&str>) -> Result<Connection, Error> {
    ini_in(&read(path)?, &path.display().to_string(), section)
}

/// Reads a section from the text of a `cloudstack.ini`; `place` names the file in errors.
///
/// # Errors
/// As [`ini`].
pub fn ini_in(text: &str, place: &str, section: Option<&str>) -> Result<Connection, Error> {
    let name = section.unwrap_or("cloudstack");
    let file = File::parse(text, place)?;
    let section = file.section(name).ok_or_else(|| Error::NoSection {
        place: place.to_owned(),
        what: "section",
        name: name.to_owned(),
        known: file.names().map(str::to_owned).collect(),
    })?;
    let place = format!("section \"{name}\" in {place}");
    let key = |what: &str| {
        section.get(what).ok_or_else(|| Error::Missing { place: place.clone(), what: format!("`{what}`") })
    };
    let verify = section.get("verify");
    let unchecked = section.get("dangerous_no_tls_verify").and_then(truth) == Some(true);
    Ok(Connection {
        credentials: Credentials::new(key("key")?, key("secret")?),
        endpoint: endpoint(section.get("endpoint"), &place, "`endpoint`")?,
        verify_tls: if unchecked { Some(false) } else { verify.and_then(truth) },
        ca_file: verify.filter(|verify| truth(verify).is_none()).map(PathBuf::from),
    })
}

fn read(path: &Path) -> Result<Zeroizing<String>, Error> {
    std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|source| Error::Unreadable { path: path.to_owned(), source })
}

struct File<'a>(Vec<Section<'a>>);

struct Section<'a> {
    name: &'a str,
    settings: Vec<(&'a str, &'a str)>,
}

impl<'a> File<'a> {
    /// Reads sections of `name = value` or `name: value`; lines that begin with `#` or `;` are comments. Settings
    /// before the first section belong to one without a name.
    fn parse(text: &'a str, place: &str) -> Result<Self, Error> {
        let mut sections = vec![Section { name: "", settings: Vec::new() }];
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                sections.push(Section { name: name.trim(), settings: Vec::new() });
                continue;
            }
            let Some((name, value)) = line.split_once(['=', ':']) else {
                return Err(Error::Syntax { place: place.to_owned(), line: index + 1 });
            };
            if let Some(section) = sections.last_mut() {
                section.settings.push((name.trim(), unquoted(value.trim())));
            }
        }
        Ok(Self(sections))
    }

    fn section(&self, name: &str) -> Option<&Section<'a>> {
        self.0.iter().rev().find(|section| section.name == name)
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(|section| section.name).filter(|name| !name.is_empty())
    }
}

impl<'a> Section<'a> {
    /// The last value of this name that is not blank; names are told apart without regard to case.
    fn get(&self, name: &str) -> Option<&'a str> {
        let mut values = self.settings.iter().rev().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| *value).filter(|value| !value.is_empty())
    }
}

/// A value without the quotes that cloudmonkey's writer puts around some.
fn unquoted(value: &str) -> &str {
    ['"', '\'', '`']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    const CMK: &str = "\
[core]
prompt     = 🐱
verifycert = false
profile    = devcloud

[devcloud]
url       = http://127.0.0.1:8880/client/api
username  =
apikey    = key-of-devcloud==
secretkey = \"secret=of;devcloud\"

[strict]
url        = https://cloud.example/client/api
apikey     = k
secretkey  = s
verifycert = true

[old]
url      = https://old.example/client/api
username = admin
password = hunter2
";

    #[test]
    fn the_profile_core_names_is_the_default() {
        let found = cmk_profile_in(CMK, "config", None).unwrap();
        assert_eq!(found.endpoint.unwrap().as_str(), "http://127.0.0.1:8880/client/api");
        assert_eq!(found.credentials.api_key.expose_secret(), "key-of-devcloud==");
        assert_eq!(found.credentials.secret_key.expose_secret(), "secret=of;devcloud");
        assert_eq!(found.verify_tls, Some(false));
    }

    #[test]
    fn a_profile_s_own_verifycert_wins() {
        assert_eq!(cmk_profile_in(CMK, "config", Some("strict")).unwrap().verify_tls, Some(true));
    }

    #[test]
    fn an_unknown_profile_is_told_with_those_there_are() {
        let error = cmk_profile_in(CMK, "config", Some("devclod")).unwrap_err();
        assert_eq!(error.to_string(), "config has no profile \"devclod\"; it has devcloud, strict, old");
    }

    #[test]
    fn core_is_no_profile() {
        assert!(matches!(cmk_profile_in(CMK, "config", Some("core")), Err(Error::NoSection { .. })));
    }

    #[test]
    fn a_profile_with_a_password_only_says_what_to_do_and_not_the_password() {
        let error = cmk_profile_in(CMK, "config", Some("old")).unwrap_err();
        assert!(error.to_string().contains("registerUserKeys"), "{error}");
        assert!(!format!("{error}{error:?}").contains("hunter2"));
    }

    #[test]
    fn a_line_that_is_nothing_is_named_by_its_number_alone() {
        let error = cmk_profile_in("[core]\nprofile = a\nsesame\n", "config", None).unwrap_err();
        assert_eq!(error.to_string(), "config, line 3: expected `[section]` or `name = value`");
    }

    #[test]
    fn cs_sections_give_a_file_of_authorities_or_a_truth_value() {
        let text = "[cloudstack]\nendpoint = https://a.example/client/api\nkey = k\nsecret = s\nverify = /etc/ca.pem\n\
                    [lab]\nkey: k2\nsecret: s2\ndangerous_no_tls_verify = true\n";
        let first = ini_in(text, "cloudstack.ini", None).unwrap();
        assert_eq!((first.verify_tls, first.ca_file), (None, Some(PathBuf::from("/etc/ca.pem"))));
        let lab = ini_in(text, "cloudstack.ini", Some("lab")).unwrap();
        assert_eq!((lab.verify_tls, lab.ca_file, lab.endpoint), (Some(false), None, None));
        assert_eq!(lab.credentials.api_key.expose_secret(), "k2");
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = ini_in("[cloudstack]\nkey = k\n", "cloudstack.ini", None).unwrap_err();
        assert_eq!(error.to_string(), "section \"cloudstack\" in cloudstack.ini does not say `secret`");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = cmk_profile(Path::new("/nonexistent/config"), None).unwrap_err();
        assert_eq!(error.to_string(), "/nonexistent/config cannot be read");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(?s).{0,200}") {
            let _ = cmk_profile_in(&text, "config", None);
            let _ = ini_in(&text, "cloudstack.ini", None);
        }

        #[test]
        fn keys_of_any_usual_characters_come_through(key in "[A-Za-z0-9_+/=-]{1,90}", secret in "[A-Za-z0-9_+/=-]{1,90}") {
            let text = format!("[p]\napikey = {key}\nsecretkey={secret}\n");
            let found = cmk_profile_in(&text, "config", Some("p")).unwrap();
            prop_assert_eq!(found.credentials.api_key.expose_secret(), &key);
            prop_assert_eq!(found.credentials.secret_key.expose_secret(), &secret);
        }
    }
}
