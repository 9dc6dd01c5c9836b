//! The node's own API below `/roster/v1`, which the command line uses, and the metrics page.
//!
//! An instance registered here belongs to a client that is known by its address, not to a connection: it stays until it
//! is deregistered. An ephemeral one goes with the node too, a persistent one stays on all nodes.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    http::{Api, Refused, bad_request, params::Params},
    model::{
        CONSISTENCY, ClientId, ClusterFilter, MetadataOperation, Param, PersistentOperation, Proposal, Published,
        ServiceKey, check_param, check_port,
    },
    node::{Input, Rejection, Reply},
    raft::{self, Failure},
    registry::Selection,
    wire::{self, InstanceOperation, Refusal, Request, RequestType},
};

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Rejected(rejection) => rejection.into(),
            Failure::Unavailable(_) | Failure::Busy => Self(StatusCode::SERVICE_UNAVAILABLE, failure.to_string()),
            Failure::Unknown(_) => Self(StatusCode::GATEWAY_TIMEOUT, failure.to_string()),
        }
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        let status = match rejection {
            Rejection::Recovering(_) => StatusCode::SERVICE_UNAVAILABLE,
            Rejection::Registry(_) | Rejection::Namespace(_) => StatusCode::CONFLICT,
        };
        Self(status, rejection.to_string())
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Refused(StatusCode::BAD_REQUEST, refusal.message.unwrap_or_default().into_owned())
    }
}

/// One service of a listing.
#[derive(Serialize)]
struct Service {
    namespace: String,
    group: String,
    name: String,
    instances: usize,
    subscribers: usize,
}

fn service(params: &Params) -> Result<ServiceKey, Refused> {
    let key = ServiceKey::new(params.text("namespace"), params.text("group"), params.required("service")?);
    let key = key.map_err(bad_request)?;
    if key.name.trim().is_empty() {
        return Err(bad_request("Param 'service' is blank"));
    }
    Ok(key)
}

