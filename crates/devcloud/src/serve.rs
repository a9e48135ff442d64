//! The zone's door with a socket: axum on a listener, at `/client/api`; devcloud's [own](crate::own) paths beside it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method as HttpMethod, Response, StatusCode, Uri, header};
use axum::routing::any;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::door::{Method, Reply, Request};
use crate::faults::{Delivery, deliver};
use crate::zone::Zone;

/// The largest body taken: user-data of 1 MiB in base64, escaped.
const BODY_LIMIT: usize = 4 << 20;

/// Answers requests on `listener` until `shutdown` is cancelled; requests under way are answered first.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    zone: Arc<Zone>,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let door = Arc::new(Door { zone: Arc::clone(&zone), shutdown: shutdown.clone() });
    let app = Router::new()
        .route("/client/api", any(answer))
        .route("/client/api/", any(answer))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(door)
        .merge(crate::own::routes(zone));
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// The zone, with what happens to calls on their way to it.
struct Door {
    zone: Arc<Zone>,
    shutdown: CancellationToken,
}

async fn answer(
    State(door): State<Arc<Door>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    method: HttpMethod,
    uri: Uri,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Response<Body> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let request = Request {
        method: match method {
            // Answered like a GET; that its body stays away is the server's doing.
            HttpMethod::GET | HttpMethod::HEAD => Method::Get,
            HttpMethod::POST => Method::Post,
            _ => Method::Other,
        },
        query: uri.query().unwrap_or_default().to_owned(),
        content_type: text(header::CONTENT_TYPE),
        body: body.to_vec(),
        cookie: text(header::COOKIE),
        from: from.ip(),
        host: text(header::HOST),
    };
    let Some(fault) = door.zone.core().socket().next(|| request.command()) else {
        return into_response(door.zone.handle(request).await);
    };
    match deliver(&door.zone, request, Some(fault)).await {
        Delivery::Answered(reply) => into_response(reply),
        Delivery::Silent => {
            // Whoever still waits when the zone is closed learns that nothing will come.
            door.shutdown.cancelled().await;
            broken_off()
        }
        Delivery::Broken | Delivery::Refused | Delivery::Killed => broken_off(),
    }
}

/// A response that breaks before its first byte: the server drops the connection without having answered.
fn broken_off() -> Response<Body> {
    let broken = std::io::Error::other("this connection was told to break");
    Response::new(Body::from_stream(futures::stream::once(std::future::ready(Err::<Vec<u8>, _>(broken)))))
}

fn into_response(reply: Reply) -> Response<Body> {
    let mut response =
        Response::builder().status(reply.status).header(header::CONTENT_TYPE, reply.content_type);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(reply.body)).unwrap_or_else(|error| {
        tracing::error!(%error, "a reply could not be written as HTTP");
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}
