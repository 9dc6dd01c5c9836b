//! The bidirectional stream as a client sees it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use roster::proto::{Payload, bi_request_stream_client::BiRequestStreamClient};
use serde_json::{Value, json};
use tokio::{
    sync::{
        Notify,
        mpsc::{self, error::TrySendError},
    },
    task::AbortHandle,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use super::{DEADLINE, raw::payload, transport::Transport};

/// A message of the server.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its type.
    pub kind: String,
    /// The JSON of its body.
    pub body: Value,
}

#[derive(Default)]
struct Inbox {
    received: Mutex<(Vec<Message>, Option<Code>)>,
    changed: Notify,
}

/// One open stream. Dropping it cancels it.
pub struct BiStream {
    send: Option<mpsc::Sender<Payload>>,
    inbox: Arc<Inbox>,
    reader: AbortHandle,
}

impl Drop for BiStream {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// More messages than any test has under way.
const QUEUE: usize = 4_096;

fn put(send: &mpsc::Sender<Payload>, payload: Payload) {
    match send.try_send(payload) {
        // Nobody reads it any more when the transport is gone.
        Ok(()) | Err(TrySendError::Closed(_)) => {}
        Err(TrySendError::Full(_)) => panic!("the server reads nothing"),
    }
}

/// The ack of a message that asks for one, as every SDK sends it.
pub fn acknowledge(message: &Message) -> Option<Payload> {
    let id = message.body.get("requestId")?;
    let body = json!({"headers": {}, "resultCode": 200, "errorCode": 0, "requestId": id, "success": true});
    Some(payload(&message.kind.replace("Request", "Response"), body.to_string()))
}

impl BiStream {
    pub(super) async fn open(
        mut client: BiRequestStreamClient<Transport>,
        ack: impl Fn(&Message) -> Option<Payload> + Send + 'static,
    ) -> Self {
        let (send, outgoing) = mpsc::channel(QUEUE);
        let opening = client.request_bi_stream(ReceiverStream::new(outgoing));
        let opened = tokio::time::timeout(DEADLINE, opening).await.expect("a stream opens in time");
        let incoming = opened.expect("a stream opens").into_inner();
        let inbox = Arc::new(Inbox::default());
        // Weak, so that dropping the stream's own half ends what the server reads.
        let acks = send.downgrade();
        let answer = move |message: &Message| {
            if let (Some(answer), Some(send)) = (ack(message), acks.upgrade()) {
                put(&send, answer);
            }
        };
        let reader = tokio::spawn(read(incoming, inbox.clone(), answer)).abort_handle();
        Self { send: Some(send), inbox, reader }
    }

    /// Sends a message of this type with this body.
    pub fn send(&self, kind: &str, body: impl Into<String>) {
        self.send_payload(payload(kind, Bytes::from(body.into())));
    }

    /// Sends a message.
    pub fn send_payload(&self, payload: Payload) {
        let send = self.send.as_ref().expect("the client's half is open");
        put(send, payload);
    }

    /// Ends the client's half.
    pub fn half_close(&mut self) {
        self.send = None;
    }

    /// All messages so far.
    pub fn received(&self) -> Vec<Message> {
        self.inbox.received.lock().expect("no panic under it").0.clone()
    }

    /// How many messages there are so far.
    pub fn count(&self) -> usize {
        self.inbox.received.lock().expect("no panic under it").0.len()
    }

    /// With what the server ended the stream, if it did.
    pub fn end(&self) -> Option<Code> {
        self.inbox.received.lock().expect("no panic under it").1
    }

    /// Waits until `find` finds something among all messages; none when the stream ends or the deadline passes before.
    pub async fn wait<T>(&self, mut find: impl FnMut(&[Message]) -> Option<T>) -> Option<T> {
        let waiting = async {
            loop {
                let changed = self.inbox.changed.notified();
                {
                    let received = self.inbox.received.lock().expect("no panic under it");
                    match (find(&received.0), received.1) {
                        (Some(found), _) => return Some(found),
                        (None, Some(_)) => return None,
                        (None, None) => {}
                    }
                }
                changed.await;
            }
        };
        tokio::time::timeout(DEADLINE, waiting).await.ok().flatten()
    }

    /// Waits for the end of the stream; none when the deadline passes before.
    pub async fn wait_end(&self) -> Option<Code> {
        self.wait(|_| None::<()>).await;
        self.end()
    }
}

async fn read(mut incoming: Streaming<Payload>, inbox: Arc<Inbox>, answer: impl Fn(&Message)) {
    let end = loop {
        match incoming.message().await {
            Ok(Some(payload)) => {
                let message = message(payload);
                answer(&message);
                inbox.received.lock().expect("no panic under it").0.push(message);
                inbox.changed.notify_waiters();
            }
            Ok(None) => break Code::Ok,
            Err(status) => break status.code(),
        }
    };
    inbox.received.lock().expect("no panic under it").1 = Some(end);
    inbox.changed.notify_waiters();
}

fn message(payload: Payload) -> Message {
    let metadata = payload.metadata.expect("a push has metadata");
    let body = payload.body.expect("a push has a body");
    Message { kind: metadata.r#type, body: serde_json::from_slice(&body.value).expect("a push is JSON") }
}
