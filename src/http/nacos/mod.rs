//! The naming API of Nacos over HTTP: three generations of one set of operations.
//!
//! Owns the table of what is served where. An operation reads parameters and gives an answer or a fault, and does not know
//! how its generation spells them: `answer.rs` and `fault.rs` do, once for all. Never decides what a request means; it
//! becomes the same input of the node as a gRPC one, in the name of the client `ip:port`.

mod answer;
mod call;
mod fault;
mod instance;
mod metadata;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{MethodFilter, on},
};
use serde_json::json;

use crate::http::{Api, params::Params};
use answer::Answer;
use call::Call;
use fault::Fault;

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

type Operation = fn(&Call<'_>) -> Result<Answer, Fault>;

/// What is served where, below `/nacos`. Whether an operation reads or writes follows from the method.
const OPERATIONS: [(MethodFilter, &str, Generation, Operation); 19] = [
    (MethodFilter::POST, "/v1/ns/instance", Generation::V1, instance::register),
    (MethodFilter::DELETE, "/v1/ns/instance", Generation::V1, instance::deregister),
    (MethodFilter::GET, "/v1/ns/instance", Generation::V1, instance::detail),
    (MethodFilter::GET, "/v1/ns/instance/list", Generation::V1, instance::list),
    (MethodFilter::PUT, "/v1/ns/instance/beat", Generation::V1, instance::beat),
    (MethodFilter::GET, "/v1/ns/service/list", Generation::V1, instance::services),
    (MethodFilter::POST, "/v2/ns/instance", Generation::V2, instance::register),
    (MethodFilter::DELETE, "/v2/ns/instance", Generation::V2, instance::deregister),
    (MethodFilter::GET, "/v2/ns/instance", Generation::V2, instance::detail),
    (MethodFilter::GET, "/v2/ns/instance/list", Generation::V2, instance::list),
    (MethodFilter::PUT, "/v2/ns/instance/beat", Generation::V2, instance::beat),
    (MethodFilter::GET, "/v2/ns/service/list", Generation::V2, instance::services),
    (MethodFilter::POST, "/v3/client/ns/instance", Generation::V3, instance::register_or_beat),
    (MethodFilter::DELETE, "/v3/client/ns/instance", Generation::V3, instance::deregister),
    (MethodFilter::GET, "/v3/client/ns/instance/list", Generation::V3, instance::list),
    (MethodFilter::POST, "/v3/admin/ns/instance", Generation::V3, instance::register),
    (MethodFilter::DELETE, "/v3/admin/ns/instance", Generation::V3, instance::deregister),
    (MethodFilter::GET, "/v3/admin/ns/instance", Generation::V3, instance::detail),
    (MethodFilter::GET, "/v3/admin/ns/instance/list", Generation::V3, instance::list_all),
];

/// The routes of all operations.
pub(super) fn router() -> Router<Arc<Api>> {
    OPERATIONS.into_iter().fold(Router::new(), |router, (method, path, generation, operation)| {
        let handler = move |State(api): State<Arc<Api>>, params: Params| async move {
            let reads = method == MethodFilter::GET;
            match Call::new(&api, &params, generation, reads).and_then(|call| operation(&call)) {
                Ok(answer) => answer.render(generation),
                Err(fault) => fault.render(generation),
            }
        };
        router.route(path, on(method, handler))
    })
}

/// Paths that nobody serves: the first generation calls them unknown APIs (http.md 4.3).
pub(super) async fn unknown(method: Method, uri: Uri) -> Response {
    if is_v1(&uri) {
        no_such_api(&method, &uri)
    } else {
        error_object(StatusCode::NOT_FOUND, &uri, "No message available")
    }
}

/// Methods that a path does not serve.
pub(super) async fn unknown_method(method: Method, uri: Uri) -> Response {
    if is_v1(&uri) {
        return no_such_api(&method, &uri);
    }
    if method == Method::OPTIONS {
        return StatusCode::OK.into_response();
    }
    error_object(StatusCode::METHOD_NOT_ALLOWED, &uri, &format!("Method '{method}' is not supported."))
}

fn is_v1(uri: &Uri) -> bool {
    uri.path().starts_with("/nacos/v1/ns")
}

fn no_such_api(method: &Method, uri: &Uri) -> Response {
    error_object(StatusCode::NOT_IMPLEMENTED, uri, &format!("no such api:{method}:{}", uri.path()))
}

fn error_object(status: StatusCode, uri: &Uri, message: &str) -> Response {
    let error = status.canonical_reason().unwrap_or_default();
    let body = json!({"status": status.as_u16(), "error": error, "message": message, "path": uri.path()});
    (status, Json(body)).into_response()
}
