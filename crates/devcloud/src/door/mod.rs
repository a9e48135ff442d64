//! The zone's door without its socket: a request goes in, a reply comes out. Signature, parameters, envelope, paging and
//! errors are here (with the commands' tables), and here only.

mod envelope;
mod form;
mod session;
mod signature;
mod throttle;
mod xml;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use self::envelope::Form;
pub(crate) use self::session::{Sessions, same};
pub(crate) use self::throttle::Windows;
use crate::command::{self, Arguments, Call, Caller, Command, Generated, History, NOWHERE, Run, check};
use crate::error::{ApiError, UNVERIFIED};
use crate::zone::Core;

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// Anything else; answered with 405.
    Other,
}

/// A request to the API's one address.
#[derive(Clone)]
pub struct Request {
    /// How it came.
    pub method: Method,
    /// The URL's query, without `?`, still escaped.
    pub query: String,
    /// The body's content type, if it has one.
    pub content_type: Option<String>,
    /// The body: a form, or empty.
    pub body: Vec<u8>,
    /// The `Cookie` header, if there is one.
    pub cookie: Option<String>,
    /// Where it came from.
    pub from: IpAddr,
    /// The host and port it was sent to, as it says itself.
    pub host: Option<String>,
}

impl std::fmt::Debug for Request {
    // Queries and bodies hold passwords, user-data and signatures.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Request {
    /// A GET with this query.
    pub fn get(query: impl Into<String>) -> Self {
        Self {
            method: Method::Get,
            query: query.into(),
            content_type: None,
            body: Vec::new(),
            cookie: None,
            from: IpAddr::V4(Ipv4Addr::LOCALHOST),
            host: None,
        }
    }

    /// A POST of this form.
    pub fn post(form: impl Into<String>) -> Self {
        Self {
            method: Method::Post,
            query: String::new(),
            content_type: Some("application/x-www-form-urlencoded".to_owned()),
            body: form.into().into_bytes(),
            cookie: None,
            from: IpAddr::V4(Ipv4Addr::LOCALHOST),
            host: None,
        }
    }
}

/// What the API answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The content type.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// What a server around or before the API answers: a page, not an envelope.
    pub(crate) fn page(status: u16, reason: &str) -> Self {
        envelope::page(status, reason)
    }
}

impl Request {
    /// The command that is called, as it was written.
    pub(crate) fn command(&self) -> String {
        form::decode(self).remove("command").unwrap_or_default()
    }
}

/// The longest URL query taken; the real server's header buffer is 8 KiB.
const QUERY_LIMIT: usize = 8000;
/// The longest form taken; beyond it the real server answers with a page.
const FORM_LIMIT: usize = 1 << 20;

/// Answers a request; a list, if there is a lag, as it was so long ago.
pub(crate) async fn handle(core: &Arc<Core>, request: Request, lag: Option<Duration>) -> Reply {
    if request.method == Method::Other {
        return envelope::page(405, "Method Not Allowed");
    }
    if request.query.len() > QUERY_LIMIT {
        return envelope::page(414, "URI Too Long");
    }
    if request.body.len() > FORM_LIMIT {
        return envelope::page(404, "Not Found");
    }
    let received = form::decode(&request);
    let form = Form::of(received.get("response").map(String::as_str));
    let name = received.get("command").map(String::as_str);
    match name {
        Some("login") if request.method == Method::Get => {
            return envelope::bare(form, 405, "Please use HTTP POST to authenticate using this API");
        }
        Some("login") => return session::login(core, form, &received, request.from).await,
        Some("logout") => return session::logout(core, form, &request).await,
        _ => {}
    }
    let command = name.and_then(command::named);
    let key = match (name, command) {
        (_, Some(command)) => command.response_key(),
        (Some(_), None) => "errorresponse".to_owned(),
        (None, _) => "null".to_owned(),
    };
    if core.is_closing() {
        return envelope::error(form, &key, &ApiError::closing(), true);
    }
    let caller = match who(core, &received, &request, command.is_some()) {
        Ok(caller) => caller,
        Err(error) => return envelope::error(form, &key, &error, true),
    };
    let permitted = command.filter(|command| command.is_for(&caller));
    let Some(command) = permitted else {
        let error = ApiError::unavailable(name.unwrap_or_default(), &caller.name);
        return envelope::error(form, "errorresponse", &error, caller.root_admin);
    };
    if let Err(error) = core.windows.count(&caller, core.settings().config.throttle, core.clock().instant()) {
        return envelope::error(form, &key, &error, caller.root_admin);
    }
    core.take_time(command.name, core.settings().config.pace.of_call(command.name)).await;
    match run(core, command, &received, &caller, &request, lag).await {
        Ok(answer) => envelope::answer(form, &key, answer),
        Err(error) => envelope::error(form, &key, &error, caller.root_admin),
    }
}

