//! Sessions: `login` gives two cookies, and a call in a session needs both of them and the session's key as a parameter.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use secrecy::ExposeSecret;
use serde_json::json;
use tokio::time::{Duration, Instant};

use super::envelope::{self, Form};
use super::{Reply, Request};
use crate::command::{Caller, History, LOGIN, LOGOUT};
use crate::error::{ApiError, UNVERIFIED};
use crate::model::{Account, Standing, User};
use crate::zone::Core;

/// How long a session lives after its last call.
const TIMEOUT: Duration = Duration::from_secs(1800);

/// Sessions of users who logged in with their password. They end with the process.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<BTreeMap<String, Session>>);

struct Session {
    key: String,
    caller: Caller,
    used: Instant,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("caller", &self.caller).finish_non_exhaustive()
    }
}

/// A user as it calls.
pub(super) fn as_caller(account: &Account, user: &User) -> Caller {
    Caller {
        account: account.id,
        name: account.name.clone(),
        user: user.id,
        root_admin: account.root_admin,
        domain_admin: account.domain_admin.then_some(account.domain),
    }
}

/// Whether a user and its account are neither disabled nor locked, and the account is not being removed.
pub(super) fn may_call((account, user): (&Account, &User)) -> bool {
    !account.leaving && account.standing == Standing::Enabled && user.standing == Standing::Enabled
}

fn cookie<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let mut cookies = request.cookie.as_deref()?.split(';');
    cookies.find_map(|cookie| {
        cookie.trim().split_once('=').filter(|(found, _)| *found == name).map(|(_, value)| value)
    })
}

pub(super) async fn login(
    core: &Core,
    form: Form,
    received: &BTreeMap<String, String>,
    from: IpAddr,
) -> Reply {
    let user = received.get("username").map(String::as_str).unwrap_or_default();
    let password = received.get("password").map(String::as_str).unwrap_or_default();
    let domain = received.get("domain").map(|domain| domain.trim_matches('/').to_lowercase());
    let domain_id = received.get("domainid").and_then(|id| id.parse::<uuid::Uuid>().ok());
    let root = core.settings().catalogue.domain_id;
    let known = core.read(|model| {
        let in_domain = |account: &Account| match (&domain, domain_id) {
            (_, Some(id)) => account.domain.unwrap_or(root) == id,
            (None, None) => account.domain.is_none(),
            (Some(path), None) => {
                let own = model.domain_path(account.domain).to_lowercase();
                own == *path || own.strip_prefix("root").map(|own| own.trim_matches('/')) == Some(path)
            }
        };
        let (account, user) =
            model.users().find(|(account, known)| known.name == user && in_domain(account))?;
        (same(user.password.expose_secret(), password) && may_call((account, user)))
            .then(|| (account.clone(), user.clone()))
    });
    let Some((account, user)) = known.filter(|_| !password.is_empty()) else {
        return envelope::error(form, "loginresponse", &ApiError::login(user), true);
    };
    let secret = || {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>())
    };
    let (id, key) = (secret(), secret());
    let caller = as_caller(&account, &user);
    if let Err(error) = note(core, &caller, LOGIN, format!("user has logged in from IP Address {from}")).await
    {
        return envelope::error(form, "loginresponse", &error, true);
    }
    let session = Session { key: key.clone(), caller, used: core.clock().instant() };
    core.sessions.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), session);
    let mut reply = envelope::answer(
        form,
        "loginresponse",
        json!({
            "username": user.name,
            "userid": user.id,
            "domainid": account.domain.unwrap_or(root),
            "timeout": TIMEOUT.as_secs(),
            "account": account.name,
            "firstname": user.first_name,
            "lastname": user.last_name,
            "type": account.kind().to_string(),
            "timezone": "UTC",
            "timezoneoffset": "0.0",
            "registered": "false",
            "sessionkey": key,
            "is2faenabled": "false",
            "is2faverified": "true",
            "issuerfor2fa": "CloudStack",
        }),
    );
    reply.headers.push(("Set-Cookie", format!("JSESSIONID={id}; Path=/client; HttpOnly; SameSite=Lax")));
    reply.headers.push(("Set-Cookie", format!("sessionkey={key}; Path=/client; HttpOnly; SameSite=Lax")));
    reply
}

/// Writes into the zone's history that a user came in or went out.
async fn note(core: &Core, caller: &Caller, kind: &'static str, text: String) -> Result<(), ApiError> {
    core.change(|model, now| {
        History::of_session(model, now, caller, kind, text);
        Ok(())
    })
    .await
}

pub(super) async fn logout(core: &Core, form: Form, request: &Request) -> Reply {
    let left = cookie(request, "JSESSIONID")
        .and_then(|id| core.sessions.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id));
    if let Some(session) = left
        && let Err(error) = note(core, &session.caller, LOGOUT, "user has logged out".to_owned()).await
    {
        return envelope::error(form, "logoutresponse", &error, true);
    }
    envelope::answer(form, "logoutresponse", json!({ "description": "success" }))
}

/// The caller of a session. A call that has only part of what it needs ends its session.
pub(super) fn caller(
    core: &Core,
    received: &BTreeMap<String, String>,
    request: &Request,
) -> Result<Caller, ApiError> {
    let nobody = || ApiError::unverified(UNVERIFIED);
    let mut sessions = core.sessions.0.lock().unwrap_or_else(PoisonError::into_inner);
    let now = core.clock().instant();
    sessions.retain(|_, session| now.saturating_duration_since(session.used) < TIMEOUT);
    let id = cookie(request, "JSESSIONID").ok_or_else(nobody)?;
    let session = sessions.get_mut(id).ok_or_else(nobody)?;
    let given = received.get("sessionkey").is_some_and(|given| same(&session.key, given))
        && cookie(request, "sessionkey").is_some_and(|given| same(&session.key, given));
    if !given {
        sessions.remove(id);
        return Err(ApiError::unverified("unable to verify user credentials"));
    }
    session.used = now;
    Ok(session.caller.clone())
}

/// Compares secrets without telling by its time where they differ.
pub(crate) fn same(one: &str, other: &str) -> bool {
    let difference =
        one.bytes().zip(other.bytes()).fold(0, |difference, (one, other)| difference | (one ^ other));
    one.len() == other.len() && difference == 0
}
