//! A gRPC client that names itself as it is told to and never comes back.

use std::sync::{Arc, Mutex};

use roster::proto::{
    Metadata, Payload, bi_request_stream_client::BiRequestStreamClient, google::protobuf::Any,
    request_client::RequestClient,
};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};

use super::{DEADLINE, Ports, shown, until};

/// Acks under way.
const QUEUE: usize = 256;

fn payload(kind: &str, body: &Value) -> Payload {
    let metadata = Metadata { r#type: kind.to_owned(), client_ip: String::new(), headers: Default::default() };
    let body = Any { type_url: String::new(), value: body.to_string().into() };
    Payload { metadata: Some(metadata), body: Some(body) }
}

fn open(payload: Payload) -> (String, Value) {
    let kind = payload.metadata.unwrap_or_default().r#type;
    (kind, serde_json::from_slice(&payload.body.unwrap_or_default().value).unwrap_or(Value::Null))
}

/// One connection; it ends when dropped.
pub struct Raw {
    calls: RequestClient<Channel>,
    told: Arc<Mutex<Vec<Ports>>>,
    stream: JoinHandle<()>,
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.stream.abort();
    }
}

impl Raw {
    /// Connects as this kind of SDK to the node with this main port.
    pub async fn connect(main_port: u16, agent: &str) -> Result<Self, Status> {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{}", main_port + 1_000));
        let endpoint = endpoint.expect("an address").connect_timeout(DEADLINE).timeout(DEADLINE);
        let channel = endpoint.connect().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let told = Arc::default();
        let setup = json!({"clientVersion": agent, "labels": {"source": "sdk", "module": "naming"}});
        let stream =
            tokio::spawn(listen(channel.clone(), payload("ConnectionSetupRequest", &setup), Arc::clone(&told)));
        let raw = Self { calls: RequestClient::new(channel), told, stream };
        raw.call("ServerCheckRequest", json!({})).await?;
        until("it is set up", DEADLINE, async || {
            let checked = raw.call("HealthCheckRequest", json!({})).await;
            checked.is_ok_and(|answer| answer["resultCode"] == 200).then_some(())
        })
        .await;
        Ok(raw)
    }

    pub async fn call(&self, kind: &str, body: Value) -> Result<Value, Status> {
        let answer = self.calls.clone().request(payload(kind, &body)).await?;
        Ok(open(answer.into_inner()).1)
    }

    pub async fn register(&self, service: &str, port: u16) {
        let instance = json!({"ip": "10.0.0.1", "port": port, "weight": 1.0, "healthy": true, "enabled": true,
            "ephemeral": true, "clusterName": "DEFAULT", "serviceName": service, "metadata": {}});
        let answer = self.call(
            "InstanceRequest",
            json!({"namespace": "", "serviceName": service,
            "groupName": "DEFAULT_GROUP", "type": "registerInstance", "instance": instance}),
        );
        let answer = answer.await.expect("answered");
        assert_eq!(answer["resultCode"], 200, "{answer}");
    }

    /// Subscribes and answers the first list; those that follow are in [`Raw::lists`].
    pub async fn subscribe(&self, service: &str) -> Ports {
        let answer = self.call(
            "SubscribeServiceRequest",
            json!({"namespace": "", "serviceName": service,
            "groupName": "DEFAULT_GROUP", "clusters": "", "subscribe": true}),
        );
        let answer = answer.await.expect("answered");
        assert_eq!(answer["resultCode"], 200, "{answer}");
        shown(&answer)
    }

    /// What was pushed, in order.
    pub fn lists(&self) -> Vec<Ports> {
        self.told.lock().expect("no panic under it").clone()
    }
}

async fn listen(channel: Channel, setup: Payload, told: Arc<Mutex<Vec<Ports>>>) {
    let (acks, outgoing) = mpsc::channel(QUEUE);
    acks.send(setup).await.expect("room");
    let Ok(stream) = BiRequestStreamClient::new(channel).request_bi_stream(ReceiverStream::new(outgoing)).await else {
        return;
    };
    let mut stream = stream.into_inner();
    while let Ok(Some(message)) = stream.message().await {
        let (kind, body) = open(message);
        if kind == "NotifySubscriberRequest" {
            told.lock().expect("no panic under it").push(shown(&body));
        }
        if body["requestId"].is_string() {
            let ack = json!({"resultCode": 200, "errorCode": 0, "success": true, "requestId": body["requestId"]});
            // Nobody reads acks on a stream that is gone.
            let _ = acks.send(payload(&kind.replace("Request", "Response"), &ack)).await;
        }
    }
}
