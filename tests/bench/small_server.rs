//! A naming server just large enough for `roster bench`: everything in one lock, every change pushed at once. It can
//! be told to make one kind of mistake.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
};

use roster::proto::{
    Metadata, Payload,
    bi_request_stream_server::{BiRequestStream, BiRequestStreamServer},
    google::protobuf::Any,
    request_server::{Request as RequestService, RequestServer},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_stream::{
    Stream,
    wrappers::{ReceiverStream, TcpListenerStream},
};
use tonic::{Request, Response, Status, Streaming};

use crate::small_http;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    None,
    /// Of each service, only the first few pushes are sent.
    DropPushes,
    /// Every 20th query shows one instance less.
    HideHostSometimes,
    /// Every 20th registration is refused.
    RefuseSometimes,
    /// Every 20th beat finds nobody, over HTTP.
    ForgetSometimes,
}

pub struct SmallServer {
    grpc_port: u16,
    tasks: [JoinHandle<()>; 2],
}

impl SmallServer {
    pub async fn start(mistake: Mistake) -> Self {
        let (main, grpc) = listeners().await;
        let grpc_port = grpc.local_addr().unwrap().port();
        let shared = Shared { mistake, state: Arc::default() };
        let serving = tonic::transport::Server::builder()
            .add_service(RequestServer::new(shared.clone()))
            .add_service(BiRequestStreamServer::new(shared))
            .serve_with_incoming(TcpListenerStream::new(grpc));
        let http = tokio::spawn(small_http::serve(main, mistake));
        Self { grpc_port, tasks: [tokio::spawn(async move { serving.await.unwrap() }), http] }
    }

    pub fn main_address(&self) -> String {
        format!("127.0.0.1:{}", self.grpc_port - 1000)
    }
}

impl Drop for SmallServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// On the main port and the one 1000 above, which may be taken.
async fn listeners() -> (TcpListener, TcpListener) {
    loop {
        let grpc = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let main = grpc.local_addr().unwrap().port() - 1000;
        if let Ok(main) = TcpListener::bind(("127.0.0.1", main)).await {
            return (main, grpc);
        }
    }
}

#[derive(Clone)]
struct Shared {
    mistake: Mistake,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    streams: HashMap<SocketAddr, mpsc::Sender<Result<Payload, Status>>>,
    services: BTreeMap<String, Service>,
    clock: u64,
    requests: u64,
}

#[derive(Default)]
struct Service {
    published: BTreeMap<SocketAddr, Vec<Value>>,
    subscribers: BTreeSet<SocketAddr>,
    pushes: usize,
}

impl State {
    fn view(&mut self, name: &str) -> Value {
        self.clock += 1;
        let hosts: Vec<Value> = self
            .services
            .get(name)
            .map(|service| service.published.values().flatten().cloned().collect())
            .unwrap_or_default();
        json!({ "name": name, "groupName": "DEFAULT_GROUP", "clusters": "", "lastRefTime": self.clock, "hosts": hosts })
    }

    fn push(&mut self, name: &str, mistake: Mistake) {
        let view = self.view(name);
        let id = self.clock.to_string();
        let body = json!({ "headers": {}, "requestId": id, "module": "naming", "serviceInfo": view });
        let service = self.services.entry(name.to_owned()).or_default();
        for subscriber in &service.subscribers {
            service.pushes += 1;
            if mistake == Mistake::DropPushes && service.pushes > 7 {
                continue;
            }
            if let Some(stream) = self.streams.get(subscriber) {
                stream.try_send(Ok(payload("NotifySubscriberRequest", &body))).expect("the bench reads its pushes");
            }
        }
    }
}

