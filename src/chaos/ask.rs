//! Calls over HTTP, each with a deadline and an answer that says whether it may have been done.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

/// Callers wait longer than a server does for agreement, or most outcomes would be unknown.
const DEADLINE: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct Http(Client<HttpConnector, Full<Bytes>>);

impl Http {
    pub fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(5)).build_http())
    }

    /// Status and body.
    pub async fn call(&self, method: Method, node: &str, target: &str, form: Bytes) -> Result<(u16, Bytes)> {
        let mut request = Request::builder().method(method).uri(format!("http://{node}{target}"));
        if !form.is_empty() {
            request = request.header(hyper::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request = request.body(Full::new(form))?;
        let exchange = async {
            let answer = self.0.request(request).await?;
            let status = answer.status().as_u16();
            anyhow::Ok((status, answer.into_body().collect().await?.to_bytes()))
        };
        tokio::time::timeout(DEADLINE, exchange).await.with_context(|| format!("{node} did not answer"))?
    }

    /// What is answered with 200.
    pub async fn get(&self, node: &str, target: &str) -> Option<Value> {
        let (status, body) = self.call(Method::GET, node, target, Bytes::new()).await.ok()?;
        if status == 200 { serde_json::from_slice(&body).ok() } else { None }
    }
}
