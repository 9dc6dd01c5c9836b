//! The floor: a tonic server with the two methods of the protocol and ready-made replies. Promises replies and pushes of
//! the size a real server gives. Of one service it keeps the last batch and the last single registration, unread unless
//! somebody subscribed; then each registration is one message, made once and sent to every stream. Never looks who
//! subscribed to what, waits for acks, or merges. HTTP is served beside it on the main port, see `bare_http.rs`.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use parking_lot::RwLock;
use roster::proto::{
    Metadata, Payload,
    bi_request_stream_server::{BiRequestStream, BiRequestStreamServer},
    google::protobuf::Any,
    request_server::{Request as RequestService, RequestServer},
};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio_stream::{Stream, StreamExt, wrappers::BroadcastStream};
use tonic::{Request, Response, Status, Streaming};

use super::{bare_http, servers::GRPC_OFFSET};

const COMMON: &str = r#"{"resultCode":200,"errorCode":0,"success":true}"#;
const SERVER_CHECK: &str = r#"{"resultCode":200,"errorCode":0,"success":true,"connectionId":"1760000000123_127.0.0.1_51234","supportAbilityNegotiation":true}"#;
const REGISTERED: &str = r#"{"resultCode":200,"errorCode":0,"success":true,"type":"registerInstance"}"#;
const BATCH_REGISTERED: &str = r#"{"resultCode":200,"errorCode":0,"success":true,"type":"batchRegisterInstance"}"#;

/// Pushes that a stream may be behind.
const PUSHES: usize = 64;

pub fn run(port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting tokio")?;
    let bare = Bare(Arc::new(State {
        one: RwLock::default(),
        batch: RwLock::default(),
        query: RwLock::default(),
        pushes: broadcast::channel(PUSHES).0,
        watched: AtomicBool::new(false),
    }));
    let serving = tonic::transport::Server::builder()
        .add_service(RequestServer::new(bare.clone()))
        .add_service(BiRequestStreamServer::new(bare))
        .serve(([127, 0, 0, 1], port).into());
    let http = port.checked_sub(GRPC_OFFSET).context("no main port")?;
    runtime.block_on(async {
        tokio::select! {
            served = serving => served.context("serving gRPC"),
            served = bare_http::serve(http) => served.context("serving HTTP"),
        }
    })
}

#[derive(Clone)]
struct Bare(Arc<State>);

struct State {
    one: RwLock<Bytes>,
    batch: RwLock<Bytes>,
    query: RwLock<Bytes>,
    pushes: broadcast::Sender<Bytes>,
    watched: AtomicBool,
}

impl State {
    fn push(&self) -> Result<()> {
        if self.watched.load(Relaxed) {
            let view = self.view()?;
            let push = json!({ "headers": {}, "requestId": "2", "module": "naming", "serviceInfo": view });
            // Nobody listens when nobody is connected.
            let _ = self.pushes.send(push.to_string().into());
        }
        Ok(())
    }

    fn prepare_query(&self) -> Result<Bytes> {
        let reply = json!({ "resultCode": 200, "errorCode": 0, "success": true, "serviceInfo": self.view()? });
        let reply = Bytes::from(reply.to_string());
        *self.query.write() = reply.clone();
        Ok(reply)
    }

    fn view(&self) -> Result<Value> {
        let mut batch: Value = serde_json::from_slice(&self.batch.read())?;
        let one = serde_json::from_slice::<Value>(&self.one.read()).unwrap_or_default();
        let mut hosts = batch["instances"].take();
        if one["serviceName"] == batch["serviceName"] {
            hosts.as_array_mut().context("no instances")?.push(one["instance"].clone());
        }
        view(batch["serviceName"].as_str().context("no serviceName")?, hosts)
    }

    fn answer(&self, kind: &str, body: Bytes) -> Result<(&'static str, Bytes)> {
        Ok(match kind {
            "InstanceRequest" => {
                *self.one.write() = body;
                self.push()?;
                ("InstanceResponse", Bytes::from_static(REGISTERED.as_bytes()))
            }
            "BatchInstanceRequest" => {
                *self.batch.write() = body;
                self.prepare_query()?;
                ("BatchInstanceResponse", Bytes::from_static(BATCH_REGISTERED.as_bytes()))
            }
            "SubscribeServiceRequest" => {
                self.watched.store(true, Relaxed);
                ("SubscribeServiceResponse", self.prepare_query()?)
            }
            "ServiceQueryRequest" => ("QueryServiceResponse", self.query.read().clone()),
            "HealthCheckRequest" => ("HealthCheckResponse", Bytes::from_static(COMMON.as_bytes())),
            "ServerCheckRequest" => ("ServerCheckResponse", Bytes::from_static(SERVER_CHECK.as_bytes())),
            other => bail!("{other} is not for a bare server"),
        })
    }
}

fn payload(kind: &str, body: Bytes) -> Payload {
    Payload {
        metadata: Some(Metadata { r#type: kind.to_owned(), ..Metadata::default() }),
        body: Some(Any { type_url: String::new(), value: body }),
    }
}

#[tonic::async_trait]
impl RequestService for Bare {
    async fn request(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        let Payload { metadata, body } = request.into_inner();
        let kind = metadata.map(|metadata| metadata.r#type).unwrap_or_default();
        let answer = self.0.answer(&kind, body.unwrap_or_default().value);
        let (kind, body) = answer.map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(Response::new(payload(kind, body)))
    }
}

/// The instances with everything a server adds to them.
fn view(name: &str, mut hosts: Value) -> Result<Value> {
    let grouped = format!("DEFAULT_GROUP@@{name}");
    for host in hosts.as_array_mut().context("no instances")? {
        let (ip, port) = (host["ip"].as_str().context("no ip")?, &host["port"]);
        host["instanceId"] = format!("{ip}#{port}#DEFAULT#{grouped}").into();
        host["serviceName"] = grouped.clone().into();
        host["instanceHeartBeatInterval"] = 5000.into();
        host["instanceHeartBeatTimeOut"] = 15000.into();
        host["ipDeleteTimeout"] = 30000.into();
    }
    Ok(json!({
        "name": name, "groupName": "DEFAULT_GROUP", "clusters": "", "cacheMillis": 10000, "hosts": hosts,
        "lastRefTime": 1_760_000_000_123_u64, "checksum": "", "allIps": false, "allIPs": false,
        "reachProtectionThreshold": false, "valid": true,
    }))
}

#[tonic::async_trait]
impl BiRequestStream for Bare {
    type requestBiStreamStream = Pin<Box<dyn Stream<Item = Result<Payload, Status>> + Send>>;

    async fn request_bi_stream(
        &self,
        request: Request<Streaming<Payload>>,
    ) -> Result<Response<Self::requestBiStreamStream>, Status> {
        let mut incoming = request.into_inner();
        tokio::spawn(async move { while let Ok(Some(_)) = incoming.message().await {} });
        let pushes = BroadcastStream::new(self.0.pushes.subscribe());
        let pushes = pushes.map(|push| match push {
            Ok(push) => Ok(payload("NotifySubscriberRequest", push)),
            Err(lagged) => Err(Status::resource_exhausted(lagged.to_string())),
        });
        Ok(Response::new(Box::pin(pushes)))
    }
}