fn json_text(body: impl Into<axum::body::Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// `GET /roster/v1/services?namespace=`: all services of a namespace.
pub(super) async fn services(State(api): State<Arc<Api>>, params: Params) -> Result<Response, Refused> {
    let namespace = ServiceKey::new(params.text("namespace"), "", "").map_err(bad_request)?;
    let Reply::Services(all) = api.connections.runtime().handle(Input::Overview { namespace })? else {
        unreachable!("an overview is answered with services")
    };
    let all: Vec<Service> = all
        .into_iter()
        .map(|(key, instances, subscribers)| Service {
            namespace: key.namespace.into(),
            group: key.group.into(),
            name: key.name.into(),
            instances,
            subscribers,
        })
        .collect();
    Ok(Json(all).into_response())
}

/// `GET /roster/v1/instances?service=&group=&namespace=&clusters=&healthyOnly=&consistency=`: one service as readers see it.
pub(super) async fn instances(State(api): State<Arc<Api>>, params: Params) -> Result<Response, Refused> {
    let service = service(&params)?;
    let clusters = params.text("clusters");
    clusters.split(',').try_for_each(|name| check_param(Param::Cluster, name)).map_err(bad_request)?;
    let healthy_only = flag(&params, "healthyOnly", false)?;
    api.catch_up(params.text(CONSISTENCY).parse().map_err(bad_request)?).await?;
    let selection = Selection { filter: ClusterFilter::parse(clusters), healthy_only };
    let reply = api.connections.runtime().handle(Input::Query { service: service.clone(), selection })?;
    let Reply::View(view) = reply else { unreachable!("a query is answered with a view") };
    let info = view.info(&service, clusters);
    Ok(json_text(info.to_json()))
}

fn flag(params: &Params, name: &str, default: bool) -> Result<bool, Refused> {
    match params.text(name) {
        "" => Ok(default),
        "false" => Ok(false),
        "true" => Ok(true),
        other => Err(bad_request(format!("{name} '{other}' is neither true nor false"))),
    }
}

/// Whether the instance of a registration says that it lives by its client, as one that says nothing does. Over gRPC the
/// type of the request says so.
fn is_ephemeral(body: &[u8]) -> Result<bool, Refused> {
    let body: Value = serde_json::from_slice(body).map_err(bad_request)?;
    match &body["instance"]["ephemeral"] {
        Value::Null => Ok(true),
        Value::Bool(ephemeral) => Ok(*ephemeral),
        other => Err(bad_request(format!("ephemeral '{other}' is neither true nor false"))),
    }
}

/// `POST /roster/v1/instances` with the JSON of a Nacos `InstanceRequest` of type `registerInstance`; with
/// `"ephemeral": false` in the instance it is persistent.
pub(super) async fn register(State(api): State<Arc<Api>>, body: Bytes) -> Result<Json<Value>, Refused> {
    let Request::Instance(service, InstanceOperation::Register(instance)) = wire::decode(RequestType::Instance, &body)?
    else {
        return Err(bad_request("only registerInstance is taken here; use DELETE to deregister"));
    };
    if instance.ip.trim().is_empty() {
        return Err(bad_request("Param 'ip' is blank"));
    }
    if is_ephemeral(&body)? {
        let client = ClientId::address(&instance.ip, instance.port);
        api.write(Input::Register { client, service, content: Published::One(instance) }).await?;
    } else {
        let minted = api.connections.runtime().handle(Input::Mint { service: service.clone(), instance })?;
        let Reply::Minted(instance) = minted else { unreachable!("an instance is answered with an instance") };
        api.propose(Proposal::Instance(PersistentOperation::Register { service, instance })).await?;
    }
    Ok(Json(json!({"registered": true})))
}

/// `DELETE /roster/v1/instances?service=&group=&namespace=&ip=&port=&ephemeral=`: takes back what was registered here, or a
/// persistent instance, wherever it was registered. What a connected client publishes is that client's and stays.
pub(super) async fn deregister(State(api): State<Arc<Api>>, params: Params) -> Result<Json<Value>, Refused> {
    let service = service(&params)?;
    let ip = params.required("ip")?;
    check_param(Param::Ip, ip).map_err(bad_request)?;
    let port = params.required("port")?.parse().map_err(|_| bad_request("port is not a number"))?;
    let port = check_port(port).map_err(bad_request)?;
    let reply = if flag(&params, "ephemeral", true)? {
        api.write(Input::Deregister { client: ClientId::address(ip, port), service }).await?
    } else {
        api.propose(Proposal::Instance(PersistentOperation::Deregister { service, ip: ip.into(), port })).await?
    };
    let Reply::Deregistered(deregistered) = reply else {
        unreachable!("a deregistration says whether there was anything")
    };
    Ok(Json(json!({"deregistered": deregistered})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Protection {
    service: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    namespace: String,
    threshold: Option<f64>,
}

/// `POST /roster/v1/services/protection`: sets or, with a null threshold, removes the protection threshold of a service.
/// The same on all nodes.
pub(super) async fn protect(State(api): State<Arc<Api>>, body: Bytes) -> Result<Json<Value>, Refused> {
    let asked: Protection = serde_json::from_slice(&body).map_err(bad_request)?;
    let service = ServiceKey::new(&asked.namespace, &asked.group, &asked.service).map_err(bad_request)?;
    if service.name.trim().is_empty() {
        return Err(bad_request("Param 'service' is blank"));
    }
    if asked.threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
        return Err(bad_request("threshold must be between 0 and 1"));
    }
    let operation = MetadataOperation::Protect { service, threshold: asked.threshold };
    api.propose(Proposal::Metadata(operation)).await?;
    Ok(Json(json!({"protected": asked.threshold.is_some()})))
}

/// `GET /metrics`, for Prometheus.
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> String {
    let stats = api.connections.runtime().stats();
    raft::publish(&api.group.status());
    api.metrics.render(&stats, &api.cluster(), api.connections.len())
}
