//! The push stream of one client: sends the set-up, acknowledges what the server asks, hands service pushes on.
//! Promises to acknowledge before it hands on, so that a slow workload never looks like a slow client, and to count a
//! stream that ends under a living client as an error. Never judges what a push says.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use prost::Message;
use tokio::{sync::mpsc, time};
use tonic::transport::Channel;

use super::{
    envelope::{MESSAGE_LIMIT, open, payload},
    message::{PushBody, PushHead, View},
    tally::Tally,
};
use crate::proto::{Payload, bi_request_stream_client::BiRequestStreamClient};

/// Acknowledgements waiting for the transport. They leave as fast as pushes come, unless the server stops reading.
const ACKS_WAITING: usize = 64;
const ACK_DEADLINE: Duration = Duration::from_secs(5);

/// Runs on the stream's own task and must not wait for anything.
pub type OnPush = Arc<dyn Fn(Push) + Send + Sync>;

/// A pushed service, unread: reading it is the workload's choice of time.
#[derive(Debug)]
pub struct Push {
    pub arrived: Instant,
    body: Bytes,
}

impl Push {
    pub fn view(&self) -> serde_json::Result<View> {
        serde_json::from_slice::<PushBody>(&self.body).map(|body| body.service_info)
    }
}

/// For clients that subscribe to nothing.
pub fn ignore_pushes() -> OnPush {
    Arc::new(|_| {})
}

/// Ends with the stream, or when its client aborts it.
pub async fn listen(channel: Channel, tally: Arc<Tally>, on_push: OnPush) {
    let (acks, outgoing) = mpsc::channel(ACKS_WAITING);
    let version = env!("CARGO_PKG_VERSION");
    // No ability table: a server then sends nothing that nobody asked for.
    let setup = format!(
        r#"{{"headers":{{}},"clientVersion":"Roster-Bench:v{version}","labels":{{"source":"sdk","module":"naming"}},"module":"internal"}}"#
    );
    if acks.try_send(payload("ConnectionSetupRequest", setup)).is_err() {
        return;
    }
    let mut grpc = BiRequestStreamClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT);
    // The Java server sends the stream's headers with its first push, so this may take as long as the stream lives;
    // that the server is there at all is known from the health checks.
    let mut incoming = match grpc.request_bi_stream(Outgoing(outgoing)).await {
        Ok(response) => response.into_inner(),
        Err(status) => {
            return tally.error(&format!("the stream was refused: {:?}: {}", status.code(), status.message()));
        }
    };
    loop {
        match incoming.message().await {
            Ok(Some(message)) => {
                if let Err(text) = receive(message, &acks, &tally, &on_push).await {
                    tally.error(&text);
                }
            }
            Ok(None) => return tally.error("the server ended the stream"),
            Err(status) => return tally.error(&format!("the stream broke: {:?}: {}", status.code(), status.message())),
        }
    }
}

async fn receive(
    message: Payload,
    acks: &mpsc::Sender<Payload>,
    tally: &Tally,
    on_push: &OnPush,
) -> Result<(), String> {
    let arrived = Instant::now();
    let size = message.encoded_len();
    let (kind, body) = open(message);
    let answer = match kind.as_str() {
        "NotifySubscriberRequest" => "NotifySubscriberResponse",
        "ClientDetectionRequest" => "ClientDetectionResponse",
        "ConnectResetRequest" => "ConnectResetResponse",
        _ => return Ok(()),
    };
    let head: PushHead = serde_json::from_slice(&body).map_err(|error| format!("{kind} cannot be read: {error}"))?;
    let id = head.request_id.ok_or_else(|| format!("{kind} without requestId"))?;
    let ack = serde_json::json!({ "resultCode": 200, "errorCode": 0, "success": true, "requestId": id }).to_string();
    match time::timeout(ACK_DEADLINE, acks.send(payload(answer, ack))).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return Err(format!("{kind}: the stream closed before its acknowledgement")),
        Err(_) => return Err(format!("{kind}: the server did not take the acknowledgement in {ACK_DEADLINE:?}")),
    }
    if kind == "NotifySubscriberRequest" {
        tally.push(size);
        on_push(Push { arrived, body });
    }
    Ok(())
}

struct Outgoing(mpsc::Receiver<Payload>);

impl futures_core::Stream for Outgoing {
    type Item = Payload;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Payload>> {
        self.0.poll_recv(context)
    }
}
