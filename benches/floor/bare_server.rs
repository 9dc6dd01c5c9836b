//! The floor: a tonic server with the two methods of the protocol and ready-made replies. Promises replies of the size
//! a real server gives, the query's made once from what the load generator registers. Never keeps state, looks into a
//! body while it is measured, or pushes.

use std::{pin::Pin, sync::Arc};

use anyhow::{Context, Result};
use bytes::Bytes;
use parking_lot::RwLock;
use roster::proto::{
    Metadata, Payload,
    bi_request_stream_server::{BiRequestStream, BiRequestStreamServer},
    google::protobuf::Any,
    request_server::{Request as RequestService, RequestServer},
};
use serde_json::{Value, json};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

const COMMON: &str = r#"{"resultCode":200,"errorCode":0,"success":true}"#;
const SERVER_CHECK: &str = r#"{"resultCode":200,"errorCode":0,"success":true,"connectionId":"1760000000123_127.0.0.1_51234","supportAbilityNegotiation":true}"#;
const REGISTERED: &str = r#"{"resultCode":200,"errorCode":0,"success":true,"type":"registerInstance"}"#;
const BATCH_REGISTERED: &str = r#"{"resultCode":200,"errorCode":0,"success":true,"type":"batchRegisterInstance"}"#;

pub fn run(port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting tokio")?;
    let bare = Bare { query: Arc::default() };
    let serving = tonic::transport::Server::builder()
        .add_service(RequestServer::new(bare.clone()))
        .add_service(BiRequestStreamServer::new(bare))
        .serve(([127, 0, 0, 1], port).into());
    runtime.block_on(serving).context("serving")
}

#[derive(Clone)]
struct Bare {
    query: Arc<RwLock<Bytes>>,
}

#[tonic::async_trait]
impl RequestService for Bare {
    async fn request(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        let Payload { metadata, body } = request.into_inner();
        let kind = metadata.map(|metadata| metadata.r#type).unwrap_or_default();
        let (kind, body) = match kind.as_str() {
            "InstanceRequest" => ("InstanceResponse", Bytes::from_static(REGISTERED.as_bytes())),
            "ServiceQueryRequest" => ("QueryServiceResponse", self.query.read().clone()),
            "HealthCheckRequest" => ("HealthCheckResponse", Bytes::from_static(COMMON.as_bytes())),
            "ServerCheckRequest" => ("ServerCheckResponse", Bytes::from_static(SERVER_CHECK.as_bytes())),
            "BatchInstanceRequest" => {
                let reply = query_reply(&body.unwrap_or_default().value)
                    .map_err(|error| Status::invalid_argument(error.to_string()))?;
                *self.query.write() = reply;
                ("BatchInstanceResponse", Bytes::from_static(BATCH_REGISTERED.as_bytes()))
            }
            other => return Err(Status::unimplemented(other)),
        };
        Ok(Response::new(Payload {
            metadata: Some(Metadata { r#type: kind.to_owned(), ..Metadata::default() }),
            body: Some(Any { type_url: String::new(), value: body }),
        }))
    }
}

/// What a query answers from now on: the registered instances with everything a server adds to them.
fn query_reply(registration: &[u8]) -> Result<Bytes> {
    let registration: Value = serde_json::from_slice(registration)?;
    let name = registration["serviceName"].as_str().context("no serviceName")?;
    let grouped = format!("DEFAULT_GROUP@@{name}");
    let mut hosts = registration["instances"].clone();
    for host in hosts.as_array_mut().context("no instances")? {
        let (ip, port) = (host["ip"].as_str().context("no ip")?, &host["port"]);
        host["instanceId"] = format!("{ip}#{port}#DEFAULT#{grouped}").into();
        host["serviceName"] = grouped.clone().into();
        host["instanceHeartBeatInterval"] = 5000.into();
        host["instanceHeartBeatTimeOut"] = 15000.into();
        host["ipDeleteTimeout"] = 30000.into();
    }
    let reply = json!({
        "resultCode": 200, "errorCode": 0, "success": true,
        "serviceInfo": {
            "name": name, "groupName": "DEFAULT_GROUP", "clusters": "", "cacheMillis": 10000, "hosts": hosts,
            "lastRefTime": 1_760_000_000_123_u64, "checksum": "", "allIps": false, "allIPs": false,
            "reachProtectionThreshold": false, "valid": true,
        },
    });
    Ok(reply.to_string().into())
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
        Ok(Response::new(Box::pin(tokio_stream::pending())))
    }
}
