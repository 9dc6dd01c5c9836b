//! What is asked over HTTP: the calls that gRPC clients make beside gRPC, probes and metrics, and the node's own API.
//!
//! Handlers translate and nothing else; they share one extractor for parameters. Each of the two ports serves all of it.

mod caller;
mod compatible;
mod nacos;
mod native;
mod params;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

pub use caller::PeerAddress;

use crate::{
    connection::Connections,
    metrics::Metrics,
    node::{Input, Proposal, Rejection, Reply},
};

/// Largest body of an HTTP request, in bytes: a batch of thousands of instances fits.
const BODY_BYTES: usize = 1024 * 1024;

/// What handlers work with.
pub struct Api {
    connections: Arc<Connections>,
    metrics: Arc<Metrics>,
}

impl Api {
    /// The handlers' view of a node.
    pub fn new(connections: Arc<Connections>, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { connections, metrics })
    }

    /// Has a change made that must be durable and the same on all nodes. The one way of all of them, and so the place
    /// where they will be agreed on; until they are, this node alone decides and keeps them in memory.
    async fn propose(&self, proposal: Proposal) -> Result<Reply, Rejection> {
        self.connections.runtime().handle(Input::Apply(proposal))
    }
}

/// All routes.
pub fn router(api: Arc<Api>) -> Router {
    let compatible = nacos::router()
        .route("/v1/ns/operator/metrics", get(compatible::metrics))
        .route("/v1/ns/ops/metrics", get(compatible::metrics))
        .route("/v1/auth/login", post(compatible::login))
        .route("/v1/auth/users/login", post(compatible::login))
        .route("/v3/auth/user/login", post(compatible::login))
        .route("/v1/console/health/liveness", get(|| async { "OK" }))
        .route("/v1/console/health/readiness", get(|| async { "OK" }))
        .route("/v3/admin/core/state/liveness", get(compatible::state))
        .route("/v3/admin/core/state/readiness", get(compatible::state))
        .route("/v2/core/loader/current", get(compatible::loader_current))
        .route("/v2/core/loader/reloadClient", get(compatible::reload_client_v2))
        .route("/v3/admin/core/loader/current", get(compatible::loader_current_v3))
        .route("/v3/admin/core/loader/reloadClient", post(compatible::reload_client_v3));
    let native = Router::new()
        .route("/services", get(native::services))
        .route("/services/protection", post(native::protect))
        .route("/openapi.json", get(nacos::openapi::serve))
        .route("/instances", get(native::instances).post(native::register).delete(native::deregister));
    Router::new()
        .nest("/nacos", compatible)
        .fallback(nacos::unknown)
        .method_not_allowed_fallback(nacos::unknown_method)
        .nest("/roster/v1", native)
        .route("/metrics", get(native::metrics))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(api)
}

/// A refused HTTP request: the status and what a person needs to know.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"code": self.0.as_u16(), "message": self.1}))).into_response()
    }
}

fn bad_request(fault: impl std::fmt::Display) -> Refused {
    Refused(StatusCode::BAD_REQUEST, fault.to_string())
}
