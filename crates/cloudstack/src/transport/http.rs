//! HTTP: a pooled client with certificate checks, time limits, no redirects and no second sending behind our back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Url;

use super::{Method, RawReply, SignedRequest, Transport};
use crate::client::BuildError;
use crate::error::{TransportError, TransportFailure};

/// The most bytes of one reply that are read; the longest known reply (`listApis` for a root admin) has 6 MB.
const LONGEST_REPLY: usize = 128 * 1024 * 1024;

/// How HTTP is spoken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpSettings {
    /// A file's content in PEM with authorities to trust beside the host's own.
    pub ca_pem: Option<Vec<u8>>,
    /// Whether to accept any certificate. Whoever stands between can then read and change everything.
    pub accept_invalid_certificates: bool,
    /// How long a connection may take to be made; 10 s by default.
    pub connect_timeout: Duration,
    /// How long one call may take in all; 2 min by default, for a real server has taken a minute to answer a deployment.
    pub call_timeout: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            ca_pem: None,
            accept_invalid_certificates: false,
            connect_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(120),
        }
    }
}

/// Sends requests over HTTP or HTTPS.
pub struct HttpTransport {
    endpoint: Url,
    client: reqwest::Client,
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport").field("endpoint", &self.endpoint.as_str()).finish_non_exhaustive()
    }
}

impl HttpTransport {
    /// A transport to one endpoint, such as `https://cloud.example/client/api`.
    ///
    /// # Errors
    /// When the address is no HTTP address, or the certificates given cannot be read.
    pub fn new(endpoint: Url, settings: &HttpSettings) -> Result<Self, BuildError> {
        if !matches!(endpoint.scheme(), "http" | "https") || endpoint.host().is_none() {
            return Err(BuildError::Endpoint {
                problem: "it must begin with http:// or https:// and name a host",
            });
        }
        if !endpoint.username().is_empty() || endpoint.password().is_some() {
            return Err(BuildError::Endpoint { problem: "it must not carry a user name or password" });
        }
        if endpoint.query().is_some() || endpoint.fragment().is_some() {
            return Err(BuildError::Endpoint { problem: "it must not carry a query or fragment" });
        }
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(settings)?)
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.call_timeout)
            // A redirect would carry the signed request to another place, a POST as a GET.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("cloudstack-rust/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&endpoint) {
            // A proxy of the environment has another loopback than ours.
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| BuildError::Http(Arc::new(error.without_url())))?;
        Ok(Self { endpoint, client })
    }

    /// The client that it sends with, for requests to the same server that are none of a [`Transport`]: with headers,
    /// cookies or methods of their own.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.client
    }
}

fn is_loopback(endpoint: &Url) -> bool {
    match endpoint.host() {
        Some(url::Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
        }
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// TLS with ring, given explicitly: a library must not depend on a provider that somebody may have installed for the
/// whole process, and a host without any authorities must still be able to speak plain HTTP.
fn tls(settings: &HttpSettings) -> Result<rustls::ClientConfig, BuildError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| BuildError::Tls(Arc::new(error)))?;
    if settings.accept_invalid_certificates {
        let verifier = Arc::new(unverified::AnyCertificate::new(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "some of the host's certificate authorities cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    if let Some(pem) = &settings.ca_pem {
        let mut any = false;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate =
                certificate.map_err(|error| BuildError::CaFile { problem: error.to_string() })?;
            roots.add(certificate).map_err(|error| BuildError::CaFile { problem: error.to_string() })?;
            any = true;
        }
        if !any {
            return Err(BuildError::CaFile { problem: "it holds no certificate".to_owned() });
        }
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: SignedRequest) -> Result<RawReply, TransportError> {
        let call = match request.method {
            Method::Get => {
                let mut address = self.endpoint.clone();
                address.set_query(Some(&request.form));
                self.client.get(address)
            }
            Method::Post => self
                .client
                .post(self.endpoint.clone())
                .header("content-type", "application/x-www-form-urlencoded")
                .body(request.form.as_bytes().to_vec()),
        };
        let mut response = call.send().await.map_err(failure)?;
        let status = response.status().as_u16();
        let content_type =
            response.headers().get("content-type").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            if body.len() + chunk.len() > LONGEST_REPLY {
                return Err(TransportError::new(
                    TransportFailure::Broken,
                    "the reply is longer than 128 MiB",
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(RawReply { status, content_type, body })
    }
}

/// Sorts a failure by how far the request came, and takes the address with the signed query out of it.
fn failure(error: reqwest::Error) -> TransportError {
    let kind = if error.is_connect() || error.is_builder() {
        TransportFailure::NotSent
    } else if error.is_timeout() {
        TransportFailure::TimedOut
    } else {
        TransportFailure::Broken
    };
    TransportError::new(kind, error.without_url())
}

/// The explicit opt-out of certificate checks.
mod unverified {
    use std::sync::Arc;

    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::CryptoProvider;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};

    /// Takes every certificate; signatures of the handshake are still checked.
    #[derive(Debug)]
    pub(super) struct AnyCertificate(Arc<CryptoProvider>);

    impl AnyCertificate {
        pub(super) fn new(provider: Arc<CryptoProvider>) -> Self {
            Self(provider)
        }
    }

    impl ServerCertVerifier for AnyCertificate {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let algorithms = &self.0.signature_verification_algorithms;
            rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let algorithms = &self.0.signature_verification_algorithms;
            rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}
