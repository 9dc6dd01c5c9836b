//! Talks to a node over its own API.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, body::Bytes, header::CONTENT_TYPE};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

/// How long a node may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The same for what needs nobody else.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// Sends one request to `path` of the node at `server` and reads the JSON it answers with.
pub(super) async fn call(
    server: &str,
    method: Method,
    path: &str,
    query: &[(&str, &str)],
    body: Option<&Value>,
) -> anyhow::Result<Value> {
    call_for(TIMEOUT, server, method, path, query, body).await
}

/// The same for what takes long.
pub(super) async fn call_for(
    patience: Duration,
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
    let (status, body) = exchange(patience, server, request).await?;
    if status.is_success() {
        return serde_json::from_slice(&body).with_context(|| format!("the answer of {server} is not JSON"));
    }
    refused(status, &body)
}

fn refused<T>(status: StatusCode, body: &[u8]) -> anyhow::Result<T> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    match answer["message"].as_str() {
        Some(message) => bail!("refused: {message}"),
        None => bail!("the node answered {status}"),
    }
}

/// Writes what `path` of the node at `server` answers with to a new file; its length in bytes.
pub(super) async fn download(server: &str, path: &str, file: &Path) -> anyhow::Result<u64> {
    let request = Request::get(format!("http://{server}/roster/v1{path}")).body(Full::<Bytes>::default())?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = tokio::time::timeout(TIMEOUT, client.request(request)).await;
    let response = response.with_context(|| format!("the node at {server} did not answer within {TIMEOUT:?}"))?;
    let response = response.with_context(|| format!("cannot reach a node at {server}"))?;
    let status = response.status();
    let mut body = response.into_body();
    if !status.is_success() {
        return refused(status, &body.collect().await?.to_bytes());
    }
    let mut out = tokio::fs::File::create_new(file).await.with_context(|| format!("cannot make {}", file.display()))?;
    let mut length = 0;
    while let Some(frame) = tokio::time::timeout(TIMEOUT, body.frame()).await.context("the node stopped sending")? {
        if let Ok(bytes) = frame?.into_data() {
            length += bytes.len() as u64;
            out.write_all(&bytes).await?;
        }
    }
    out.sync_all().await?;
    Ok(length)
}

/// Whether the node at `server` is there and takes new work.
pub(super) async fn is_ready(server: &str) -> bool {
    probe(server, "readiness").await.is_ok_and(|ready| ready)
}

/// What the node at `server` says to a probe: `liveness` or `readiness`.
pub(super) async fn probe(server: &str, probe: &str) -> anyhow::Result<bool> {
    let request = Request::get(format!("http://{server}/nacos/v2/console/health/{probe}")).body(Full::default())?;
    Ok(exchange(PROBE_TIMEOUT, server, request).await?.0.is_success())
}

async fn exchange(
    patience: Duration,
    server: &str,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let exchange = async {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request).await?;
        let status = response.status();
        anyhow::Ok((status, response.into_body().collect().await?.to_bytes()))
    };
    tokio::time::timeout(patience, exchange)
        .await
        .with_context(|| format!("the node at {server} did not answer within {patience:?}"))?
        .with_context(|| format!("cannot reach a node at {server}"))
}
