//! Unary calls.

use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};

use crate::{
    connection::{Connection, Connections, payload},
    grpc::status,
    metrics::{Metrics, Outcome},
    model::{ClusterFilter, Published},
    node::{Input, Rejection, Reply},
    proto::{Payload, request_server},
    raft::Agreement,
    registry::Selection,
    wire::{self, Body, InstanceOperation, Refusal, RequestType, Shape},
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
        self.perform(request, connection)
    }

    fn perform(&self, request: wire::Request, connection: &Connection) -> Result<Body, Refusal> {
        let client = connection.id().clone();
        match request {
            wire::Request::HealthCheck => Ok(wire::done()),
            wire::Request::NotImplemented(kind) => {
                Err(Refusal::typed(501, format!("{} is not supported by this server", kind.name())))
            }
            wire::Request::Instance(service, operation) => {
                let answer = wire::registered(&operation);
                let input = match operation {
                    InstanceOperation::Register(instance) => {
                        Input::Register { client, service, content: Published::One(instance) }
                    }
                    InstanceOperation::Deregister => Input::Deregister { client, service },
                };
                self.handle(input).map(|_| answer)
            }
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

fn refusal(rejection: &Rejection) -> Refusal {
    Refusal::thrown(rejection.code(), rejection.to_string())
}

fn view(reply: Reply, service: &crate::model::ServiceKey, clusters: &str, message: Option<&str>) -> Body {
    let Reply::View(view) = reply else { unreachable!("a read is answered with a view") };
    let info = view.info(service, clusters);
    wire::service_view(&info, message)
}