impl Shared {
    fn answer(&self, from: SocketAddr, kind: &str, body: &Value) -> Payload {
        let mut state = self.state.lock().unwrap();
        let success = |kind: &str| payload(kind, &json!({ "resultCode": 200, "errorCode": 0 }));
        if kind == "ServerCheckRequest" {
            return success("ServerCheckResponse");
        }
        if !state.streams.contains_key(&from) {
            return payload("ErrorResponse", &json!({ "resultCode": 500, "errorCode": 301 }));
        }
        state.requests += 1;
        let unlucky = state.requests.is_multiple_of(20);
        let name = body["serviceName"].as_str().unwrap_or_default().to_owned();
        match kind {
            "HealthCheckRequest" => success("HealthCheckResponse"),
            "InstanceRequest" if unlucky && self.mistake == Mistake::RefuseSometimes => {
                payload("ErrorResponse", &json!({ "resultCode": 500, "errorCode": 500, "message": "unlucky" }))
            }
            "InstanceRequest" | "BatchInstanceRequest" => {
                let service = state.services.entry(name.clone()).or_default();
                match body["type"].as_str() {
                    Some("registerInstance") => service.published.insert(from, vec![body["instance"].clone()]),
                    Some("batchRegisterInstance") => {
                        service.published.insert(from, body["instances"].as_array().unwrap().clone())
                    }
                    _ => service.published.remove(&from),
                };
                state.push(&name, self.mistake);
                success(if kind == "InstanceRequest" { "InstanceResponse" } else { "BatchInstanceResponse" })
            }
            "SubscribeServiceRequest" => {
                let subscribers = &mut state.services.entry(name.clone()).or_default().subscribers;
                if body["subscribe"] == true {
                    subscribers.insert(from)
                } else {
                    subscribers.remove(&from)
                };
                let view = state.view(&name);
                payload("SubscribeServiceResponse", &json!({ "resultCode": 200, "serviceInfo": view }))
            }
            _ => {
                let mut view = state.view(&name);
                if unlucky && self.mistake == Mistake::HideHostSometimes {
                    view["hosts"].as_array_mut().unwrap().pop();
                }
                payload("QueryServiceResponse", &json!({ "resultCode": 200, "serviceInfo": view }))
            }
        }
    }

    fn gone(&self, from: SocketAddr) {
        let mut state = self.state.lock().unwrap();
        state.streams.remove(&from);
        let mut changed = Vec::new();
        for (name, service) in &mut state.services {
            service.subscribers.remove(&from);
            if service.published.remove(&from).is_some() {
                changed.push(name.clone());
            }
        }
        for name in changed {
            state.push(&name, self.mistake);
        }
    }
}

#[tonic::async_trait]
impl RequestService for Shared {
    async fn request(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        let from = request.remote_addr().expect("TCP has a peer");
        let (kind, body) = open(request.into_inner());
        Ok(Response::new(self.answer(from, &kind, &body)))
    }
}

#[tonic::async_trait]
impl BiRequestStream for Shared {
    type requestBiStreamStream = Pin<Box<dyn Stream<Item = Result<Payload, Status>> + Send>>;

    async fn request_bi_stream(
        &self,
        request: Request<Streaming<Payload>>,
    ) -> Result<Response<Self::requestBiStreamStream>, Status> {
        let from = request.remote_addr().expect("TCP has a peer");
        let (sender, receiver) = mpsc::channel(16_384);
        let shared = self.clone();
        let mut incoming = request.into_inner();
        tokio::spawn(async move {
            while let Ok(Some(message)) = incoming.message().await {
                if open(message).0 == "ConnectionSetupRequest" {
                    shared.state.lock().unwrap().streams.insert(from, sender.clone());
                }
            }
            shared.gone(from);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

fn payload(kind: &str, body: &Value) -> Payload {
    Payload {
        metadata: Some(Metadata { r#type: kind.to_owned(), ..Metadata::default() }),
        body: Some(Any { type_url: String::new(), value: body.to_string().into() }),
    }
}

fn open(payload: Payload) -> (String, Value) {
    let body = payload.body.unwrap_or_default().value;
    (payload.metadata.unwrap_or_default().r#type, serde_json::from_slice(&body).unwrap())
}
