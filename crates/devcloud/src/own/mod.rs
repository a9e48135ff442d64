//! What devcloud has beside CloudStack's API, at other paths of the same port: a page that shows what exists, and, for
//! whoever holds the zone's token, its faults, its clock and its machines' consoles; one console also for whoever holds a
//! ticket to it.
//!
//! A browser on this host may have been led here by a hostile page, so every request is looked at first ([`guard`]): it
//! has to name a loopback host, and may not come from another origin. The page tells no secrets and changes nothing; all
//! else needs the token, which only the owner of the zone's files can read.

mod clock;
mod console;
mod faults;
mod guard;
mod overview;
mod page;
mod rules;
mod ticket;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

pub use self::clock::ClockShown;
pub(crate) use self::clock::Move;
pub(crate) use self::console::Found;
pub(crate) use self::ticket::Tickets;
use crate::door::same;
use crate::zone::Zone;

/// The largest file of faults taken, in bytes.
const BODY_LIMIT: usize = 1 << 20;

/// Said of every answer: nothing is kept, guessed, framed or shown elsewhere, and a page loads only what is the zone's.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
];

/// The paths that are devcloud's own.
pub(crate) fn routes(zone: Arc<Zone>) -> Router {
    let private = Router::new()
        .route("/devcloud/faults", get(faults::show).put(faults::set).delete(faults::clear))
        .route("/devcloud/clock", get(clock::show).post(clock::forward))
        .route("/devcloud/machines/{machine}", get(console::find))
        .route("/devcloud/machines/{machine}/console", get(console::show))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(Arc::clone(&zone), authorise));
    Router::new()
        .route("/", get(page::html))
        .route("/devcloud/page.css", get(page::style))
        .route("/devcloud/page.js", get(page::script))
        .route("/devcloud/overview", get(page::overview))
        .route("/devcloud/console/{ticket}", get(console::with_ticket))
        .merge(private)
        .layer(middleware::from_fn(guarded))
        .with_state(zone)
}

async fn guarded(request: Request, next: Next) -> Response {
    let mut response = match guard::check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => (StatusCode::FORBIDDEN, format!("{refusal}\n")).into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Lets only those pass who know the zone's token.
async fn authorise(State(zone): State<Arc<Zone>>, request: Request, next: Next) -> Response {
    use secrecy::ExposeSecret;
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if same(zone.token().expose_secret(), given) {
        return next.run(request).await;
    }
    let text =
        "this needs `Authorization: Bearer TOKEN`, with the token in keys.json among the zone's files\n";
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], text).into_response()
}
