//! What callers are told when nodes do not agree, and when a read may be too old.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tonic::Request;

use crate::{
    connection::{Connections, Limits, Liveness, Settings, Transport, payload},
    grpc::request::Unary,
    metrics::Metrics,
    model::{Agreed, AgreedChange, Instance, NodeId, Proposal, ServiceKey},
    node::{self, Input, Membership, Reply},
    proto::request_server::Request as _,
    raft::{Agreement, Failure},
    runtime::{DataDir, Runtime},
    wire::Setup,
};

/// A group that never agrees.
struct Divided {
    failure: Failure,
    caught_up: Mutex<u32>,
}

#[tonic::async_trait]
impl Agreement for Divided {
    async fn propose(&self, _: Proposal) -> Result<Reply, Failure> {
        Err(self.failure.clone())
    }

    async fn catch_up(&self) -> Result<(), Failure> {
        *self.caught_up.lock() += 1;
        Err(self.failure.clone())
    }
}

/// A client that is set up, of a node in such a group.
struct Client {
    unary: Unary,
    connections: Arc<Connections>,
    group: Arc<Divided>,
    transport: Transport,
    _data: tempfile::TempDir,
}

impl Client {
    fn of(failure: Failure) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let data = DataDir::open(directory.path()).expect("usable");
        let membership = Membership::alone(NodeId(1), "n1:8848");
        let runtime = Runtime::start(node::Settings::DEFAULT, membership, &data).expect("starts");
        let settings = Settings {
            liveness: Liveness { scan: 3_000, idle: 20_000, probe_timeout: 5_000 },
            limits: Limits::default(),
            setup_hold: Duration::ZERO,
            setup_deadline: Duration::from_secs(10),
            push_budget: 1 << 20,
        };
        let connections = Connections::new(runtime, settings);
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let transport = connections.accept(address, address);
        let connection = transport.connection();
        let outbound = connections.outbound(connection);
        let setup = Setup { client_version: "test".into(), labels: Default::default(), negotiates: false };
        connections.register(connection, &setup, &outbound).expect("set up");
        let group = Arc::new(Divided { failure, caught_up: Mutex::default() });
        let unary = Unary::new(connections.clone(), Metrics::install().expect("metrics"), group.clone());
        Self { unary, connections, group, transport, _data: directory }
    }

    /// The class of an answer, its error code and its message.
    async fn ask(&self, kind: &str, body: &Value, consistency: &str) -> (String, i64, String) {
        let mut asked = payload(kind, String::new(), body.to_string().into());
        let headers = &mut asked.metadata.as_mut().expect("metadata").headers;
        headers.insert("consistency".to_owned(), consistency.to_owned());
        let mut request = Request::new(asked);
        request.extensions_mut().insert(self.transport.connection().clone());
        let answer = self.unary.request(request).await.expect("an answer").into_inner();
        let body: Value = serde_json::from_slice(&answer.body.expect("a body").value).expect("JSON");
        let message = body["message"].as_str().unwrap_or_default().to_owned();
        (answer.metadata.expect("metadata").r#type, body["errorCode"].as_i64().expect("a code"), message)
    }
}

fn named(service: &str) -> Value {
    json!({"namespace": "public", "groupName": "DEFAULT_GROUP", "serviceName": service})
}

#[tokio::test]
async fn what_is_not_agreed_on_is_refused_with_the_reason_in_the_class_of_the_request() {
    let mut body = named("store");
    body["type"] = "registerInstance".into();
    body["instance"] = json!({"ip": "10.0.0.1", "port": 1});
    for failure in
        [Failure::Unavailable("no leader".to_owned()), Failure::Unknown("time is up".to_owned()), Failure::Busy]
    {
        let client = Client::of(failure.clone());
        let refused = ("InstanceResponse".to_owned(), 500, failure.to_string());
        assert_eq!(client.ask("PersistentInstanceRequest", &body, "").await, refused);
        // Ephemeral instances need nobody's agreement.
        assert_eq!(client.ask("InstanceRequest", &body, "").await.1, 0);
    }
}

#[tokio::test]
async fn only_a_reader_that_asks_for_it_waits_for_the_others() {
    let failure = Failure::Unavailable("no leader".to_owned());
    let client = Client::of(failure.clone());
    let mut body = named("store");
    body["subscribe"] = true.into();
    for (kind, response) in
        [("ServiceQueryRequest", "QueryServiceResponse"), ("SubscribeServiceRequest", "SubscribeServiceResponse")]
    {
        assert_eq!(client.ask(kind, &body, "").await.1, 0);
        assert_eq!(client.ask(kind, &body, "strong").await, (response.to_owned(), 500, failure.to_string()));
    }
    body["subscribe"] = false.into();
    assert_eq!(client.ask("SubscribeServiceRequest", &body, "strong").await.1, 0, "whoever leaves need not wait");
    assert_eq!(*client.group.caught_up.lock(), 2);
}

#[tokio::test]
async fn a_list_that_may_be_older_than_one_shown_before_is_refused() {
    let client = Client::of(Failure::Busy);
    let runtime = client.connections.runtime();
    let service = ServiceKey::new("", "", "store").expect("legal");
    let instance = Box::new(Instance { ip: "10.0.0.1".into(), port: 1, ..Instance::default() });
    let put = AgreedChange::Put(Agreed::Instance { service, published: Default::default(), instance });
    runtime.handle(Input::Agreed(vec![put])).expect("never refused");
    runtime.handle(Input::Recovering(true)).expect("never refused");
    let (class, code, message) = client.ask("ServiceQueryRequest", &named("store"), "").await;
    assert_eq!((class.as_str(), code), ("QueryServiceResponse", 503));
    assert!(message.contains("DEFAULT_GROUP@@store is not recovered yet"), "{message}");
    assert_eq!(client.ask("ServiceQueryRequest", &named("other"), "").await.1, 0);
}
