//! Where the rehearsal's Mesos comes from: the living distribution where its hosts answer, else the stand-ins. That they
//! answer is not all: the archive's key may have expired, a package may be gone. When nobody asked for the distribution and
//! it turns out so, the image is built with the stand-ins after all.

use std::time::Duration;

use futures::future::join_all;
use mesostack::image::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::cli::arguments::DemoPackages;

/// ClusterD's package archive, asked for a file that is always there.
const ARCHIVE: (&str, &str) = ("rpm.aventer.biz", "/Debian/dists/bookworm/Release");

/// What else an image of it is made from: the archive's key, and the registry of Marathon's container image.
const OTHERS: [&str; 2] = ["www.aventer.biz", "registry-1.docker.io"];

/// Long enough for a slow line; where there is none, nobody wants to wait longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Finds out which packages can be had from here.
pub(super) async fn find() -> DemoPackages {
    let archive = timeout(PATIENCE, answers(ARCHIVE.0, ARCHIVE.1));
    let others = join_all(OTHERS.map(|host| timeout(PATIENCE, TcpStream::connect((host, 443)))));
    let (archive, others) = tokio::join!(archive, others);
    let reachable =
        matches!(archive, Ok(Ok(true))) && others.iter().all(|reached| matches!(reached, Ok(Ok(_))));
    if reachable { DemoPackages::Clusterd } else { DemoPackages::Standin }
}

/// What an image was made of in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) packages: DemoPackages,
    /// Why it is stand-ins, when the distribution was tried first.
    pub(super) instead: Option<String>,
}

/// Builds with the packages that were `found`; when these are the distribution's and a step of the recipe fails with them,
/// once more with the stand-ins. Who has `asked` for them is told of the failure instead.
pub(super) async fn build(
    found: DemoPackages,
    asked: bool,
    build: impl AsyncFn(DemoPackages) -> miette::Result<()>,
    remark: impl Fn(&str),
) -> miette::Result<Used> {
    let Err(failure) = build(found).await else { return Ok(Used { packages: found, instead: None }) };
    let reason = match (asked, found) {
        (false, DemoPackages::Clusterd) => failed_step(&failure),
        _ => None,
    };
    let Some(reason) = reason else { return Err(failure) };
    remark(&format!(
        "ClusterD's packages could not be used: {reason}\nThe image is built with stand-ins instead; --packages clusterd insists"
    ));
    let packages = DemoPackages::Standin;
    build(packages).await?;
    Ok(Used { packages, instead: Some(reason) })
}

/// The step of the recipe that failed in the machine, and how, if that is what went wrong.
fn failed_step(failure: &miette::Report) -> Option<String> {
    let of_the_image = failure.chain().find_map(|cause| cause.downcast_ref::<Error>());
    of_the_image.filter(|error| matches!(error, Error::Step { .. })).map(ToString::to_string)
}

/// Whether a web server has a file.
async fn answers(host: &str, path: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((host, 80)).await?;
    let question = format!("HEAD {path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(question.as_bytes()).await?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await?;
    Ok(is_found(&status))
}

/// `HTTP/1.x 200`
fn is_found(status: &[u8; 12]) -> bool {
    status.starts_with(b"HTTP/1.") && status.ends_with(b" 200")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::cli::report::While as _;

    /// Builds with `found`, where the build with ClusterD's packages ends in `error`. Gives what was tried and remarked too.
    async fn built(
        found: DemoPackages,
        asked: bool,
        error: fn() -> Error,
    ) -> (miette::Result<Used>, Vec<DemoPackages>, String) {
        let (tried, remarks) = (Mutex::new(Vec::new()), Mutex::new(String::new()));
        let attempt = async |packages: DemoPackages| {
            tried.lock().unwrap().push(packages);
            match packages {
                DemoPackages::Clusterd => Err(error()).tried("the image could not be built"),
                DemoPackages::Standin => Ok(()),
            }
        };
        let used = build(found, asked, attempt, |text| remarks.lock().unwrap().push_str(text)).await;
        (used, tried.into_inner().unwrap(), remarks.into_inner().unwrap())
    }

    fn expired() -> Error {
        Error::Step {
            step: "fetch package sources".into(),
            status: "exit status 1".into(),
            said: "clusterd: key BA22 expired on 2026-11-01".into(),
        }
    }

    #[tokio::test]
    async fn a_distribution_that_cannot_be_used_is_replaced_by_stand_ins_and_the_reason_is_told() {
        let (used, tried, remarks) = built(DemoPackages::Clusterd, false, expired).await;
        let used = used.unwrap();
        assert_eq!(tried, [DemoPackages::Clusterd, DemoPackages::Standin]);
        assert_eq!(used.packages, DemoPackages::Standin);
        assert!(used.instead.unwrap().contains("expired on 2026-11-01"));
        assert!(remarks.contains("expired on 2026-11-01") && remarks.contains("stand-ins"), "{remarks}");
    }

    #[tokio::test]
    async fn what_was_asked_for_is_not_replaced() {
        let (used, tried, remarks) = built(DemoPackages::Clusterd, true, expired).await;
        assert!(used.is_err());
        assert_eq!((tried, remarks.as_str()), (vec![DemoPackages::Clusterd], ""));
    }

    #[tokio::test]
    async fn what_is_no_fault_of_the_packages_is_not_tried_again() {
        let cancelled = || Error::Cancelled { doing: "fetch package sources".into() };
        let (used, tried, _) = built(DemoPackages::Clusterd, false, cancelled).await;
        assert!(used.is_err());
        assert_eq!(tried, [DemoPackages::Clusterd]);
    }

    #[test]
    fn only_a_file_that_is_there_counts() {
        assert!(is_found(b"HTTP/1.1 200"));
        assert!(is_found(b"HTTP/1.0 200"));
        assert!(!is_found(b"HTTP/1.1 404"));
        assert!(!is_found(b"HTTP/1.1 302"));
        assert!(!is_found(b"SSH-2.0-Open"));
    }
}
