//! What stands before all of the first naming API (http.md 2.3, 3.1): paths that are limited, a server that says it does not
//! serve, and methods this API does not know.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{Method, StatusCode, Uri},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    http::{
        Api, Refused, caller, count,
        nacos::{self, Generation},
    },
    model::Switches,
};

/// Answers a request in place of its handler when it must not get there.
pub(in crate::http) async fn admit(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    if nacos::is_v1(request.uri()) {
        let refusal = match api.switches() {
            Ok(switches) => refusal(&switches, &request),
            Err(rejection) => Some(Refused::from(rejection).into_response()),
        };
        if let Some(refusal) = refusal {
            let counter = api.metrics.http("refused", Generation::V1.name());
            return count(&counter, std::future::ready(refusal)).await;
        }
    }
    next.run(request).await
}

fn refusal(switches: &Switches, request: &Request) -> Option<Response> {
    if let Some(status) = limited(switches, request.uri()) {
        return Some(status.into_response());
    }
    let status = switches.server_status();
    let reads = request.method() == Method::GET;
    // Other servers are served in any state, or none would ever leave it.
    let is_server = || caller::agent(request.headers()).starts_with("Nacos-Server");
    if !status.serves(reads) && !is_server() {
        let text = format!("server is {}now, please try again later!", status.name());
        return Some((StatusCode::SERVICE_UNAVAILABLE, text).into_response());
    }
    // The router would have GET's handler answer a HEAD.
    (request.method() == Method::HEAD).then(|| nacos::no_such_api(request.method(), request.uri()))
}

/// The status of a path and query that begins as one of those an operator limited.
fn limited(switches: &Switches, uri: &Uri) -> Option<StatusCode> {
    if switches.limited_urls.is_empty() {
        return None;
    }
    let asked = uri.path_and_query().map_or("", |asked| asked.as_str());
    let (_, status) = switches.limited_urls.iter().find(|(beginning, _)| asked.starts_with(beginning.as_str()))?;
    StatusCode::from_u16(*status).ok()
}