/// Who calls: by API key and signature, or by a session.
fn who(
    core: &Core,
    received: &BTreeMap<String, String>,
    request: &Request,
    known_command: bool,
) -> Result<Caller, ApiError> {
    let unverified = || ApiError::unverified(UNVERIFIED);
    let field = |name: &str| form::find(received, name);
    let Some(api_key) = field("apikey") else { return session::caller(core, received, request) };
    let signature = field("signature").ok_or_else(unverified)?;
    if !known_command {
        return Err(unverified());
    }
    if field("signatureversion") == Some("3") {
        let expires = field("expires").and_then(signature::parse_expiry).ok_or_else(unverified)?;
        if expires < core.clock().for_signatures() {
            return Err(unverified());
        }
    }
    let (caller, secret) = core.read(|model| {
        let found = model.users().find(|(_, user)| user.api_key.as_deref() == Some(api_key));
        let (account, user) = found.filter(|found| session::may_call(*found)).ok_or_else(unverified)?;
        Ok::<_, ApiError>((session::as_caller(account, user), user.secret_key.clone()))
    })?;
    // Not under the zone's lock: it is the call's own work.
    if !signature::verifies(received, &secret, signature, core.settings().config.strict_signatures) {
        return Err(unverified());
    }
    Ok(caller)
}

