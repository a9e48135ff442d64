//! The page and what it is made of. Text, style and script are apart, so that the browser can be told to run nothing that
//! stands within a page; what exists comes as JSON, and the script puts it in as text.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::overview::Overview;
use crate::zone::Zone;

pub(super) async fn html() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], include_str!("page.html"))
}

pub(super) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("page.css"))
}

pub(super) async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("page.js"))
}

pub(super) async fn overview(State(zone): State<Arc<Zone>>) -> Json<Overview> {
    Json(Overview::of(&zone))
}
