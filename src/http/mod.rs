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
    extract::{DefaultBodyLimit, Request},
    http::{Method, StatusCode, Uri},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use serde_json::json;

pub use caller::PeerAddress;

use crate::{
    connection::Connections,
    metrics::{HttpCounter, Metrics},
    node::{Input, Proposal, Rejection, Reply},
};

/// Largest body of an HTTP request, in bytes: a batch of thousands of instances fits.
const BODY_BYTES: usize = 1024 * 1024;
/// What metrics call the generation of paths that are not of the naming API.
const NO_GENERATION: &str = "none";

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

/// All routes, each counted under a name of its own or of its kind.
pub fn router(api: Arc<Api>) -> Router {
    let metrics = api.metrics.clone();
    let counted = |name, route| counted(&metrics, name, route);
    let health = || counted("health", get(|| async { "OK" }));
    let state = || counted("health", get(compatible::state));
    let login = || counted("login", post(compatible::login));
    let overview = || counted("serverMetrics", get(compatible::metrics));
    let compatible = nacos::router(&metrics)
        .route("/v1/ns/operator/metrics", overview())
        .route("/v1/ns/ops/metrics", overview())
        .route("/v1/auth/login", login())
        .route("/v1/auth/users/login", login())
        .route("/v3/auth/user/login", login())
        .route("/v1/console/health/liveness", health())
        .route("/v1/console/health/readiness", health())
        .route("/v3/admin/core/state/liveness", state())
        .route("/v3/admin/core/state/readiness", state())
        .route("/v2/core/loader/current", counted("listConnections", get(compatible::loader_current)))
        .route("/v2/core/loader/reloadClient", counted("reloadConnection", get(compatible::reload_client_v2)))
        .route("/v3/admin/core/loader/current", counted("listConnections", get(compatible::loader_current_v3)))
        .route("/v3/admin/core/loader/reloadClient", counted("reloadConnection", post(compatible::reload_client_v3)));
    let native = |route| counted("native", route);
    let instances = get(native::instances).post(native::register).delete(native::deregister);
    let native = Router::new()
        .route("/services", native(get(native::services)))
        .route("/services/protection", native(post(native::protect)))
        .route("/openapi.json", native(get(nacos::openapi::serve)))
        .route("/instances", native(instances));
    let (unknown, unknown_method) = (metrics.http("unknown", NO_GENERATION), metrics.http("unknown", NO_GENERATION));
    Router::new()
        .nest("/nacos", compatible)
        .fallback(move |method: Method, uri: Uri| async move { count(&unknown, nacos::unknown(method, uri)).await })
        .method_not_allowed_fallback(move |method: Method, uri: Uri| async move {
            count(&unknown_method, nacos::unknown_method(method, uri)).await
        })
        .nest("/roster/v1", native)
        .route("/metrics", counted("metrics", get(native::metrics)))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(api)
}

/// Counts what a route outside the table of operations is asked.
fn counted(metrics: &Metrics, name: &'static str, route: MethodRouter<Arc<Api>>) -> MethodRouter<Arc<Api>> {
    let counter = metrics.http(name, NO_GENERATION);
    route.route_layer(middleware::from_fn(move |request: Request, next: Next| {
        let counter = counter.clone();
        async move { count(&counter, next.run(request)).await }
    }))
}

async fn count(counter: &HttpCounter, answer: impl Future<Output = Response>) -> Response {
    let counting = counter.begin();
    let response = answer.await;
    counting.answered(response.status().as_u16());
    response
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