async fn run(
    core: &Arc<Core>,
    command: &'static Command,
    received: &BTreeMap<String, String>,
    caller: &Caller,
    request: &Request,
    lag: Option<Duration>,
) -> Result<Value, ApiError> {
    if let Some((name, _)) = received.iter().find(|(_, value)| value.chars().any(unprintable)) {
        let text =
            format!("Received value containing illegal ASCII non-printable characters for parameter {name}");
        return Err(ApiError::parameter(text));
    }
    let lowered = form::lower_names(received);
    let host = request.host.as_deref().unwrap_or(NOWHERE);
    if request.method == Method::Get
        && lowered.get("userdata").is_some_and(|data| data.len() > command::USER_DATA_GET_LIMIT)
    {
        return Err(ApiError::invalid("User data is too long for http GET request"));
    }
    let settings = core.settings();
    let with_call = |model: &mut crate::model::Model,
                     now,
                     arguments: &Arguments,
                     generated,
                     then: &mut dyn FnMut(&mut Call<'_>) -> Result<(), ApiError>| {
        let mut call = Call {
            model,
            settings: &settings,
            caller,
            arguments,
            now,
            refresh: Vec::new(),
            fetch: Vec::new(),
            server: core.server(host),
            generated,
        };
        then(&mut call)?;
        Ok::<_, ApiError>((call.refresh, call.fetch))
    };
    let look = |model: &mut crate::model::Model| {
        // Its account may have been deleted since it was found out who calls.
        if model.is_leaving(caller.account) {
            return Err(ApiError::unverified(UNVERIFIED));
        }
        check(command, &lowered, model, &settings, caller)
    };
    match &command.run {
        Run::List(list) => {
            let answer = core.look(lag, |model, now| {
                let arguments = look(model)?;
                let mut found = None;
                with_call(model, now, &arguments, None, &mut |call| {
                    found = Some(list(call)?);
                    Ok(())
                })?;
                Ok(found.map(|found| found.into_answer()).unwrap_or_default())
            })?;
            core.durable().await?;
            Ok(answer)
        }
        Run::Read(read) => {
            let answer = core.look(None, |model, now| {
                let arguments = look(model)?;
                let mut found = None;
                with_call(model, now, &arguments, None, &mut |call| {
                    found = Some(read(call)?);
                    Ok(())
                })?;
                Ok(found.unwrap_or_default())
            })?;
            core.durable().await?;
            Ok(answer)
        }
        Run::Change(change) | Run::ChangeWithKey(change) => {
            let mut generated = match command.run {
                Run::ChangeWithKey(_) => Some(generate().await?),
                _ => None,
            };
            let mut tried = None;
            let changed = core
                .change(|model, now| {
                    let arguments = look(model)?;
                    let about = arguments.about();
                    tried = Some(about);
                    let mut answer = Value::Null;
                    let after = with_call(model, now, &arguments, generated.take(), &mut |call| {
                        answer = change(call)?;
                        Ok(())
                    })?;
                    History::note(model, now, command, caller, made(&answer).or(about), true);
                    Ok((answer, after))
                })
                .await;
            let (answer, (refresh, fetch)) = match changed {
                Ok(changed) => changed,
                Err(error) => {
                    // What is refused before it is tried, for want of a right to it too, is not told.
                    if let Some(about) = tried.filter(|_| !error.is_of_rights()) {
                        let noted = core.transact(|model, now| {
                            History::note(model, now, command, caller, about, false);
                            Ok(())
                        });
                        if let Err(error) = noted {
                            tracing::error!(command = command.name, %error, "a refusal could not be noted");
                        }
                    }
                    return Err(error);
                }
            };
            for template in fetch {
                let fetching = Arc::clone(core);
                drop(core.spawn(async move { fetching.fetch_template(template).await }));
            }
            for network in refresh {
                let told = Arc::clone(core);
                let told = core.spawn(async move { told.refresh_router(network).await }).await;
                if !matches!(told, Ok(Some(Ok(())))) {
                    return Err(ApiError::internal(
                        "The change is made, but the network's router could not be told",
                    ));
                }
            }
            Ok(answer)
        }
        Run::Job(kind, begin) => {
            let (job, made) = core
                .begin(caller, command, *kind, |model, now| {
                    let arguments = look(model)?;
                    let mut begun = None;
                    with_call(model, now, &arguments, None, &mut |call| {
                        begun = Some(match call.arguments.gone() {
                            Some(gone) => gone.begun()?,
                            None => begin(call)?,
                        });
                        Ok(())
                    })?;
                    begun.ok_or_else(|| ApiError::internal("The job was not begun"))
                })
                .await?;
            Ok(match made {
                Some(made) => json!({ "id": made, "jobid": job }),
                None => json!({ "jobid": job }),
            })
        }
    }
}

/// The id of what an answer tells of.
fn made(answer: &Value) -> Option<uuid::Uuid> {
    let inside = answer.as_object()?.values().find(|inside| inside.is_object() || inside.is_array())?;
    let one = inside.as_array().map_or(Some(inside), |several| several.first())?;
    one["id"].as_str()?.parse().ok()
}

/// A key, made on a thread of its own.
async fn generate() -> Result<Generated, ApiError> {
    let made = tokio::task::spawn_blocking(Generated::rsa).await;
    made.map_err(|error| ApiError::internal(format!("Could not create SSH key pair: {error}")))?
}

fn unprintable(character: char) -> bool {
    matches!(character, '\u{0}'..='\u{9}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}')
}
