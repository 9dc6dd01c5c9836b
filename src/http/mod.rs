//! What is asked over HTTP: the calls that gRPC clients make beside gRPC, probes and metrics, and the node's own API.
//!
//! Handlers translate and nothing else; they share one extractor for parameters. Each of the two ports serves all of it.

mod caller;
mod cluster;
mod group;
mod nacos;
mod native;
mod pages;
mod params;
mod process;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{Method, StatusCode, Uri},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use compact_str::CompactString;
use serde_json::json;

pub use caller::PeerAddress;
pub use process::Process;

use crate::{
    connection::Connections,
    member::Cluster,
    metrics::{HttpCounter, Metrics},
    model::{Consistency, Proposal, Switches},
    node::{Input, Rejection, Reply, Write},
    peer::{FORWARD_DEADLINE, Forwarded, Peers},
    raft::{Agreement, Failure},
    wire::peer::Phase,
};

/// Largest body of an HTTP request, in bytes: a batch of thousands of instances fits.
const BODY_BYTES: usize = 1024 * 1024;
/// What metrics call the generation of paths that are not of the naming API.
const NO_GENERATION: &str = "none";

/// What a node says that does not know yet what others do.
const STARTING: &str = "server is STARTING now, please try again later!";

/// What may be told to the API.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whether instances are listed as targets of Prometheus.
    pub prometheus_discovery: bool,
}

/// What handlers work with.
pub struct Api {
    connections: Arc<Connections>,
    metrics: Arc<Metrics>,
    peers: Arc<Peers>,
    process: Process,
    group: Arc<dyn Agreement>,
}

impl Api {
    /// The handlers' view of a node.
    pub fn new(
        connections: Arc<Connections>,
        metrics: Arc<Metrics>,
        peers: Arc<Peers>,
        group: Arc<dyn Agreement>,
        process: Process,
    ) -> Arc<Self> {
        Arc::new(Self { connections, metrics, peers, process, group })
    }

    /// All switches.
    fn switches(&self) -> Arc<Switches> {
        self.connections.runtime().switches()
    }

    /// The members.
    fn cluster(&self) -> Arc<Cluster> {
        self.connections.runtime().cluster()
    }

    /// Whether new work is welcome.
    fn is_ready(&self) -> bool {
        self.process.is_running() && self.cluster().phase == Phase::Serving
    }

    /// Main addresses of all members, in their order.
    fn addresses(&self) -> Vec<CompactString> {
        let cluster = self.cluster();
        let peers = cluster.peers.iter().map(|peer| &peer.address);
        let mut all: Vec<CompactString> = peers.chain([&cluster.address]).cloned().collect();
        all.sort_unstable();
        all
    }

    /// Sets how much is logged, where the log is this program's to set.
    fn set_log_level(&self, logger: &str, level: &str) {
        if let Some(log) = &self.process.log {
            log.set(logger, level);
        }
    }

    /// Has a write done by the node that is responsible for its client; this node then knows what came of it. When that one
    /// cannot be reached in time this node does it: whoever takes a write owns the client, and the newer state wins.
    async fn write(&self, input: Input) -> Result<Reply, Rejection> {
        let runtime = self.connections.runtime();
        let write = match Write::try_from(input) {
            Ok(write) => write,
            Err(other) => return runtime.handle(*other),
        };
        let Some(to) = runtime.cluster().forward_to(write.client()) else {
            return runtime.handle(write.into());
        };
        match self.peers.forward(to, &write, FORWARD_DEADLINE).await {
            Ok(Forwarded { result, state }) => {
                if let Some(state) = state {
                    runtime.handle(Input::Learn(Arc::new(state)))?;
                }
                result
            }
            Err(error) => {
                tracing::debug!(client = %write.client(), %error, "not forwarded");
                runtime.handle(write.into())
            }
        }
    }

    /// Has a change made that is durable and the same on all nodes.
    async fn propose(&self, proposal: Proposal) -> Result<Reply, Failure> {
        self.group.propose(proposal).await
    }

    /// Waits until a read shows what it is to show.
    async fn catch_up(&self, consistency: Consistency) -> Result<(), Failure> {
        match consistency {
            Consistency::Local => Ok(()),
            Consistency::Strong => self.group.catch_up().await,
        }
    }
}

/// All routes, each counted under a name of its own or of its kind.
pub fn router(api: Arc<Api>, settings: &Settings) -> Router {
    let metrics = api.metrics.clone();
    let count_as = |name| middleware::from_fn_with_state(metrics.http(name, NO_GENERATION), counted);
    let pages = pages::router().route_layer(count_as("page"));
    let native = Router::new()
        .route("/services", get(native::services))
        .route("/services/protection", post(native::protect))
        .route("/instances", get(native::instances).post(native::register).delete(native::deregister))
        .route_layer(middleware::from_fn_with_state(api.clone(), loaded))
        .route("/cluster", get(cluster::show))
        .route("/cluster/members", post(group::join).delete(group::remove))
        .route("/cluster/leader", post(group::transfer))
        .route("/cluster/snapshot", post(group::snapshot))
        .route("/cluster/backup", get(group::backup))
        .route("/openapi.json", get(nacos::openapi::serve))
        .route_layer(count_as("native"))
        .layer(DefaultBodyLimit::max(BODY_BYTES));
    let nobody = |answer: fn(&Method, &Uri) -> Response| {
        let counter = metrics.http("unknown", NO_GENERATION);
        move |State(api): State<Arc<Api>>, request: Request| async move {
            match nacos::refusal(&api, &request) {
                Some(refused) => refused,
                None => count(&counter, std::future::ready(answer(request.method(), request.uri()))).await,
            }
        }
    };
    Router::new()
        .merge(nacos::router(&metrics, settings))
        .nest("/nacos", pages.clone())
        .route("/nacos", get(pages::to_context).route_layer(count_as("page")))
        .route("/nacos/", get(pages::index).route_layer(count_as("page")))
        .route("/", get(pages::index).route_layer(count_as("page")))
        .merge(pages)
        .fallback(nobody(nacos::unknown))
        .method_not_allowed_fallback(nobody(nacos::unknown_method))
        .nest("/roster/v1", native)
        .route("/metrics", get(native::metrics).route_layer(count_as("metrics")))
        .with_state(api)
}

/// Keeps callers from lists that the node does not know yet.
async fn loaded(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    match api.cluster().phase {
        Phase::Loading => Refused(StatusCode::SERVICE_UNAVAILABLE, STARTING.to_owned()).into_response(),
        Phase::Serving | Phase::Leaving => next.run(request).await,
    }
}

/// Counts what a route outside the table of operations is asked.
async fn counted(State(counter): State<HttpCounter>, request: Request, next: Next) -> Response {
    count(&counter, next.run(request)).await
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
