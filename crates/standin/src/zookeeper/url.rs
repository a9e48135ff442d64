//! Where the ensemble is: `zk://user:password@host1:port,host2:port/path`.

use std::fmt;

/// An ensemble's servers, the path below which a daemon keeps its nodes, and the credentials, if any.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Ensemble {
    /// `user:password`
    credentials: Option<String>,
    /// Host and port of every server.
    servers: Vec<(String, u16)>,
    path: String,
}

/// Why a URL is not that of an ensemble.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    #[error("Expecting 'zk://' at the beginning of the URL")]
    Scheme,
    #[error("Expecting a path after the servers of the URL (zk://host:port/path)")]
    Path,
    #[error("Expecting 'username:password' before the '@' of the URL")]
    Credentials,
    #[error("'{0}' is no server of the form host:port")]
    Server(String),
}

impl Ensemble {
    /// Reads the URL. As in Mesos everything from the first `/` is the path: a password cannot contain one.
    pub(crate) fn parse(url: &str) -> Result<Self, Invalid> {
        let rest = url.trim().strip_prefix("zk://").ok_or(Invalid::Scheme)?;
        let (authority, path) = rest.split_once('/').ok_or(Invalid::Path)?;
        let path = path.trim_end_matches('/');
        if path.is_empty() || path.contains("//") {
            return Err(Invalid::Path);
        }
        let (credentials, servers) = match authority.rsplit_once('@') {
            Some((credentials, servers)) => {
                let complete = credentials.split_once(':').is_some_and(|(user, _)| !user.is_empty());
                (complete.then(|| Some(credentials.to_owned())).ok_or(Invalid::Credentials)?, servers)
            }
            None => (None, authority),
        };
        let servers = servers.split(',').map(server).collect::<Result<_, _>>()?;
        Ok(Self { credentials, servers, path: format!("/{path}") })
    }

    pub(crate) fn credentials(&self) -> Option<&str> {
        self.credentials.as_deref()
    }

    pub(crate) fn servers(&self) -> &[(String, u16)] {
        &self.servers
    }

    /// The path below which nodes are kept, beginning with `/`.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

fn server(text: &str) -> Result<(String, u16), Invalid> {
    let invalid = || Invalid::Server(text.to_owned());
    let (host, port) = text.rsplit_once(':').map_or((text, Ok(2181)), |(host, port)| (host, port.parse()));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match port {
        Ok(port) if !host.is_empty() && port != 0 && !host.contains(char::is_whitespace) => {
            Ok((host.to_owned(), port))
        }
        _ => Err(invalid()),
    }
}

/// Without the credentials.
impl fmt::Display for Ensemble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.servers.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        write!(out, "zk://{}{}", servers.join(","), self.path)
    }
}

impl fmt::Debug for Ensemble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn servers_path_and_credentials_are_read_and_the_password_is_not_shown() {
        let ensemble = Ensemble::parse("zk://u:p-1@10.0.0.1:2181,10.0.0.2:2182/mesos\n").unwrap();
        assert_eq!(ensemble.credentials(), Some("u:p-1"));
        assert_eq!(ensemble.servers(), [("10.0.0.1".to_owned(), 2181), ("10.0.0.2".to_owned(), 2182)]);
        assert_eq!(ensemble.path(), "/mesos");
        assert_eq!(format!("{ensemble:?}"), "zk://10.0.0.1:2181,10.0.0.2:2182/mesos");
    }

    #[test]
    fn what_is_no_ensemble_is_refused() {
        for (url, refusal) in [
            ("10.0.0.1:2181/mesos", Invalid::Scheme),
            ("zk://10.0.0.1:2181", Invalid::Path),
            ("zk://10.0.0.1:2181/", Invalid::Path),
            ("zk://user@10.0.0.1:2181/mesos", Invalid::Credentials),
            ("zk://a:1,,b:2/mesos", Invalid::Server(String::new())),
            ("zk://a:b/mesos", Invalid::Server("a:b".into())),
            // A slash in the password ends the servers, as in Mesos.
            ("zk://user:a/b@10.0.0.1:2181/mesos", Invalid::Server("user:a".into())),
        ] {
            assert_eq!(Ensemble::parse(url), Err(refusal), "{url}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(zk://)?[a-z:@,/0-9]{0,40}") {
            let _ = Ensemble::parse(&text);
        }
    }
}
