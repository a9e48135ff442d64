//! A connection to a zone's socket that costs its holder next to nothing: HTTP/1.1 as the zone speaks it, one request after
//! another.

use std::io::{Error, ErrorKind, Result};
use std::net::Ipv4Addr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// An open connection.
pub(crate) struct Line(BufReader<TcpStream>);

impl Line {
    /// Connects to a port of loopback.
    pub(crate) async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Posts a form: the status and the body of the answer.
    pub(crate) async fn post(&mut self, form: &str) -> Result<(u16, Vec<u8>)> {
        let request = format!(
            "POST /client/api HTTP/1.1\r\nhost: zone\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{form}",
            form.len()
        );
        self.0.get_mut().write_all(request.as_bytes()).await?;
        let broken = |why: &str| Error::new(ErrorKind::InvalidData, why.to_owned());
        let mut line = String::new();
        let mut next = async |stream: &mut BufReader<TcpStream>| {
            line.clear();
            match stream.read_line(&mut line).await? {
                0 => Err(ErrorKind::UnexpectedEof.into()),
                _ => Ok::<String, Error>(line.trim_end().to_ascii_lowercase()),
            }
        };
        let status = next(&mut self.0).await?;
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| broken("no status"))?;
        let mut length = None;
        loop {
            let header = next(&mut self.0).await?;
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().ok();
            }
        }
        let mut body = vec![0; length.ok_or_else(|| broken("no length"))?];
        self.0.read_exact(&mut body).await?;
        Ok((status, body))
    }
}
