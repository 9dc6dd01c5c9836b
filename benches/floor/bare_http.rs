//! The floor of HTTP: axum handlers that read nothing of a request but the name that a list must show, served as
//! `axum::serve` does it. Promises the bytes that Roster answers to `roster bench`: lists are those of ten instances of
//! its making. Never keeps a registration.

use std::sync::Arc;

use anyhow::Result;
use axum::{
    Router,
    body::Bytes,
    extract::{RawQuery, State},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use parking_lot::RwLock;
use tokio::net::TcpListener;

const BEAT: &str = r#"{"clientBeatInterval":5000,"code":10200,"lightBeatEnabled":true}"#;
const INSTANCES: usize = 10;

/// The query of the last list and its answer.
type Last = Arc<RwLock<(String, Bytes)>>;

pub async fn serve(port: u16) -> Result<()> {
    let router = Router::new()
        .route("/nacos/v1/ns/instance", post(done).delete(done))
        .route("/nacos/v1/ns/instance/list", get(list))
        .route("/nacos/v1/ns/instance/beat", put(beat))
        .with_state(Last::default());
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new());
            // How a connection ends is the caller's business.
            let _ = builder.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn done() -> Response {
    ([(CONTENT_TYPE, "text/plain;charset=UTF-8")], "ok").into_response()
}

async fn beat(_body: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], BEAT).into_response()
}

async fn list(State(last): State<Last>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let known = Some(&*last.read()).filter(|(known, _)| *known == query).map(|(_, list)| list.clone());
    let list = known.unwrap_or_else(|| {
        let list = Bytes::from(encoded(&query));
        *last.write() = (query, list.clone());
        list
    });
    ([(CONTENT_TYPE, "application/json")], list).into_response()
}

/// A list as Roster answers it, of the instances that the load generator registers.
fn encoded(query: &str) -> String {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let name = pairs.into_iter().find(|(key, _)| key == "serviceName").map(|(_, name)| name.into_owned());
    let name = name.unwrap_or_default();
    let hosts: Vec<String> = (0..INSTANCES).map(|number| host(&name, &format!("10.0.0.{number}"))).collect();
    format!(
        concat!(
            r#"{{"name":"{name}","groupName":"DEFAULT_GROUP","clusters":"","cacheMillis":10000,"#,
            r#""lastRefTime":1760000000123,"checksum":"","allIps":false,"allIPs":false,"#,
            r#""reachProtectionThreshold":false,"valid":true,"hosts":[{hosts}]}}"#
        ),
        name = name,
        hosts = hosts.join(","),
    )
}

fn host(name: &str, ip: &str) -> String {
    format!(
        concat!(
            r#"{{"instanceId":"{ip}#8080#DEFAULT#{name}","ip":"{ip}","port":8080,"weight":1.0,"healthy":true,"#,
            r#""enabled":true,"ephemeral":true,"clusterName":"DEFAULT","serviceName":"{name}","#,
            r#""metadata":{{"version":"1","zone":"a"}},"instanceHeartBeatInterval":5000,"#,
            r#""instanceHeartBeatTimeOut":15000,"ipDeleteTimeout":30000}}"#
        ),
        ip = ip,
        name = name,
    )
}
