//! Where the rehearsal's Mesos comes from: the living distribution where its hosts answer, else the stand-ins.

use std::time::Duration;

use futures::future::join_all;
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
    use super::*;

    #[test]
    fn only_a_file_that_is_there_counts() {
        assert!(is_found(b"HTTP/1.1 200"));
        assert!(is_found(b"HTTP/1.0 200"));
        assert!(!is_found(b"HTTP/1.1 404"));
        assert!(!is_found(b"HTTP/1.1 302"));
        assert!(!is_found(b"SSH-2.0-Open"));
    }
}
