//! The naming API of Nacos over HTTP: three generations of one set of operations.
//!
//! Owns the table of what is served where. An operation reads parameters and gives an answer or a fault, and does not know
//! how its generation spells them: `answer.rs` and `fault.rs` do, once for all. Never decides what a request means; it
//! becomes the same input of the node as a gRPC one, in the name of the client `ip:port`.

mod answer;
mod audience;
mod beat;
mod call;
mod catalog;
mod client;
mod cluster;
mod fault;
mod guard;
mod instance;
mod json_body;
mod loader;
mod login;
mod members;
mod metadata;
mod namespace;
mod oldest;
pub(super) mod openapi;
mod operation;
mod operator;
mod ops;
mod overriding;
mod page;
mod prometheus;
mod search;
mod service;
mod state;
mod subscriber;
mod switches;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{FromRequest, Request, State},
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::on,
};
use serde_json::json;

use crate::{
    http::{Api, Settings, caller::Caller, count, params::Params},
    metrics::Metrics,
    model::CONSISTENCY,
};
use answer::Answer;
use call::Call;
use fault::Fault;
pub(super) use guard::refusal;
use operation::{Route, Step};

/// Which spelling of the API a path belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generation {
    /// Bare texts and objects; status codes say what went wrong.
    V1,
    /// The envelope with codes.
    V2,
    /// The envelope, and other shapes of some answers.
    V3,
}

/// All that is served, by area.
const AREAS: [&[Route]; 18] = [
    instance::ROUTES,
    beat::ROUTES,
    overriding::ROUTES,
    service::ROUTES,
    cluster::ROUTES,
    switches::ROUTES,
    operator::ROUTES,
    namespace::ROUTES,
    members::ROUTES,
    loader::ROUTES,
    ops::ROUTES,
    state::ROUTES,
    login::ROUTES,
    catalog::ROUTES,
    audience::ROUTES,
    client::ROUTES,
    oldest::ROUTES,
    prometheus::ROUTES,
];

/// All that is served.
fn routes() -> impl Iterator<Item = &'static Route> {
    AREAS.into_iter().flatten()
}

impl Generation {
    /// As metrics name it.
    fn name(self) -> &'static str {
        match self {
            Generation::V1 => "v1",
            Generation::V2 => "v2",
            Generation::V3 => "v3",
        }
    }
}

/// What stands before the path of a route. Other servers have the console on a port without a context.
fn contexts(route: &Route) -> Vec<&'static str> {
    if route.is_of_console() { vec!["/nacos", ""] } else { vec!["/nacos"] }
}

/// The routes of operations, each counted.
pub(super) fn router(metrics: &Metrics, settings: &Settings) -> Router<Arc<Api>> {
    let is_served = |route: &&Route| settings.prometheus_discovery || !route.path.starts_with(prometheus::ROOT);
    routes().filter(is_served).fold(Router::new(), |router, route| {
        let counter = metrics.http(route.operation.name, route.generation.name());
        let handler = move |State(api): State<Arc<Api>>, caller: Caller, request: Request| {
            let counter = counter.clone();
            async move {
                match refusal(&api, &request) {
                    Some(refused) => refused,
                    None => count(&counter, answer(&api, &caller, request, route)).await,
                }
            }
        };
        // Whole paths instead of a nested router, which would take each request's path apart and put it together again.
        contexts(route).into_iter().fold(router, |router, context| {
            let path = format!("{context}{}", route.path);
            // The third generation serves no path with a slash behind it.
            let router = match route.generation {
                Generation::V3 => router,
                _ => router.route(&format!("{path}/"), on(route.method.filter(), handler.clone())),
            };
            router.route(&path, on(route.method.filter(), handler.clone()))
        })
    })
}

async fn answer(api: &Api, caller: &Caller, request: Request, route: &Route) -> Response {
    let params = match Params::from_request(request, &()).await {
        Ok(params) => params,
        Err(refused) => return refused,
    };
    match perform(api, caller, &params, route).await {
        Ok(answer) => answer.render(route.generation),
        Err(fault) => fault.render(route.generation),
    }
}

async fn perform(api: &Api, caller: &Caller, params: &Params, route: &Route) -> Result<Answer, Fault> {
    let call = Call::new(api, caller, params, route)?;
    if route.operation.params.iter().any(|param| param.name == CONSISTENCY) {
        api.catch_up(params.text(CONSISTENCY).parse()?).await?;
    }
    match (route.operation.run)(&call)? {
        Step::Answer(answer) => Ok(answer),
        Step::Write(input, then) => then(Box::pin(api.write(*input)).await?),
        Step::Propose(proposal, then) => then(Box::pin(api.propose(*proposal)).await?),
    }
}

/// Paths that nobody serves: the first generation calls them unknown APIs (http.md 4.3).
pub(super) fn unknown(method: &Method, uri: &Uri) -> Response {
    if is_v1(uri) { no_such_api(method, uri) } else { error_object(StatusCode::NOT_FOUND, uri, "No message available") }
}

/// Methods that callers of the first generation use.
const KNOWN: [Method; 7] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD, Method::OPTIONS];

/// Methods that a path does not serve.
pub(super) fn unknown_method(method: &Method, uri: &Uri) -> Response {
    if is_v1(uri) && KNOWN.contains(method) {
        return no_such_api(method, uri);
    }
    if *method == Method::OPTIONS {
        return StatusCode::OK.into_response();
    }
    error_object(StatusCode::METHOD_NOT_ALLOWED, uri, &format!("Method '{method}' is not supported."))
}

pub(super) fn is_v1(uri: &Uri) -> bool {
    uri.path().starts_with("/nacos/v1/ns")
}

pub(super) fn no_such_api(method: &Method, uri: &Uri) -> Response {
    error_object(StatusCode::NOT_IMPLEMENTED, uri, &format!("no such api:{method}:{}", uri.path()))
}

fn error_object(status: StatusCode, uri: &Uri, message: &str) -> Response {
    let error = status.canonical_reason().unwrap_or_default();
    let body = json!({"status": status.as_u16(), "error": error, "message": message, "path": uri.path()});
    (status, Json(body)).into_response()
}
