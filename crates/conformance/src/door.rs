//! The server's address, and requests to it that may be wrong on purpose.

use cloudstack::signature::{Encoding, form, signature};
use cloudstack::{BuildError, Credentials, HttpSettings, HttpTransport};
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, COOKIE};
use secrecy::ExposeSecret;
use url::Url;

use crate::answer::Answer;
use crate::finding::{Verdict, differs};

/// Names and values of a request.
pub(crate) type Pairs = Vec<(String, String)>;

/// Where requests go.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    endpoint: Url,
    http: reqwest::Client,
}

/// How a form travels.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// In the address.
    Get,
    /// In the body.
    Post,
    /// In the address of a POST without a body.
    PostInAddress,
}

impl Door {
    pub(crate) fn new(endpoint: Url, settings: &HttpSettings) -> Result<Self, BuildError> {
        let http = HttpTransport::new(endpoint.clone(), settings)?.http().clone();
        Ok(Self { endpoint, http })
    }

    /// Sends these pairs as they are.
    pub(crate) async fn send(&self, way: Way, pairs: &Pairs) -> Verdict<Answer> {
        self.send_with(way, pairs, None).await
    }

    /// Sends these pairs with cookies.
    pub(crate) async fn send_with(&self, way: Way, pairs: &Pairs, cookies: Option<&str>) -> Verdict<Answer> {
        let form = form(pairs);
        let mut request = match way {
            Way::Get => self.http.get(self.with_query(&form)),
            Way::PostInAddress => self.http.post(self.with_query(&form)),
            Way::Post => self
                .http
                .post(self.endpoint.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form),
        };
        if let Some(cookies) = cookies {
            request = request.header(COOKIE, cookies);
        }
        Self::answer(request).await
    }

    /// Sends these pairs in the address with another method, or with a body of another kind.
    pub(crate) async fn send_oddly(
        &self,
        method: Method,
        pairs: &Pairs,
        body: Option<(&'static str, String)>,
    ) -> Verdict<Answer> {
        let address = if pairs.is_empty() { self.endpoint.clone() } else { self.with_query(&form(pairs)) };
        let mut request = self.http.request(method, address);
        if let Some((kind, body)) = body {
            request = request.header(CONTENT_TYPE, kind).body(body);
        }
        Self::answer(request).await
    }

    fn with_query(&self, form: &str) -> Url {
        let mut address = self.endpoint.clone();
        address.set_query(Some(form));
        address
    }

    async fn answer(request: reqwest::RequestBuilder) -> Verdict<Answer> {
        let broken = |error: reqwest::Error| differs("an answer", error.without_url());
        let response = request.send().await.map_err(broken)?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await.map_err(broken)?;
        Ok(Answer::new(status, headers, &body))
    }
}

/// Owned pairs.
pub(crate) fn pairs(of: &[(&str, &str)]) -> Pairs {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A call of a command that wants JSON, with the API key, not yet signed.
pub(crate) fn call(keys: &Credentials, command: &str, parameters: &[(&str, &str)]) -> Pairs {
    let key = keys.api_key.expose_secret();
    let mut all = pairs(&[("command", command), ("response", "json"), ("apiKey", key)]);
    all.extend(pairs(parameters));
    all
}

/// Signs as a CloudStack server computes it.
pub(crate) fn signed(keys: &Credentials, pairs: Pairs) -> Pairs {
    signed_by(keys, pairs, Encoding::Java)
}

/// Signs with a client's way of escaping.
pub(crate) fn signed_by(keys: &Credentials, mut pairs: Pairs, encoding: Encoding) -> Pairs {
    let signature = signature(&pairs, keys.secret_key.expose_secret(), encoding);
    pairs.push(("signature".to_owned(), signature));
    pairs
}
