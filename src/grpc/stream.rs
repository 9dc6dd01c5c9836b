//! The bidirectional stream: set-up in, pushes out, acks in.

use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming, async_trait};

use crate::{
    connection::{Connection, Connections, Farewell, Outbound, OutboundStream},
    grpc::status,
    metrics::Metrics,
    node::Reply,
    proto::{Payload, bi_request_stream_server},
    wire,
};

/// The service `BiRequestStream`.
pub(super) struct Streams {
    connections: Arc<Connections>,
    metrics: Arc<Metrics>,
}

#[async_trait]
impl bi_request_stream_server::BiRequestStream for Streams {
    type requestBiStreamStream = OutboundStream;

    async fn request_bi_stream(
        &self,
        request: Request<Streaming<Payload>>,
    ) -> Result<Response<Self::requestBiStreamStream>, Status> {
        let connection = request.extensions().get::<Arc<Connection>>().cloned().ok_or_else(status::unreadable)?;
        status::refused_in(self.connections.runtime().cluster().phase)?;
        let outbound = self.connections.outbound(&connection);
        let reader = Reader {
            connections: self.connections.clone(),
            metrics: self.metrics.clone(),
            connection,
            outbound: outbound.clone(),
            main: false,
        };
        // Returned before the first message is read: some SDKs send nothing until they see the response's headers.
        tokio::spawn(reader.run(request.into_inner()));
        Ok(Response::new(OutboundStream(outbound)))
    }
}

impl Streams {
    pub(super) fn new(connections: Arc<Connections>, metrics: Arc<Metrics>) -> Self {
        Self { connections, metrics }
    }
}

/// The reading half of one stream.
struct Reader {
    connections: Arc<Connections>,
    metrics: Arc<Metrics>,
    connection: Arc<Connection>,
    outbound: Arc<Outbound>,
    /// Whether pushes go to this stream.
    main: bool,
}

impl Reader {
    async fn run(mut self, mut inbound: Streaming<Payload>) {
        let end = loop {
            match inbound.message().await {
                Ok(Some(payload)) => self.take(&payload),
                Ok(None) => break None,
                Err(_) => break Some(status::unreadable()),
            }
        };
        if self.main {
            // Without its stream a client cannot be told anything: real servers keep such a connection and push into
            // the void, here it is over.
            self.connections.close(&self.connection, Farewell::StreamEnded);
        } else {
            self.outbound.end(end);
        }
    }

    fn take(&mut self, payload: &Payload) {
        let Some(metadata) = &payload.metadata else {
            return;
        };
        let body = payload.body.as_ref().map_or(&[][..], |body| &body.value);
        if metadata.r#type == "ConnectionSetupRequest" {
            self.set_up(body);
        } else if metadata.r#type.ends_with("Response") {
            let Some((request_id, success)) = wire::ack(body) else {
                return;
            };
            if let Ok(Reply::Acked(Some(delay))) = self.connections.acked(&self.connection, request_id, success) {
                self.metrics.push_delay(delay);
            }
        } else {
            // The Node SDK sends its health checks here and wants no answer; anything else is ignored alike.
            tracing::trace!(connection = %self.connection.id(), kind = %metadata.r#type, "ignored on the stream");
        }
    }

    fn set_up(&mut self, body: &[u8]) {
        let Some(setup) = wire::decode_setup(body) else {
            return;
        };
        let first = !self.connection.is_registered();
        if let Err(refused) = self.connections.register(&self.connection, &setup, &self.outbound) {
            tracing::info!(connection = %self.connection.id(), %refused, "set-up refused");
            self.outbound.end(None);
            self.connections.close(&self.connection, Farewell::Refused);
            return;
        }
        self.main |= first;
        if setup.negotiates && self.outbound.send("SetupAckRequest", wire::setup_ack()).is_err() {
            self.connections.close(&self.connection, Farewell::TooSlow);
        }
    }
}
