//! What is served beside the API of Nacos: pages for browsers, what frameworks serve of themselves, the list of servers, and
//! a word on configurations, which there are none of (http.md 2.1, 10.2, 13.2, 13.3).

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{OriginalUri, State},
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_TYPE, HOST, LOCATION},
    },
    response::{Html, IntoResponse, Response},
    routing::{any, get},
};
use serde_json::json;

use crate::http::{Api, native};

/// Pages that are the same with and without the context `/nacos`.
pub(super) fn router() -> Router<Arc<Api>> {
    Router::new()
        .route("/index.html", get(index))
        .route("/serverlist", get(servers))
        .route("/actuator", get(actuator))
        .route("/actuator/health", get(health))
        .route("/actuator/prometheus", get(native::metrics))
        .route("/v3/console/cs/{*any}", any(no_configurations))
        .route("/v3/admin/cs/{*any}", any(no_configurations))
}

/// Where people look first.
pub(super) async fn index() -> Html<&'static str> {
    Html(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Roster</title><h1>Roster</h1>\
         <p>A service registry that speaks the Nacos naming protocol. The API is below <code>/nacos</code>.</p>",
    )
}

/// The context alone: its pages are below it.
pub(super) async fn to_context() -> Response {
    (StatusCode::FOUND, [(LOCATION, "/nacos/")]).into_response()
}

/// Addresses of the nodes for clients that look for them, one a line.
async fn servers(State(api): State<Arc<Api>>) -> String {
    api.addresses().into_iter().map(|address| format!("{address}\n")).collect()
}

async fn actuator(OriginalUri(asked): OriginalUri, headers: HeaderMap) -> Response {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let here = format!("http://{host}{}", asked.path());
    let link = |path: &str, templated: bool| json!({"href": format!("{here}{path}"), "templated": templated});
    as_actuator(&json!({"_links": {
        "self": link("", false),
        "health": link("/health", false),
        "health-path": link("/health/{*path}", true),
        "prometheus": link("/prometheus", false),
    }}))
}

async fn health(State(api): State<Arc<Api>>) -> Response {
    if api.is_ready() {
        return as_actuator(&json!({"status": "UP"}));
    }
    (StatusCode::SERVICE_UNAVAILABLE, as_actuator(&json!({"status": "OUT_OF_SERVICE"}))).into_response()
}

fn as_actuator(body: &serde_json::Value) -> Response {
    ([(CONTENT_TYPE, "application/vnd.spring-boot.actuator.v3+json")], body.to_string()).into_response()
}

async fn no_configurations() -> Response {
    let data = "Current functionMode is `naming`, config module is disabled";
    let body = json!({"code": 40_001, "message": "API function disabled.", "data": data});
    (StatusCode::NOT_IMPLEMENTED, Json(body)).into_response()
}
