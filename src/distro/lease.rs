//! How long clients stay that nobody owns.

use crate::model::{Attributes, Millis};

/// By how each SDK names itself, and how long it may take to come back under another id, in milliseconds: its pauses before
/// it notices, reconnects and registers again (clients.md 3.5 and the table of its section 5), with room to spare.
const BY_AGENT: [(&str, Millis); 4] = [
    ("Nacos-Java-Client", 15_000),
    ("Nacos-Go-Client", 15_000),
    ("Nacos-CSharp-Client", 15_000),
    ("Nacos-Rust-Client", 20_000),
];

/// Of Python, which repeats its registrations every 30 s, and of whoever is not known.
pub const LONGEST_LEASE_MILLIS: Millis = 35_000;

/// How long what a client publishes stays after its owner is gone.
pub fn lease(client: &Attributes) -> Millis {
    let of = |(agent, lease): (&str, Millis)| client.agent.starts_with(agent).then_some(lease);
    BY_AGENT.into_iter().find_map(of).unwrap_or(LONGEST_LEASE_MILLIS)
}
