//! The HTTP calls of Nacos that its gRPC clients, operators and probes make (http.md 8.4, 10.2, 10.4, 11, 12.3).

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    http::{Api, Refused, bad_request, params::Params},
    model::ClientId,
};

/// The envelope of the v2 and v3 APIs.
#[derive(Serialize)]
pub(super) struct Envelope<T> {
    code: u32,
    message: &'static str,
    data: T,
}

fn success<T>(data: T) -> Json<Envelope<T>> {
    Json(Envelope { code: 0, message: "success", data })
}

/// Every client's test whether the server is healthy; with `onlyStatus=false` also how much there is.
pub(super) async fn metrics(State(api): State<Arc<Api>>, params: Params) -> Json<Value> {
    if params.get("onlyStatus").is_none_or(|value| value == "true") {
        return Json(json!({"status": "UP"}));
    }
    let size = api.connections.runtime().stats().size;
    let connections = api.connections.len();
    Json(json!({
        "status": "UP",
        "serviceCount": size.services,
        "instanceCount": size.instances,
        "subscribeCount": size.subscribers,
        "responsibleInstanceCount": size.instances,
        "clientCount": size.clients,
        "connectionBasedClientCount": connections,
        "ephemeralIpPortClientCount": size.clients.saturating_sub(connections),
        "persistentIpPortClientCount": 0,
        "responsibleClientCount": size.clients,
    }))
}

/// A login where authentication is off: whoever they are, clients that log in may go on. Nothing is protected by it.
pub(super) async fn login(params: Params) -> Result<Json<Value>, Refused> {
    let username = params.required("username")?;
    params.required("password")?;
    Ok(Json(json!({
        "accessToken": "AUTH_DISABLED",
        "tokenTtl": 18_000,
        "globalAdmin": true,
        "username": username,
    })))
}

/// Liveness and readiness: a node that answers is both.
pub(super) async fn state() -> Json<Envelope<&'static str>> {
    success("ok")
}

fn connections(api: &Api) -> BTreeMap<String, Value> {
    let all = api.connections.list().into_iter();
    all.map(|(id, version)| (id.to_string(), json!({"connectionId": id.to_string(), "version": version}))).collect()
}

/// The connections of this node.
pub(super) async fn loader_current(State(api): State<Arc<Api>>) -> Json<BTreeMap<String, Value>> {
    Json(connections(&api))
}

/// The connections of this node, in the envelope.
pub(super) async fn loader_current_v3(State(api): State<Arc<Api>>) -> Json<Envelope<BTreeMap<String, Value>>> {
    success(connections(&api))
}

/// Tells one client to connect elsewhere.
pub(super) async fn reload_client_v2(State(api): State<Arc<Api>>, params: Params) -> Result<&'static str, Refused> {
    reload(&api, &params).map(|()| "success")
}

/// Tells one client to connect elsewhere; the answer is in the envelope.
pub(super) async fn reload_client_v3(
    State(api): State<Arc<Api>>,
    params: Params,
) -> Result<Json<Envelope<Option<()>>>, Refused> {
    reload(&api, &params).map(|()| success(None))
}

fn reload(api: &Api, params: &Params) -> Result<(), Refused> {
    let id = params.required("connectionId")?;
    let target = match params.get("redirectAddress").filter(|address| !address.is_empty()) {
        None => None,
        Some(address) => {
            let parts = address.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
            Some(parts.ok_or_else(|| bad_request(format!("redirectAddress '{address}' is not host:port")))?)
        }
    };
    if api.connections.reset(&ClientId::from(id), target) {
        return Ok(());
    }
    Err(Refused(StatusCode::NOT_FOUND, format!("no connection '{id}' at this node")))
}
