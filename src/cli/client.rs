//! Talks to a node over its own API.

use std::time::Duration;

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, body::Bytes, header::CONTENT_TYPE};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;

/// How long a node may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends one request to `path` of the node at `server` and reads the JSON it answers with.
pub(super) async fn call(
    server: &str,
    method: Method,
    path: &str,
    query: &[(&str, &str)],
    body: Option<&Value>,
) -> anyhow::Result<Value> {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let uri = format!("http://{server}/roster/v1{path}?{query}");
    let body = Full::new(Bytes::from(body.map(Value::to_string).unwrap_or_default()));
    let request = Request::builder().method(method).uri(&uri).header(CONTENT_TYPE, "application/json").body(body)?;
    let (status, body) = exchange(server, request).await?;
    if status.is_success() {
        return serde_json::from_slice(&body).with_context(|| format!("the answer of {server} is not JSON"));
    }
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    match answer["message"].as_str() {
        Some(message) => bail!("refused: {message}"),
        None => bail!("the node answered {status}"),
    }
}

/// Whether the node at `server` is there and takes new work.
pub(super) async fn is_ready(server: &str) -> bool {
    let request = Request::get(format!("http://{server}/nacos/v2/console/health/readiness")).body(Full::default());
    let Ok(request) = request else { return false };
    exchange(server, request).await.is_ok_and(|(status, _)| status.is_success())
}

async fn exchange(server: &str, request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Bytes)> {
    let exchange = async {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request).await?;
        let status = response.status();
        anyhow::Ok((status, response.into_body().collect().await?.to_bytes()))
    };
    tokio::time::timeout(TIMEOUT, exchange)
        .await
        .with_context(|| format!("the node at {server} did not answer within {TIMEOUT:?}"))?
        .with_context(|| format!("cannot reach a node at {server}"))
}
