//! All that can happen in the world, each at its time.

use bytes::Bytes;
use roster::{
    model::{ClientState, Incarnation, Millis},
    push::PushNo,
    wire::peer::Message,
};
use std::sync::Arc;

/// Simulated time since the world began.
pub type Micros = u64;
pub const MILLI: Micros = 1_000;
pub const SECOND: Micros = 1_000_000;

#[derive(Clone, Debug)]
pub enum Event {
    /// An action of the plan begins, or ends.
    Begin(usize),
    End(usize),
    /// All faults end.
    Heal,
    /// The properties are looked at.
    Check,
    /// A thing happens at a host: it waits while the host is paused.
    Host {
        host: usize,
        what: AtHost,
    },
    /// A thing happens at a client.
    Client {
        client: usize,
        what: AtClient,
    },
    /// A stream looks whether it is still there.
    Detect {
        from: usize,
        to: usize,
        stream: u32,
    },
    /// A host starts if nothing keeps it from it.
    Start(usize),
}

#[derive(Clone, Debug)]
pub enum AtHost {
    Alarm {
        life: u32,
    },
    Duty {
        life: u32,
    },
    Drain {
        life: u32,
        slice: u32,
    },
    /// It is told who the members are.
    Members {
        life: u32,
    },
    /// It dials another host.
    Dial {
        life: u32,
        to: usize,
    },
    Dialled {
        life: u32,
        to: usize,
        stream: u32,
        outcome: Option<(u32, Incarnation)>,
        /// Whether the path is whole and nobody is there.
        vacant: bool,
    },
    Unlinked {
        life: u32,
        to: usize,
    },
    /// A message of another host arrives.
    Arrive {
        from: usize,
        stream: u32,
        life: u32,
        sender: Incarnation,
        message: Message,
    },
    Open {
        client: usize,
        connection: u64,
    },
    Close {
        connection: u64,
    },
    Ask {
        connection: u64,
        request: Request,
    },
    Ack {
        connection: u64,
        push: PushNo,
        success: bool,
    },
    Http {
        client: usize,
        ticket: u64,
        request: Request,
    },
    /// Another host forwards what a caller asked it.
    Forwarded {
        from: usize,
        life: u32,
        ticket: u64,
        client: usize,
        request: Request,
        /// Hybrid time of the node that forwards.
        sent: Millis,
    },
    ForwardAnswered {
        life: u32,
        ticket: u64,
        answer: Option<Answer>,
        state: Option<Arc<ClientState>>,
    },
    ForwardDeadline {
        life: u32,
        ticket: u64,
    },
}

#[derive(Clone, Debug)]
pub enum AtClient {
    Opened {
        connection: u64,
    },
    Refused {
        connection: u64,
    },
    Lost {
        connection: u64,
    },
    Answered {
        connection: u64,
        answer: Answer,
    },
    Pushed {
        connection: u64,
        push: PushNo,
        list: List,
    },
    /// An HTTP request was answered; none when the server did not.
    Returned {
        ticket: u64,
        answer: Option<Answer>,
    },
    Timer {
        generation: u32,
        what: Timer,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    Connect,
    Redo,
    /// Nothing was heard of this connection for too long.
    GiveUp {
        connection: u64,
    },
    Beat,
}

/// What a client asks, by service.
#[derive(Clone, Debug)]
pub enum Request {
    Publish { service: u8, revision: u32, ports: Vec<u16>, shared: bool, batch: bool },
    Withdraw { service: u8, revision: u32 },
    Subscribe { service: u8 },
    Unsubscribe { service: u8 },
    Beat { service: u8 },
}

#[derive(Clone, Debug)]
pub enum Answer {
    Published { service: u8, revision: u32 },
    Withdrawn { service: u8, revision: u32 },
    Subscribed { list: List },
    Unsubscribed { service: u8 },
    Beat { service: u8, known: bool },
    Failed,
}

/// A list of a service, as some host showed it.
#[derive(Clone, Debug)]
pub struct List {
    pub service: u8,
    pub stamp: Millis,
    pub hosts: Bytes,
}
