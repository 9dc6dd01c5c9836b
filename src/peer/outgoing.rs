//! What waits to be said to one member: bounded in number and in bytes, and encoded when its turn comes.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    metrics::names,
    model::ClientState,
    peer::MESSAGE_BYTES,
    proto::peer as proto,
    wire::peer::{Message, encode},
};

/// Messages that may wait.
const MESSAGES: usize = 64;
/// About how many bytes of messages may wait. A single message always may.
const BYTES: usize = 2 * MESSAGE_BYTES;

/// One end: whoever has something to say.
pub(super) struct Queue {
    messages: mpsc::Sender<Waiting>,
    bytes: Arc<AtomicUsize>,
    cut: CancellationToken,
}

/// The other end: the body of the stream.
pub(super) struct Outgoing {
    messages: mpsc::Receiver<Waiting>,
    bytes: Arc<AtomicUsize>,
    cut: CancellationToken,
}

struct Waiting {
    message: Message,
    weight: usize,
}

/// Why a message does not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// Too much waits already. The stream is cut, so that the other side sees where messages end.
    Full,
    /// The stream has ended.
    Ended,
}

/// A queue that is cut by `cut`, and that cuts.
pub(super) fn queue(cut: CancellationToken) -> (Queue, Outgoing) {
    let (sender, receiver) = mpsc::channel(MESSAGES);
    let bytes = Arc::<AtomicUsize>::default();
    (Queue { messages: sender, bytes: bytes.clone(), cut: cut.clone() }, Outgoing { messages: receiver, bytes, cut })
}

impl Queue {
    pub(super) fn offer(&self, message: Message) -> Result<(), Dropped> {
        if self.cut.is_cancelled() {
            return Err(Dropped::Ended);
        }
        let weight = weight(&message);
        let waiting = self.bytes.fetch_add(weight, Relaxed);
        let offered = if waiting > 0 && waiting + weight > BYTES {
            Err(Dropped::Full)
        } else {
            self.messages.try_send(Waiting { message, weight }).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Dropped::Full,
                mpsc::error::TrySendError::Closed(_) => Dropped::Ended,
            })
        };
        if offered.is_err() {
            self.cut.cancel();
        }
        offered
    }
}

impl Stream for Outgoing {
    type Item = proto::Frame;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<proto::Frame>> {
        loop {
            // Nobody is woken for the cut: what is cut is full, and then there is a message to be read.
            let next = if self.cut.is_cancelled() { None } else { ready!(self.messages.poll_recv(context)) };
            let Some(Waiting { message, weight }) = next else { return Poll::Ready(None) };
            self.bytes.fetch_sub(weight, Relaxed);
            let frame = encode(&message);
            let bytes = frame.encoded_len();
            if bytes <= MESSAGE_BYTES {
                ::metrics::counter!(names::PEER_MESSAGES, "direction" => "sent").increment(1);
                ::metrics::counter!(names::PEER_BYTES, "direction" => "sent").increment(bytes as u64);
                return Poll::Ready(Some(frame));
            }
            dropped("oversized");
            tracing::error!(bytes, "a message to a member is larger than any may be");
        }
    }
}

/// Counts a message that was not sent or not taken.
pub(super) fn dropped(reason: &'static str) {
    ::metrics::counter!(names::PEER_DROPPED, "reason" => reason).increment(1);
}

/// About how many bytes a message takes, found without encoding it.
fn weight(message: &Message) -> usize {
    const SMALL: usize = 64;
    SMALL
        + match message {
            Message::Sync { clients, .. } => clients.iter().map(|state| weight_of_state(state)).sum(),
            Message::Digest(digest) => digest.buckets.len() * 12,
            Message::Compared { differ, .. } => differ.len(),
            Message::Contents { buckets, .. } => {
                buckets.iter().map(|bucket| SMALL + bucket.clients.len() * 2 * SMALL).sum()
            }
            Message::Want { clients } => clients.len() * SMALL,
            Message::Heartbeat(heartbeat) => {
                let known = heartbeat.known.as_ref().map_or(0, Vec::len);
                (heartbeat.missed.len() + heartbeat.lacks.len() + known) * SMALL
            }
            Message::SyncTaken { .. } | Message::LeaveTaken => 0,
        }
}

fn weight_of_state(state: &ClientState) -> usize {
    const STATE: usize = 128;
    let instances = state.publications.iter().flat_map(|publication| publication.content.instances());
    let labels = instances.clone().flat_map(|instance| instance.metadata.iter());
    STATE * (1 + state.publications.len() + instances.count())
        + labels.map(|(key, value)| key.len() + value.len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(number: u64) -> Message {
        Message::SyncTaken { number }
    }

    async fn next(outgoing: &mut Outgoing) -> Option<proto::Frame> {
        std::future::poll_fn(|context| Pin::new(&mut *outgoing).poll_next(context)).await
    }

    #[tokio::test]
    async fn what_does_not_fit_cuts_the_stream() {
        let cut = CancellationToken::new();
        let (queue, mut outgoing) = queue(cut.clone());
        for number in 0..MESSAGES as u64 {
            assert_eq!(queue.offer(taken(number)), Ok(()));
        }
        assert_eq!(next(&mut outgoing).await, Some(encode(&taken(0))));
        assert_eq!(queue.offer(taken(64)), Ok(()), "there is room again");
        assert_eq!(queue.offer(taken(65)), Err(Dropped::Full));
        assert!(cut.is_cancelled());
        assert_eq!(next(&mut outgoing).await, None, "nothing is sent behind a gap");
        assert_eq!(queue.offer(taken(66)), Err(Dropped::Ended));
    }

    #[tokio::test]
    async fn bytes_are_bounded_but_one_message_always_waits() {
        let huge = Message::Compared { number: 1, differ: vec![0; BYTES + 1] };
        let (queue, mut outgoing) = queue(CancellationToken::new());
        assert_eq!(queue.offer(huge.clone()), Ok(()));
        assert_eq!(queue.offer(taken(1)), Err(Dropped::Full));
        assert_eq!(next(&mut outgoing).await, None);
    }

    #[tokio::test]
    async fn a_message_nobody_would_take_is_left_out() {
        let (queue, mut outgoing) = queue(CancellationToken::new());
        queue.offer(Message::Compared { number: 1, differ: vec![0; MESSAGE_BYTES] }).expect("waits");
        queue.offer(taken(1)).expect("waits");
        assert_eq!(next(&mut outgoing).await, Some(encode(&taken(1))));
        drop(queue);
        assert_eq!(next(&mut outgoing).await, None);
    }
}
