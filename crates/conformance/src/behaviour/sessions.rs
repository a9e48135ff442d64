//! Sessions: logging in with a password, what a call in a session needs, and what ends it.

use secrecy::ExposeSecret;

use super::Source::Recorded;
use super::behaviours;
use crate::answer::{Answer, NOBODY, Refusal, refusal};
use crate::door::{Pairs, Way, pairs};
use crate::finding::{Verdict, hold, text};
use crate::stage::Stage;

behaviours! { "sessions":
    login_answers "A login answers with the user, the account and a session key, its type and flags as texts",
        Recorded("login"), [];
    login_sets_cookies "A login sets the cookies JSESSIONID and sessionkey",
        Recorded("login, set-cookie"), [];
    login_by_post "A login by GET is refused with 405, in plain words",
        Recorded("error: login by GET"), [];
    wrong_password "A wrong password and an unknown user are refused alike, with 531 and no finer code",
        Recorded("error: login, wrong password; unknown user"), [];
    session_calls "A call in a session needs no signature, by GET and by POST",
        Recorded("session, listZones; session, POST listZones"), [];
    key_is_needed "A call with the session's cookies and no session key is refused, and ends the session",
        Recorded("error: session, no sessionkey; after failed call"), [];
    cookies_are_needed "A session key without its cookies, or with one of them, is refused",
        Recorded("error: session, sessionkey only cookie; JSESSIONID cookie and sessionkey parameter"), [];
    unknown_in_session "An unknown command in a session is refused with 432, unlike one with a signature",
        Recorded("error: session, unknown command"), [];
    logout_ends "A logout says so, and the session is over",
        Recorded("logout; error: session, after logout"), [];
}

/// Of a user who is logged in.
struct Session {
    cookies: String,
    jsession: String,
    key: String,
}

pub(super) async fn log_in(stage: &Stage, password: Option<&str>, user: Option<&str>) -> Verdict<Answer> {
    let login = stage.login()?;
    let form = pairs(&[
        ("command", "login"),
        ("response", "json"),
        ("username", user.unwrap_or(&login.user)),
        ("password", password.unwrap_or(login.password.expose_secret())),
        ("domain", &login.domain),
    ]);
    stage.door.send(Way::Post, &form).await
}

async fn session(stage: &Stage) -> Verdict<Session> {
    let answer = log_in(stage, None, None).await?;
    // What a login came to holds the key of a session.
    hold(answer.status == 200, "200 for a login", answer.status)?;
    let key = text(&answer.inside()?, "sessionkey")?.to_owned();
    let cookies = answer.cookies();
    let named =
        |wanted: &str| cookies.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let all: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Ok(Session { cookies: all.join("; "), jsession: named("JSESSIONID").unwrap_or_default(), key })
}

fn zones(key: Option<&str>) -> Pairs {
    let mut call = pairs(&[("command", "listZones"), ("response", "json")]);
    call.extend(key.map(|key| ("sessionkey".to_owned(), key.to_owned())));
    call
}

async fn login_answers(stage: &Stage) -> Verdict {
    let inside = log_in(stage, None, None).await?.inside()?;
    for name in [
        "username",
        "userid",
        "domainid",
        "account",
        "type",
        "registered",
        "sessionkey",
        "is2faenabled",
        "issuerfor2fa",
    ] {
        hold(inside[name].is_string(), format!("`{name}` as a text"), inside[name].is_null())?;
    }
    hold(inside["timeout"].is_u64(), "`timeout` as a number", &inside["timeout"])
}

async fn login_sets_cookies(stage: &Stage) -> Verdict {
    let answer = log_in(stage, None, None).await?;
    let cookies = answer.cookies();
    for wanted in ["JSESSIONID", "sessionkey"] {
        let set = cookies.iter().any(|(name, value)| name == wanted && !value.is_empty());
        hold(set, format!("the cookie {wanted}"), format!("{} cookies", cookies.len()))?;
    }
    Ok(())
}

async fn login_by_post(stage: &Stage) -> Verdict {
    let form = pairs(&[("command", "login"), ("response", "json"), ("username", "x"), ("password", "x")]);
    let answer = stage.door.send(Way::Get, &form).await?;
    let right =
        answer.status == 405 && answer.body.contains("Please use HTTP POST to authenticate using this API");
    hold(right, "405 and \"Please use HTTP POST to authenticate using this API\"", answer.summary())?;
    let kind = answer.content_type();
    hold(kind.starts_with("application/json"), "the type of JSON, which it is not", kind)
}

async fn wrong_password(stage: &Stage) -> Verdict {
    let wanted = Refusal { code: 531, finer: None, text: "Failed to authenticate user" };
    for (password, user) in [("wrong", None), ("wrong", Some("nobody-of-this-name"))] {
        log_in(stage, Some(password), user).await?.refused_under("loginresponse", wanted)?;
    }
    // A server counts wrong passwords in a row, and disables the user after some.
    log_in(stage, None, None).await?.inside().map(drop)
}

async fn session_calls(stage: &Stage) -> Verdict {
    let session = session(stage).await?;
    for way in [Way::Get, Way::Post] {
        let answer = stage.door.send_with(way, &zones(Some(&session.key)), Some(&session.cookies)).await?;
        answer.inside()?;
    }
    Ok(())
}

async fn key_is_needed(stage: &Stage) -> Verdict {
    let session = session(stage).await?;
    let refused = Refusal { text: "unable to verify user credentials", ..NOBODY };
    let answer = stage.door.send_with(Way::Get, &zones(None), Some(&session.cookies)).await?;
    answer.refused_under("listzonesresponse", refused)?;
    let answer = stage.door.send_with(Way::Get, &zones(Some(&session.key)), Some(&session.cookies)).await?;
    answer.refused_under("listzonesresponse", refused)
}

async fn cookies_are_needed(stage: &Stage) -> Verdict {
    let refused = Refusal { text: "unable to verify user credentials", ..NOBODY };
    let first = session(stage).await?;
    let answer = stage.door.send(Way::Get, &zones(Some(&first.key))).await?;
    answer.refused_under("listzonesresponse", refused)?;
    let second = session(stage).await?;
    let one = format!("JSESSIONID={}", second.jsession);
    let answer = stage.door.send_with(Way::Get, &zones(Some(&second.key)), Some(&one)).await?;
    answer.refused_under("listzonesresponse", refused)
}

async fn unknown_in_session(stage: &Stage) -> Verdict {
    let session = session(stage).await?;
    let call = pairs(&[("command", "noSuchCommand"), ("response", "json"), ("sessionkey", &session.key)]);
    let answer = stage.door.send_with(Way::Get, &call, Some(&session.cookies)).await?;
    let wanted =
        refusal(432, 9999, "The API [noSuchCommand] does not exist or is not available for the account");
    answer.refused_under("errorresponse", wanted)
}

async fn logout_ends(stage: &Stage) -> Verdict {
    let session = session(stage).await?;
    let out = pairs(&[("command", "logout"), ("response", "json"), ("sessionkey", &session.key)]);
    let inside = stage.door.send_with(Way::Get, &out, Some(&session.cookies)).await?.inside()?;
    hold(inside["description"] == "success", "\"success\"", &inside)?;
    let answer = stage.door.send_with(Way::Get, &zones(Some(&session.key)), Some(&session.cookies)).await?;
    answer.refused_under("listzonesresponse", Refusal { text: "unable to verify user credentials", ..NOBODY })
}
