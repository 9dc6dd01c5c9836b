//! Unary calls.

use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};

use crate::{
    connection::{Connection, Connections, payload},
    grpc::status,
    metrics::{Metrics, Outcome},
    model::{
        CONSISTENCY, ClusterFilter, Consistency, PersistentOperation, Proposal, Published, ServiceKey,
        UnknownConsistency,
    },
    node::{Input, Rejection, Reply},
    proto::{Payload, request_server},
    raft::{Agreement, Failure},
    registry::Selection,
    wire::{self, Body, InstanceOperation, PersistentInstanceOperation, Refusal, RequestType, Shape},
};

/// The service `Request`.
pub(super) struct Unary {
    connections: Arc<Connections>,
    metrics: Arc<Metrics>,
    group: Arc<dyn Agreement>,
}

#[async_trait]
impl request_server::Request for Unary {
    async fn request(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        let connection = request.extensions().get::<Arc<Connection>>().cloned().ok_or_else(status::unreadable)?;
        let payload = request.into_inner();
        let kind = payload.metadata.as_ref().and_then(|metadata| RequestType::of(&metadata.r#type));
        if kind == Some(RequestType::ServerCheck) {
            status::refused_in(self.connections.runtime().cluster().phase)?;
        }
        let answer = match kind {
            Some(kind) => self.answer(kind, &connection, &payload).await,
            None => Err(Refusal::state(302, "RequestHandler Not Found")),
        };
        Ok(Response::new(self.render(kind, answer)))
    }
}

impl Unary {
    pub(super) fn new(connections: Arc<Connections>, metrics: Arc<Metrics>, group: Arc<dyn Agreement>) -> Self {
        Self { connections, metrics, group }
    }

    fn render(&self, kind: Option<RequestType>, answer: Result<Body, Refusal>) -> Payload {
        let response = kind.map_or("ErrorResponse", RequestType::response);
        let (outcome, class, body) = match answer {
            Ok(body) => (Outcome::Ok, response, body),
            Err(refusal) => match refusal.shape {
                Shape::Error => (Outcome::Error, "ErrorResponse", refusal.body()),
                Shape::Typed if kind == Some(RequestType::ServiceList) => {
                    (Outcome::Refused, response, refusal.list_body())
                }
                Shape::Typed => (Outcome::Refused, response, refusal.body()),
            },
        };
        self.metrics.request(kind, outcome);
        payload(class, String::new(), body)
    }

    /// The checks of a Nacos server in their order (grpc.md 3.1), then the request itself.
    async fn answer(&self, kind: RequestType, connection: &Connection, payload: &Payload) -> Result<Body, Refusal> {
        match kind {
            RequestType::ClusterOnly(name) => {
                return Err(Refusal::state(502, format!(" invoke {name} from sdk is forbidden")));
            }
            RequestType::ServerCheck => return Ok(wire::server_check(connection.id())),
            _ => {}
        }
        let now = self.connections.runtime().clock().tick();
        if !connection.wait_registered(now, self.connections.settings().setup_hold).await {
            return Err(Refusal::state(301, "Connection is unregistered."));
        }
        let body = payload.body.as_ref().map_or(&[][..], |body| &body.value);
        let request = wire::decode(kind, body)?;
        connection.touch(now);
        if reads(&request) {
            let headers = payload.metadata.as_ref().map(|metadata| &metadata.headers);
            let asked = headers.and_then(|headers| headers.get(CONSISTENCY)).map_or("", String::as_str);
            let consistency =
                asked.parse().map_err(|unknown: UnknownConsistency| Refusal::typed(400, unknown.to_string()))?;
            self.catch_up(consistency).await?;
        }
        self.perform(request, connection).await
    }

    /// Waits until a read shows what it is to show.
    async fn catch_up(&self, consistency: Consistency) -> Result<(), Refusal> {
        match consistency {
            Consistency::Local => Ok(()),
            Consistency::Strong => self.group.catch_up().await.map_err(failed),
        }
    }

    /// Has all nodes agree on a persistent instance, whichever connection asks for it.
    async fn persist(&self, service: ServiceKey, operation: PersistentInstanceOperation) -> Result<Body, Refusal> {
        let (operation, answer) = match operation {
            PersistentInstanceOperation::Register(instance) => {
                let Reply::Minted(instance) = self.handle(Input::Mint { service: service.clone(), instance })? else {
                    unreachable!("an instance is answered with an instance")
                };
                (PersistentOperation::Register { service, instance }, wire::registered())
            }
            PersistentInstanceOperation::Deregister { ip, port } => {
                (PersistentOperation::Deregister { service, ip, port }, wire::deregistered())
            }
        };
        self.group.propose(Proposal::Instance(operation)).await.map_err(failed)?;
        Ok(answer)
    }

    async fn perform(&self, request: wire::Request, connection: &Connection) -> Result<Body, Refusal> {
        let client = connection.id().clone();
        match request {
            wire::Request::HealthCheck => Ok(wire::done()),
            wire::Request::NotImplemented(kind) => {
                Err(Refusal::typed(501, format!("{} is not supported by this server", kind.name())))
            }
            wire::Request::Instance(service, InstanceOperation::Register(instance)) => {
                let content = Published::One(instance);
                self.handle(Input::Register { client, service, content }).map(|_| wire::registered())
            }
            wire::Request::Instance(service, InstanceOperation::Deregister) => {
                self.handle(Input::Deregister { client, service }).map(|_| wire::deregistered())
            }
            wire::Request::PersistentInstance(service, operation) => Box::pin(self.persist(service, operation)).await,
            wire::Request::Batch(service, content) => {
                self.handle(Input::Register { client, service, content }).map(|_| wire::batch_registered())
            }
            wire::Request::Subscribe { service, clusters, subscribe } => {
                let (asked, of) = (clusters.clone(), service.clone());
                let input = match subscribe {
                    true => Input::Subscribe { client, service: of, clusters: asked },
                    false => Input::Unsubscribe { client, service: of, clusters: asked },
                };
                let reply = self.handle(input)?;
                Ok(view(reply, &service, &clusters, Some("success")))
            }
            wire::Request::Query { service, clusters, healthy_only } => {
                let selection = Selection { filter: ClusterFilter::parse(&clusters), healthy_only };
                let reply = self.handle(Input::Query { service: service.clone(), selection })?;
                Ok(view(reply, &service, &clusters, None))
            }
            wire::Request::List { group, page, size } => match self.handle(Input::List { group, page, size })? {
                Reply::Names(count, names) => Ok(wire::service_list(count, &names)),
                other => unreachable!("a list is answered with names, not {other:?}"),
            },
        }
    }

    fn handle(&self, input: Input) -> Result<Reply, Refusal> {
        self.connections.runtime().handle(input).map_err(|rejection| refusal(&rejection))
    }
}

/// Whether a request shows a list.
fn reads(request: &wire::Request) -> bool {
    matches!(request, wire::Request::Query { .. } | wire::Request::Subscribe { subscribe: true, .. })
}

fn refusal(rejection: &Rejection) -> Refusal {
    match rejection {
        // For whoever asks to decide: a client that asks again at once is told the same.
        Rejection::Recovering(_) => Refusal::typed(rejection.code(), rejection.to_string()),
        _ => Refusal::thrown(rejection.code(), rejection.to_string()),
    }
}

/// Why nodes did not agree. Told to the caller in the request's own class: SDKs repeat by themselves what they take for an
/// error of the transport, and what may have been done is the caller's to look at.
fn failed(failure: Failure) -> Refusal {
    match failure {
        Failure::Rejected(rejection) => refusal(&rejection),
        Failure::Unavailable(_) | Failure::Unknown(_) | Failure::Busy => Refusal::typed(500, failure.to_string()),
    }
}

fn view(reply: Reply, service: &ServiceKey, clusters: &str, message: Option<&str>) -> Body {
    let Reply::View(view) = reply else { unreachable!("a read is answered with a view") };
    let info = view.info(service, clusters);
    wire::service_view(&info, message)
}
