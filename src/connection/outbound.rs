//! What waits to be sent on one stream.
//!
//! Not a channel: a push that was not yet written is replaced by its successor, and bodies are put together only when the
//! transport has room, so a slow client costs shared references, not copies.

use std::{
    collections::VecDeque,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use parking_lot::Mutex;
use tonic::Status;

use crate::{
    connection::request_id,
    proto::{Metadata, Payload, google::protobuf::Any},
    push::{Backlog, Full, Push},
    wire::{self, Body},
};

/// Messages other than pushes that may wait on one stream. A client that reads gets one a scan at most, or one for each
/// set-up it sends; one that sends set-ups and never reads is over this soon.
const CONTROL_MESSAGES: usize = 16;

/// The sending half of one stream.
#[derive(Debug)]
pub struct Outbound {
    /// This server's address, as pushes name it.
    local: IpAddr,
    /// Bytes of pushes that may wait.
    budget: usize,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    control: VecDeque<(&'static str, Body)>,
    pushes: Backlog,
    end: Option<Option<Status>>,
    ended: bool,
    waker: Option<Waker>,
}

impl Outbound {
    /// A stream on which up to `budget` bytes of pushes may wait.
    pub fn new(local: IpAddr, budget: usize) -> Arc<Self> {
        Arc::new(Self { local, budget, slots: Mutex::default() })
    }

    /// Queues a message that is no push.
    pub fn send(&self, kind: &'static str, body: Body) -> Result<(), Full> {
        let mut slots = self.slots.lock();
        if slots.control.len() >= CONTROL_MESSAGES {
            return Err(Full);
        }
        slots.control.push_back((kind, body));
        slots.wake();
        Ok(())
    }

    /// Queues a push, in place of the one it supersedes if that was not written yet.
    pub fn push(&self, push: Push) -> Result<(), Full> {
        let mut slots = self.slots.lock();
        slots.pushes.add(push, self.budget)?;
        slots.wake();
        Ok(())
    }

    /// Ends the stream: with `status`, or in order when there is none. What waits is dropped.
    pub fn end(&self, status: Option<Status>) {
        let mut slots = self.slots.lock();
        slots.control.clear();
        slots.pushes.clear();
        slots.end.get_or_insert(status);
        slots.wake();
    }

    fn render(&self, push: &Push) -> Payload {
        let body = wire::notify_subscriber(request_id::of_push(push.number), &push.info());
        payload("NotifySubscriberRequest", self.local.to_string(), body)
    }
}

impl Slots {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// A message of this type around this body.
pub(crate) fn payload(kind: &str, client_ip: String, body: Body) -> Payload {
    let metadata = Metadata { r#type: kind.to_owned(), client_ip, headers: Default::default() };
    Payload { metadata: Some(metadata), body: Some(Any { type_url: String::new(), value: body }) }
}

/// The stream that the transport reads from.
#[derive(Debug)]
pub struct OutboundStream(pub Arc<Outbound>);

impl Stream for OutboundStream {
    type Item = Result<Payload, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut slots = self.0.slots.lock();
        if let Some((kind, body)) = slots.control.pop_front() {
            return Poll::Ready(Some(Ok(payload(kind, self.0.local.to_string(), body))));
        }
        if let Some(push) = slots.pushes.take() {
            drop(slots);
            return Poll::Ready(Some(Ok(self.0.render(&push))));
        }
        if slots.ended {
            return Poll::Ready(None);
        }
        if let Some(end) = slots.end.take() {
            slots.ended = true;
            return Poll::Ready(end.map(Err));
        }
        slots.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{model::ServiceKey, push::PushNo};

    fn push(number: u64, supersedes: Option<u64>, size: usize) -> Push {
        Push {
            client: "c".into(),
            number: PushNo(number),
            supersedes: supersedes.map(PushNo),
            service: ServiceKey::new("", "", "s").expect("legal"),
            clusters: "".into(),
            hosts: Bytes::from(vec![b' '; size]),
            stamp: number,
            protected: false,
            cache: 10_000,
        }
    }

    fn outbound(budget: usize) -> Arc<Outbound> {
        Outbound::new([127, 0, 0, 1].into(), budget)
    }

    fn next(outbound: &Arc<Outbound>) -> Poll<Option<Result<String, i32>>> {
        let mut stream = OutboundStream(outbound.clone());
        let polled = Pin::new(&mut stream).poll_next(&mut Context::from_waker(Waker::noop()));
        polled.map(|next| {
            next.map(|item| {
                item.map(|payload| String::from_utf8_lossy(&payload.body.expect("a body").value).into_owned())
                    .map_err(|status| status.code() as i32)
            })
        })
    }

    #[test]
    fn a_push_that_was_not_written_gives_way_to_its_successor() {
        let outbound = outbound(100);
        outbound.push(push(1, None, 60)).expect("fits");
        outbound.push(push(2, Some(1), 60)).expect("takes the place of the first");
        let Poll::Ready(Some(Ok(body))) = next(&outbound) else { panic!("a push") };
        assert!(body.contains(r#""requestId":"4""#), "{body}");
        assert!(next(&outbound).is_pending());
    }

    #[test]
    fn the_budget_holds_but_one_large_push_always_passes() {
        let outbound = outbound(100);
        outbound.push(push(1, None, 500)).expect("the only one");
        assert_eq!(outbound.push(push(2, None, 1)), Err(Full));
        assert!(next(&outbound).is_ready());
        outbound.push(push(3, None, 100)).expect("room again");
    }

    #[test]
    fn control_messages_go_first_and_are_few() {
        let outbound = outbound(100);
        outbound.push(push(1, None, 1)).expect("fits");
        for _ in 0..CONTROL_MESSAGES {
            outbound.send("SetupAckRequest", Bytes::from_static(b"ack")).expect("fits");
        }
        assert_eq!(outbound.send("SetupAckRequest", Bytes::new()), Err(Full));
        assert_eq!(next(&outbound), Poll::Ready(Some(Ok("ack".into()))));
    }

    #[test]
    fn an_ended_stream_drops_what_waits_and_says_why_once() {
        let outbound = outbound(100);
        outbound.push(push(1, None, 1)).expect("fits");
        outbound.end(Some(Status::unavailable("gone")));
        outbound.end(None);
        assert_eq!(next(&outbound), Poll::Ready(Some(Err(tonic::Code::Unavailable as i32))));
        assert_eq!(next(&outbound), Poll::Ready(None));
    }
}
