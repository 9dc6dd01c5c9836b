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
use serde_json::{Value, json};

use crate::{
    http::{Api, native},
    member::Cluster,
};

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
    let (status, word) =
        if api.is_ready() { (StatusCode::OK, "UP") } else { (StatusCode::SERVICE_UNAVAILABLE, "OUT_OF_SERVICE") };
    (status, as_actuator(&health_of(word, &api.cluster()))).into_response()
}

/// Clocks too far ahead are named and change no verdict: this node serves well without following them, and one bad clock would
/// otherwise take every other node out of service.
fn health_of(status: &str, cluster: &Cluster) -> Value {
    let skewed = cluster.peers.iter().filter(|peer| peer.skewed);
    let skewed: Vec<&str> = skewed.map(|peer| peer.address.as_str()).collect();
    match skewed[..] {
        [] => json!({"status": status}),
        _ => json!({"status": status, "details": {"clockSkewed": skewed}}),
    }
}

fn as_actuator(body: &Value) -> Response {
    ([(CONTENT_TYPE, "application/vnd.spring-boot.actuator.v3+json")], body.to_string()).into_response()
}

async fn no_configurations() -> Response {
    let data = "Current functionMode is `naming`, config module is disabled";
    let body = json!({"code": 40_001, "message": "API function disabled.", "data": data});
    (StatusCode::NOT_IMPLEMENTED, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        member::Peer,
        model::{Incarnation, NodeId},
        wire::peer::{Phase, Regard},
    };

    #[test]
    fn skewed_clocks_are_named_beside_the_verdict() {
        let this = Incarnation { node: NodeId(1), since: 1 };
        let peer = |address: &str, skewed| Peer {
            state: Regard::Up,
            phase: Phase::Serving,
            skewed,
            ..Peer::unheard(address.into())
        };
        let peers = vec![peer("n1:1", false), peer("n2:1", true)];
        let mut cluster = Cluster { this, address: "own:1".into(), phase: Phase::Serving, peers };
        assert_eq!(health_of("UP", &cluster), json!({"status": "UP", "details": {"clockSkewed": ["n2:1"]}}));
        cluster.peers.pop();
        assert_eq!(health_of("UP", &cluster), json!({"status": "UP"}));
    }
}
