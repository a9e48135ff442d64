//! TLS: a certificate is checked, against the host's authorities and one's own, unless told not to.
//!
//! The certificates in `tls/` are for 127.0.0.1, made with openssl for these tests, and valid from 2020 to 2120; their
//! authority's key was thrown away.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use cloudstack::{Client, ClientBuilder, Credentials, Effect, Error, TransportFailure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

const AUTHORITY: &[u8] = include_bytes!("tls/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("tls/server.pem");
const KEY: &[u8] = include_bytes!("tls/server.key");

/// A server for one connection. Says whether a request came through the handshake.
fn serve_once() -> (SocketAddr, JoinHandle<bool>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), socket);
        let mut request = [0; 4096];
        let came = stream.read(&mut request).is_ok_and(|bytes| bytes > 0);
        if came {
            let body = r#"{"listzonesresponse":{}}"#;
            let head =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
        came
    });
    (address, thread)
}

/// What a client makes of the server, and whether the server saw a request.
async fn ask(host: &str, settings: impl FnOnce(ClientBuilder) -> ClientBuilder) -> (Result<(), Error>, bool) {
    let (address, server) = serve_once();
    let endpoint = format!("https://{host}:{}/client/api", address.port()).parse().unwrap();
    let builder = Client::builder(endpoint, Credentials::new("apple", "sesame")).attempts(1);
    let client = settings(builder).build().unwrap();
    let asked = client.raw("listZones", Effect::Read, &[]).await.map(drop);
    (asked, server.join().unwrap())
}

fn refused_in_the_handshake((asked, came): (Result<(), Error>, bool)) {
    let error = asked.unwrap_err();
    let Error::Transport { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.kind, TransportFailure::NotSent);
    assert!(error.to_string().contains("certificate"), "{error}");
    assert!(!came, "nothing signed may reach a server whose certificate is not trusted");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    refused_in_the_handshake(ask("127.0.0.1", |builder| builder).await);
}

#[tokio::test]
async fn a_certificate_of_one_s_own_authority_is_taken() {
    let (asked, came) = ask("127.0.0.1", |builder| builder.ca_file(AUTHORITY)).await;
    asked.unwrap();
    assert!(came);
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    refused_in_the_handshake(ask("localhost", |builder| builder.ca_file(AUTHORITY)).await);
}

#[tokio::test]
async fn any_certificate_is_taken_when_told_so() {
    let (asked, came) = ask("localhost", |builder| builder.danger_accept_invalid_certificates(true)).await;
    asked.unwrap();
    assert!(came);
}
