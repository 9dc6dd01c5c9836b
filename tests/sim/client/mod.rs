//! Programs that use the registry, each as its SDK behaves: how soon it notices a cut, when it tries again, and when it
//! publishes again what it published (`clients.md`, measured on the official ones).

mod beating;
mod held;
mod session;

use std::collections::BTreeMap;

use roster::model::Attributes;

pub use held::{Held, entries};

use crate::{
    chance::Chance,
    event::{MILLI, Micros, SECOND, Timer},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Java,
    Go,
    CSharp,
    Rust,
    Python,
    /// By HTTP, with beats.
    Node,
}

impl Kind {
    pub const ALL: [Kind; 6] = [Kind::Java, Kind::Go, Kind::CSharp, Kind::Rust, Kind::Python, Kind::Node];

    pub fn attributes(self) -> Attributes {
        let agent = match self {
            Kind::Java => "Nacos-Java-Client:v2.5.1",
            Kind::Go => "Nacos-Go-Client:v2.3.5",
            Kind::CSharp => "Nacos-CSharp-Client:v1.3.10",
            Kind::Rust => "Nacos-Rust-Client:0.8.3",
            Kind::Python => "Nacos-Python-Client:v3.2.0",
            Kind::Node => "Nacos-Java-Client:v1.0.0",
        };
        Attributes { agent: agent.into(), ..Attributes::default() }
    }

    pub fn beats(self) -> bool {
        self == Kind::Node
    }

    /// How long its instances stay without an owner: promised by the design, not asked of a node.
    pub fn lease(self) -> Micros {
        match self {
            Kind::Java | Kind::Go | Kind::CSharp => 15 * SECOND,
            Kind::Rust => 20 * SECOND,
            Kind::Python | Kind::Node => 35 * SECOND,
        }
    }

    /// From the end of a connection until it tries another.
    fn notices(self, chance: &mut Chance) -> Micros {
        match self {
            Kind::Java | Kind::Python | Kind::Node => chance.within(2 * MILLI, 20 * MILLI),
            Kind::Go => chance.within(100 * MILLI, 300 * MILLI),
            // At the next health check.
            Kind::CSharp => chance.within(100 * MILLI, 6 * SECOND),
            Kind::Rust => chance.within(2 * SECOND, 10 * SECOND),
        }
    }

    /// The pause between two looks at what is to be done again.
    fn redo(self) -> Micros {
        match self {
            Kind::Go => SECOND,
            Kind::Python => 30 * SECOND,
            _ => 3 * SECOND,
        }
    }

    /// From a new connection to the first of those looks: they go on whatever becomes of connections, but for Go, which
    /// looks when it is connected.
    fn first_redo(self, now: Micros, phase: Micros) -> Micros {
        match self {
            Kind::Go => 100 * MILLI,
            _ => self.redo() - (now + phase) % self.redo(),
        }
    }
}

#[derive(Debug)]
pub struct Client {
    pub kind: Kind,
    pub number: usize,
    pub alive: bool,
    pub link: Link,
    pub publishes: BTreeMap<u8, Publishing>,
    pub subscribes: BTreeMap<u8, Subscribing>,
    chance: Chance,
    /// Shifts its regular looks at what is to be done.
    phase: Micros,
    /// Timers of an earlier one do not count.
    generation: u32,
    revision: u32,
    /// Which server is next.
    server: usize,
    refusals: u32,
    /// Since when it answers pushes, if it does.
    answers: Option<Micros>,
    roams: bool,
    /// The HTTP request that is not answered.
    ticket: Option<u64>,
    /// The port of its next connection.
    port: u16,
    /// Whether this program has not had a connection yet.
    fresh: bool,
    /// The connection that its node last left alone, and when.
    pub orphaned: Option<(u64, Micros)>,
    /// When a node last left it alone while all that it wants was published.
    pub bereft_at: Option<Micros>,
    /// Until when what it did itself may show.
    pub unsteady_until: Micros,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    None,
    Opening { connection: u64, host: usize },
    Open { connection: u64, host: usize, since: Micros },
}

/// What a client wants of a service, and what it was told.
#[derive(Clone, Debug, Default)]
pub struct Publishing {
    pub wanted: Option<Content>,
    /// The revision that was answered on this connection, and when.
    pub confirmed: Option<(u32, Micros)>,
    /// The same of any connection, since it was first answered.
    pub stood: Option<(u32, Micros)>,
    /// When it was last answered for the first time on a connection.
    pub answered: Option<Micros>,
    /// Whether something may be published that is not wanted.
    pub leftover: Option<u32>,
    /// When a withdrawal was last answered.
    pub withdrawn: Option<Micros>,
    /// A beating one: when a beat was last answered well.
    pub beaten: Option<Micros>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub revision: u32,
    pub ports: Vec<u16>,
    pub shared: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Subscribing {
    pub wanted: bool,
    /// On this connection, since.
    pub confirmed: Option<Micros>,
    pub held: Option<Held>,
}

impl Client {
    pub fn new(seed: u64, number: usize, kind: Kind) -> Self {
        Self {
            kind,
            number,
            alive: false,
            link: Link::None,
            publishes: BTreeMap::new(),
            subscribes: BTreeMap::new(),
            chance: Chance::new(seed, 5_000 + number as u64),
            phase: 1_700 * MILLI * number as u64,
            generation: 0,
            revision: 0,
            server: 0,
            refusals: 0,
            answers: Some(0),
            roams: false,
            ticket: None,
            port: 40_000,
            fresh: true,
            orphaned: None,
            bereft_at: None,
            unsteady_until: 0,
        }
    }

    pub fn host(&self) -> Option<usize> {
        match self.link {
            Link::Open { host, .. } => Some(host),
            _ => None,
        }
    }

    pub fn connection(&self) -> Option<u64> {
        match self.link {
            Link::Open { connection, .. } | Link::Opening { connection, .. } => Some(connection),
            Link::None => None,
        }
    }

    /// Since when it answers pushes, if it does.
    pub fn answering_since(&self) -> Option<Micros> {
        self.answers
    }

    /// Whether all that it wants to publish was answered on this connection.
    pub fn all_confirmed(&self) -> bool {
        let confirmed = |one: &Publishing| one.confirmed.map(|(revision, _)| revision);
        let wanted = |one: &Publishing| one.wanted.as_ref().map(|content| content.revision);
        self.publishes.values().all(|one| wanted(one) == confirmed(one))
    }

    pub fn next_port(&mut self) -> u16 {
        self.port += 1;
        self.port
    }

    /// The pause until something to do with this client happens elsewhere.
    pub fn delay(&mut self) -> Micros {
        self.chance.within(200, 3 * MILLI)
    }

    fn timer(&self, what: Timer) -> crate::event::AtClient {
        crate::event::AtClient::Timer { generation: self.generation, what }
    }
}

impl Content {
    /// The addresses it shows, of a client with this number.
    pub fn addresses(&self, client: usize) -> impl Iterator<Item = (String, u16)> + '_ {
        let ip = if self.shared { crate::SHARED_IP.to_owned() } else { crate::client_ip(client) };
        self.ports.iter().map(move |port| (ip.clone(), *port))
    }
}
