//! The same over HTTP: instances by service, in one lock, with no idea of time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    routing::{post, put},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::small_server::Mistake;

type Params = Query<BTreeMap<String, String>>;

struct Registry {
    mistake: Mistake,
    state: Mutex<Instances>,
}

#[derive(Default)]
struct Instances {
    services: BTreeMap<String, BTreeSet<(String, String)>>,
    requests: u64,
}

pub async fn serve(listener: TcpListener, mistake: Mistake) {
    let router = Router::new()
        .route("/nacos/v1/ns/instance", post(register).delete(deregister))
        .route("/nacos/v1/ns/instance/list", axum::routing::get(list))
        .route("/nacos/v1/ns/instance/beat", put(beat))
        .with_state(Arc::new(Registry { mistake, state: Mutex::default() }));
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new());
            // The load generator ends its connections as it likes.
            let _ = builder.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

fn address(params: &Params) -> (String, String) {
    (params["ip"].clone(), params["port"].clone())
}

impl Registry {
    /// Whether this request is one that a mistake is made with.
    fn errs(&self, instances: &mut Instances, mistake: Mistake) -> bool {
        instances.requests += 1;
        self.mistake == mistake && instances.requests.is_multiple_of(20)
    }
}

async fn register(State(registry): State<Arc<Registry>>, params: Params) -> (StatusCode, &'static str) {
    let mut instances = registry.state.lock().unwrap();
    if registry.errs(&mut instances, Mistake::RefuseSometimes) {
        return (StatusCode::INTERNAL_SERVER_ERROR, "unlucky");
    }
    instances.services.entry(params["serviceName"].clone()).or_default().insert(address(&params));
    (StatusCode::OK, "ok")
}

async fn deregister(State(registry): State<Arc<Registry>>, params: Params) -> &'static str {
    let mut instances = registry.state.lock().unwrap();
    instances.services.entry(params["serviceName"].clone()).or_default().remove(&address(&params));
    "ok"
}

async fn list(State(registry): State<Arc<Registry>>, params: Params) -> Json<Value> {
    let mut instances = registry.state.lock().unwrap();
    let hide = registry.errs(&mut instances, Mistake::HideHostSometimes);
    let known = instances.services.get(&params["serviceName"]).into_iter().flatten();
    let shown = known.skip(usize::from(hide)).map(|(ip, port)| json!({"ip": ip, "port": port.parse::<u16>().unwrap()}));
    Json(json!({"name": params["serviceName"], "lastRefTime": 1, "hosts": shown.collect::<Vec<_>>()}))
}

async fn beat(State(registry): State<Arc<Registry>>, params: Params) -> Json<Value> {
    let mut instances = registry.state.lock().unwrap();
    let forgotten = registry.errs(&mut instances, Mistake::ForgetSometimes);
    let known = instances.services.get(&params["serviceName"]).is_some_and(|all| all.contains(&address(&params)));
    Json(json!({"clientBeatInterval": 5000, "code": if known && !forgotten { 10200 } else { 20404 }}))
}
