//! Keys from a program, such as one that asks a password store.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use zeroize::Zeroizing;

use super::{Connection, Credentials, Error, endpoint, truth};

/// Runs a program, not through a shell, that prints a JSON object with `api_key` and `secret_key`, and perhaps
/// `api_url` and `verify_tls`; the names cloudmonkey uses (`apikey`, `secretkey`, `url`, `verifycert`) do as well.
///
/// Its input is empty, its error stream is ours, and it is killed after `within`, or when the future is dropped.
///
/// ```no_run
/// # async fn example() -> Result<(), cloudstack::credentials::Error> {
/// use std::time::Duration;
///
/// let argv = ["pass".to_owned(), "show".to_owned(), "cloud.json".to_owned()];
/// let connection = cloudstack::credentials::command(&argv, Duration::from_secs(30)).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the program cannot be run, fails, takes too long, or prints something else.
pub async fn command(argv: &[String], within: Duration) -> Result<Connection, Error> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(Error::Missing { place: "the command".to_owned(), what: "a program".to_owned() });
    };
    let program = program.clone();
    let run = tokio::process::Command::new(&program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output();
    let output = match tokio::time::timeout(within, run).await {
        Err(_) => return Err(Error::TooSlow { program, after: within }),
        Ok(Err(source)) => return Err(Error::NotRun { program, source }),
        Ok(Ok(output)) => output,
    };
    let printed = Zeroizing::new(output.stdout);
    if !output.status.success() {
        return Err(Error::Failed { program, status: output.status });
    }
    read(&printed, program)
}

fn read(printed: &[u8], program: String) -> Result<Connection, Error> {
    let Ok(Value::Object(said)) = serde_json::from_slice::<Value>(printed) else {
        return Err(Error::NotJson { program });
    };
    let text = |names: [&str; 2]| {
        names.iter().find_map(|name| said.get(*name)?.as_str()).map(str::trim).filter(|text| !text.is_empty())
    };
    let (Some(api_key), Some(secret_key)) = (text(["api_key", "apikey"]), text(["secret_key", "secretkey"]))
    else {
        return Err(Error::NotJson { program });
    };
    let place = format!("the command `{program}`");
    let verify = ["verify_tls", "verifycert"].iter().find_map(|name| match said.get(*name)? {
        Value::Bool(verify) => Some(*verify),
        Value::String(verify) => truth(verify),
        _ => None,
    });
    Ok(Connection {
        endpoint: endpoint(text(["api_url", "url"]), &place, "`api_url`")?,
        credentials: Credentials::new(api_key, secret_key),
        verify_tls: verify,
        ca_file: None,
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[tokio::test]
    async fn printed_json_gives_the_keys() {
        let script = r#"echo '{"api_key":"k","secretkey":"s","api_url":"http://127.0.0.1/client/api","verify_tls":true}'"#;
        let found = command(&shell(script), SOON).await.unwrap();
        assert_eq!(found.credentials.api_key.expose_secret(), "k");
        assert_eq!(found.credentials.secret_key.expose_secret(), "s");
        assert_eq!(found.endpoint.unwrap().as_str(), "http://127.0.0.1/client/api");
        assert_eq!(found.verify_tls, Some(true));
    }

    #[tokio::test]
    async fn what_a_program_prints_is_never_in_an_error() {
        for script in ["echo sesame", "echo sesame; exit 3", r#"echo '{"api_key":"sesame"}'"#] {
            let error = command(&shell(script), SOON).await.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("sesame"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_program_that_fails_or_is_not_there_is_told_apart() {
        assert!(matches!(command(&shell("exit 3"), SOON).await, Err(Error::Failed { .. })));
        let missing = ["/nonexistent/program".to_owned()];
        assert!(matches!(command(&missing, SOON).await, Err(Error::NotRun { .. })));
        assert!(matches!(command(&[], SOON).await, Err(Error::Missing { .. })));
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_killed_in_time() {
        let error = command(&["sleep".to_owned(), "30".to_owned()], Duration::from_millis(100)).await;
        assert!(matches!(error, Err(Error::TooSlow { .. })));
    }
}
