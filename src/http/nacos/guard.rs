//! What stands before all of the first naming API (http.md 2.3, 3.1): paths that are limited, a server that says it does not
//! serve, and methods this API does not know.

use axum::{
    extract::Request,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};

use crate::{
    http::{
        Api, caller,
        nacos::{self, Generation},
    },
    model::Switches,
};

/// Answers a request in place of its handler when it must not get there. Not a layer of the router, which would cost every
/// request more than all of this.
pub(in crate::http) fn refusal(api: &Api, request: &Request) -> Option<Response> {
    if !nacos::is_v1(request.uri()) {
        return None;
    }
    let refusal = refused_by(&api.switches(), request)?;
    api.metrics.http("refused", Generation::V1.name()).begin().answered(refusal.status().as_u16());
    Some(refusal)
}

fn refused_by(switches: &Switches, request: &Request) -> Option<Response> {
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
