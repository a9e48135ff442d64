//! Keys from environment variables.

use super::{Connection, Credentials, Error, endpoint};

const URL: &str = "CLOUDSTACK_API_URL";
const API_KEY: &str = "CLOUDSTACK_API_KEY";
const SECRET_KEY: &str = "CLOUDSTACK_SECRET_KEY";

/// Reads `CLOUDSTACK_API_KEY` and `CLOUDSTACK_SECRET_KEY`, and `CLOUDSTACK_API_URL` if it is set.
///
/// # Errors
/// When a key is missing or empty, or the address is not one.
pub fn environment() -> Result<Connection, Error> {
    environment_by(|name| std::env::var(name).ok())
}

/// Reads the same variables from somewhere else than the process's environment.
///
/// # Errors
/// As [`environment`].
pub fn environment_by(variable: impl Fn(&str) -> Option<String>) -> Result<Connection, Error> {
    let place = "the environment";
    let set =
        |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let key = |name: &str| {
        set(name).ok_or_else(|| Error::Missing { place: place.to_owned(), what: name.to_owned() })
    };
    Ok(Connection {
        credentials: Credentials::new(key(API_KEY)?, key(SECRET_KEY)?),
        endpoint: endpoint(set(URL).as_deref(), place, URL)?,
        verify_tls: None,
        ca_file: None,
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn with(pairs: &'static [(&str, &str)]) -> Result<Connection, Error> {
        environment_by(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn keys_and_address_are_read() {
        let found =
            with(&[(URL, "http://127.0.0.1:8880/client/api"), (API_KEY, " k "), (SECRET_KEY, "s")]).unwrap();
        assert_eq!(found.endpoint.unwrap().as_str(), "http://127.0.0.1:8880/client/api");
        assert_eq!(found.credentials.api_key.expose_secret(), "k");
        assert_eq!(found.credentials.secret_key.expose_secret(), "s");
    }

    #[test]
    fn an_empty_variable_counts_as_missing_and_is_named() {
        let error = with(&[(API_KEY, ""), (SECRET_KEY, "s")]).unwrap_err();
        assert_eq!(error.to_string(), "the environment does not say CLOUDSTACK_API_KEY");
    }

    #[test]
    fn an_address_that_is_none_is_an_error_without_the_keys() {
        let error = with(&[(URL, "cloud"), (API_KEY, "apple"), (SECRET_KEY, "sesame")]).unwrap_err();
        assert!(error.to_string().contains(URL), "{error}");
        assert!(!format!("{error} {error:?}").contains("apple"));
        assert!(!format!("{error} {error:?}").contains("sesame"));
    }
}
