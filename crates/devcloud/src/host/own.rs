//! What is asked of a zone that is served, at devcloud's own paths: its faults, its clock, its machines, their consoles. The token
//! that lets us in is the zone's own file, so whoever may read that may ask.

use std::net::Ipv4Addr;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::status::key_file;
use super::{Error, Places, Result, ZoneName};
use crate::faults::FaultsFile;
use crate::own::{ClockShown, Found, Move};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the zone may take to do what falls due when its clock is moved: it may have machines to expunge.
const DUE: Duration = Duration::from_secs(300);

/// An answer of the zone's.
struct Answer {
    status: u16,
    body: String,
}

/// The text of the file of faults in force; empty when there is none.
///
/// # Errors
/// When there is no such zone, or it is not served.
pub async fn faults(places: &Places, name: &ZoneName) -> Result<String> {
    ask(places, name, "GET", "faults", "").await?.accepted(name)
}

/// From now on, and as long as it is served, the zone is as this file says; without one, as a zone without a file.
///
/// # Errors
/// When there is no such zone, it is not served, or the file wants of machines what only a simulated zone can do.
pub async fn set_faults(places: &Places, name: &ZoneName, file: Option<&FaultsFile>) -> Result<()> {
    let answer = match file {
        Some(file) => ask(places, name, "PUT", "faults", &file.text).await?,
        None => ask(places, name, "DELETE", "faults", "").await?,
    };
    answer.accepted(name).map(drop)
}

/// What the zone's clock shows.
///
/// # Errors
/// When there is no such zone, or it is not served.
pub async fn clock(places: &Places, name: &ZoneName) -> Result<ClockShown> {
    shown(name, &ask(places, name, "GET", "clock", "").await?.accepted(name)?)
}

/// Moves the zone's clock ahead, and waits until what fell due by it was done. With `signatures`, they expire by it too.
///
/// # Errors
/// When there is no such zone, it is not served, or something that fell due could not be done.
pub async fn forward(places: &Places, name: &ZoneName, by: Duration, signatures: bool) -> Result<ClockShown> {
    let forward = SignedDuration::try_from(by);
    let forward = forward.map_err(|_| Error::Option(format!("{by:?} is too far for a clock")))?;
    let wanted = serde_json::to_string(&Move { forward, signatures });
    let wanted =
        wanted.map_err(|error| Error::Option(format!("{by:?} can't be told to a clock: {error}")))?;
    shown(name, &ask_within(DUE, places, name, "POST", "clock", &wanted).await?.accepted(name)?)
}

fn shown(name: &ZoneName, told: &str) -> Result<ClockShown> {
    serde_json::from_str(told)
        .map_err(|error| Error::Option(format!("zone {name} answered something else than a clock: {error}")))
}

/// The end of what a machine, named by its name or id, has said on its console.
///
/// # Errors
/// When there is no such machine, it has no console, or the zone is not served.
pub async fn console(places: &Places, name: &ZoneName, machine: &str) -> Result<String> {
    ask(places, name, "GET", &format!("machines/{}/console", escaped(machine)), "").await?.accepted(name)
}

/// A machine, named by its name or id.
pub(super) async fn machine(places: &Places, name: &ZoneName, machine: &str) -> Result<Found> {
    let found = ask(places, name, "GET", &format!("machines/{}", escaped(machine)), "").await?;
    serde_json::from_str(&found.accepted(name)?).map_err(|error| {
        Error::Option(format!("zone {name} answered something else than a machine: {error}"))
    })
}

fn escaped(text: &str) -> impl std::fmt::Display + '_ {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
}

impl Answer {
    /// What was answered, or why it was refused.
    fn accepted(self, zone: &ZoneName) -> Result<String> {
        match self.status {
            200..=299 => Ok(self.body),
            _ => Err(Error::Option(format!("zone {zone} refused: {}", self.body.trim()))),
        }
    }
}

/// Sends one request and hears its answer.
async fn ask(places: &Places, name: &ZoneName, method: &str, path: &str, body: &str) -> Result<Answer> {
    ask_within(PATIENCE, places, name, method, path, body).await
}

async fn ask_within(
    patience: Duration,
    places: &Places,
    name: &ZoneName,
    method: &str,
    path: &str,
    body: &str,
) -> Result<Answer> {
    let keys = key_file(places, name)?;
    let port = places.zone(name).settings()?.ok_or_else(|| Error::NoZone(name.clone()))?.port;
    let request = format!(
        "{method} /devcloud/{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {}\r\nContent-Type: \
         application/toml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        keys.token,
        body.len()
    );
    let unheard = |what: String| Error::Option(format!("zone {name} did not answer at port {port}: {what}"));
    let exchange = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await?;
        Ok::<_, std::io::Error>(reply)
    };
    let reply = match tokio::time::timeout(patience, exchange).await {
        Ok(reply) => reply.map_err(|error| unheard(error.to_string()))?,
        Err(_) => return Err(unheard(format!("nothing came within {} s", patience.as_secs()))),
    };
    parse(&reply).ok_or_else(|| unheard("what came is no whole HTTP answer".to_owned()))
}

/// A reply to its end. Our own server gives the length of every body.
fn parse(reply: &[u8]) -> Option<Answer> {
    let reply = String::from_utf8_lossy(reply);
    let (head, body) = reply.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let length = lines.filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    (length.unwrap_or_default() <= body.len()).then(|| Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_cut_off_is_none() {
        let whole = "HTTP/1.1 409 Conflict\r\ncontent-length: 3\r\n\r\nno\n";
        let answer = parse(whole.as_bytes()).expect("whole");
        assert_eq!((answer.status, answer.body.as_str()), (409, "no\n"));
        for end in 0..whole.len() {
            assert!(parse(&whole.as_bytes()[..end]).is_none(), "{end}");
        }
    }
}
