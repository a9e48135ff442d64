//! A transport that plays a server in the same process: a function from the command and its parameters to a reply.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cloudstack::{
    Client, Credentials, Method, RawReply, SignedRequest, Transport, TransportError, TransportFailure,
};
use serde_json::{Value, json};
use tokio::time::Instant;

/// A request as the server sees it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) method: Method,
    pub(crate) command: String,
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Seen {
    pub(crate) fn get(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }
}

/// What the script answers.
pub(crate) enum Answer {
    /// Inside of the envelope, with HTTP 200.
    Ok(Value),
    /// A refusal.
    Refused(u16, &'static str),
    /// A reply as it is.
    Raw(u16, &'static str),
    /// No reply.
    Lost(TransportFailure),
}

type Script = dyn FnMut(&Seen) -> Answer + Send;

pub(crate) struct Scripted {
    script: Mutex<Box<Script>>,
    seen: Mutex<Vec<Seen>>,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl Scripted {
    pub(crate) fn new(script: impl FnMut(&Seen) -> Answer + Send + 'static) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(Box::new(script)), seen: Mutex::default() })
    }

    pub(crate) fn client(self: &Arc<Self>) -> Client {
        Client::builder("http://cloud.test/client/api".parse().unwrap(), Credentials::new("apple", "sesame"))
            .transport(Arc::clone(self) as Arc<dyn Transport>)
            .jitter_seed(7)
            .build()
            .unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

#[async_trait]
impl Transport for Scripted {
    async fn send(&self, request: SignedRequest) -> Result<RawReply, TransportError> {
        let parameters: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.form.as_bytes()).into_owned().collect();
        let command = parameters.get("command").cloned().unwrap_or_default();
        let seen = Seen { at: Instant::now(), method: request.method, command, parameters };
        self.seen.lock().unwrap().push(seen.clone());
        let answer = (self.script.lock().unwrap())(&seen);
        let key = format!("{}response", seen.command.to_lowercase());
        let (status, body) = match answer {
            Answer::Ok(inner) => (200, json!({ key: inner }).to_string()),
            Answer::Refused(code, text) => {
                let cs_code = 4350;
                let inner =
                    json!({"uuidList": [], "errorcode": code, "cserrorcode": cs_code, "errortext": text});
                (code, json!({ key: inner }).to_string())
            }
            Answer::Raw(status, body) => (status, body.to_owned()),
            Answer::Lost(kind) => return Err(TransportError::bare(kind)),
        };
        let content_type = Some("application/json;charset=utf-8".to_owned());
        Ok(RawReply { status, content_type, body: body.into_bytes() })
    }
}
