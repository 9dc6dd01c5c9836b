//! What must hold for any HTTP request to an operation of the API, shared by the property test and the fuzz target.
//!
//! The requests go through all there is, from the router to the node, but the socket. Promises to find: a panic; a status
//! that the description of the operation does not know; JSON that is none; a node that contradicts itself.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, header::CONTENT_TYPE},
};
use roster::{
    config::RawSettings,
    connection::Connections,
    http::{self, Api, Process},
    metrics::Metrics,
    runtime::{DataDir, Runtime},
};
#[path = "../support/alone.rs"]
mod alone;

use alone::Alone;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tower::ServiceExt;

/// What a request says it holds, beside its query.
pub const KINDS: [&str; 4] = ["", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/plain"];
/// Refusals of any operation: what does not read, and what is too long.
const REFUSALS: [u16; 2] = [400, 413];

/// One operation as the node describes it.
pub struct Operation {
    method: Method,
    path: String,
    statuses: Vec<u16>,
    /// A query that works.
    pub example: String,
}

/// A node without sockets, and what it serves.
pub struct Server {
    executor: tokio::runtime::Runtime,
    router: Router,
    /// All of them.
    pub operations: Vec<Operation>,
    _data: TempDir,
    /// A node whose end nobody can tell has ended.
    _running: watch::Sender<bool>,
}

impl Server {
    /// A new node.
    pub fn start() -> Self {
        let executor = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("an executor");
        let data = tempfile::tempdir().expect("a directory");
        let raw = RawSettings { data: Some(data.path().join("node")), ..RawSettings::default() };
        let settings = raw.load(None).expect("the defaults are legal");
        let directory = DataDir::open(&settings.data).expect("a new directory");
        let runtime = Runtime::start(
            settings.node,
            roster::node::Membership::alone(roster::model::NodeId(1), "127.0.0.1:8848"),
            &directory,
        )
        .expect("a node");
        let connections = Connections::new(runtime.clone(), settings.connection);
        let (running, stopping) = watch::channel(false);
        let process = Process { stopping, log: None };
        let api = Api::new(
            connections,
            Metrics::install().expect("a recorder"),
            roster::peer::Peers::new(runtime.clone(), &roster::peer::Settings::default()).expect("no members"),
            Alone::new(runtime),
            process,
        );
        let router = http::router(api, &settings.http);
        let mut server = Self { executor, router, operations: Vec::new(), _data: data, _running: running };
        let (_, description) = server.send(Request::get("/roster/v1/openapi.json").body(Body::empty()).expect("legal"));
        server.operations = operations(&serde_json::from_slice(&description).expect("the description is JSON"));
        server
    }

    /// Asks for operation `number`; what a URI cannot hold of the query is encoded. The status.
    pub fn ask(&self, number: usize, query: &[u8], kind: usize, body: Vec<u8>) -> u16 {
        let operation = &self.operations[number % self.operations.len()];
        let target = format!("{}?{}", operation.path, legal(query));
        let mut request = Request::builder().method(&operation.method).uri(target);
        match KINDS[kind % KINDS.len()] {
            "" => {}
            kind => request = request.header(CONTENT_TYPE, kind),
        }
        let Ok(request) = request.body(Body::from(body)) else {
            // The query is longer than any URI.
            return REFUSALS[0];
        };
        let (status, _) = self.send(request);
        let known = operation.statuses.contains(&status) || REFUSALS.contains(&status);
        assert!(known, "{status} for {} {}", operation.method, operation.path);
        status
    }

    fn send(&self, request: Request<Body>) -> (u16, Vec<u8>) {
        self.executor.block_on(async {
            let answer = self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
            let (head, body) = answer.into_parts();
            let body = to_bytes(body, usize::MAX).await.expect("a body of this process");
            if head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json")) {
                let read: Result<Value, _> = serde_json::from_slice(&body);
                assert!(read.is_ok(), "no JSON: {}", String::from_utf8_lossy(&body));
            }
            (head.status.as_u16(), body.to_vec())
        })
    }
}

fn operations(description: &Value) -> Vec<Operation> {
    let paths = description["paths"].as_object().expect("paths");
    // Switches may have all others answer with any status.
    let steady = paths.iter().filter(|(path, _)| !path.ends_with("/switches"));
    let all = steady.flat_map(|(path, methods)| {
        methods.as_object().into_iter().flatten().map(move |(method, described)| operation(path, method, described))
    });
    all.collect()
}

fn operation(path: &str, method: &str, described: &Value) -> Operation {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for param in described["parameters"].as_array().into_iter().flatten() {
        let example = &param["example"];
        let example = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
        query.append_pair(param["name"].as_str().expect("a name"), &example);
    }
    let statuses = described["responses"].as_object().expect("responses").keys();
    Operation {
        method: method.to_uppercase().parse().expect("a method"),
        path: path.replace(['{', '}'], ""),
        statuses: statuses.map(|status| status.parse().expect("a status")).collect(),
        example: query.finish(),
    }
}

/// The bytes as the query of a URI.
fn legal(query: &[u8]) -> String {
    let mut text = String::with_capacity(query.len());
    for byte in query {
        match byte {
            b'!' | b'$'..=b';' | b'=' | b'?'..=b'~' => text.push(char::from(*byte)),
            other => text += &format!("%{other:02X}"),
        }
    }
    text
}

/// Keeps a node for so many requests: what they register must not fill the memory of who asks for hours.
pub struct Renewed {
    server: Server,
    asked: usize,
}

const REQUESTS_PER_NODE: usize = 20_000;

impl Default for Renewed {
    fn default() -> Self {
        Self { server: Server::start(), asked: 0 }
    }
}

impl Renewed {
    /// Asks with `bytes`: the first chooses the operation, the second what the body is; the first line of the rest is the
    /// query.
    pub fn ask(&mut self, bytes: &[u8]) {
        let [operation, kind, rest @ ..] = bytes else { return };
        self.asked += 1;
        if self.asked.is_multiple_of(REQUESTS_PER_NODE) {
            self.server = Server::start();
        }
        let mut lines = rest.splitn(2, |byte| *byte == b'\n');
        let (query, body) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        self.server.ask(usize::from(*operation), query, usize::from(*kind), body.to_vec());
    }
}
