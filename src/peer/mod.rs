//! Streams between the nodes of a cluster: one dialled to each other member, and one from each.
//!
//! Owns who is linked, who may call, and what waits to be said to whom; the list of members may change at any time.
//! Promises: messages of one stream arrive in order or not at all; a member is told of as linked before anything is sent to
//! it, and as unlinked after its stream ended, whyever, unless it is a member no more; memory that waits for a slow member is
//! bounded; a node of another cluster, version or secret is refused in words. Never decides what is said, never repeats it:
//! the node acknowledges and asks again.

mod calls;
mod dial;
mod forward;
mod handshake;
mod link;
mod outgoing;
mod refused;
mod service;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use compact_str::CompactString;

pub use calls::{Calls, Stamp};
pub use dial::{IllegalAddress, Peers};
pub use forward::{ForwardError, Forwarded};
pub use handshake::{HELLO_HEADER, Refusal};
pub use refused::is_refused;
pub use service::{serve, serve_on};

use crate::{
    member::Cluster,
    model::Millis,
    node::{Input, Rejection, Reply},
    runtime::Runtime,
};

/// Largest message between nodes.
pub const MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// How long a forwarded write may take, unless its caller has a reason for another time.
pub const FORWARD_DEADLINE: Duration = Duration::from_millis(1_500);

/// How often a silent transport is probed, and how long its answer may take.
const KEEPALIVE: Duration = Duration::from_secs(2);
const KEEPALIVE_PATIENCE: Duration = Duration::from_secs(4);
/// What may be under way unread on one stream, and on one transport.
const STREAM_WINDOW: u32 = 1024 * 1024;
const TRANSPORT_WINDOW: u32 = 4 * 1024 * 1024;

/// What a node is told of its cluster.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Name of the cluster.
    pub cluster: CompactString,
    /// What only members know.
    pub secret: Secret,
    /// Main addresses of the other members, `host:port`, until [`Peers::set_members`] says otherwise.
    pub members: Vec<CompactString>,
    /// How far above its main port a member listens for the others.
    pub offset: u16,
    /// Where members are dialled instead, `host:port`: by main address, or by id once that is known.
    pub routes: BTreeMap<String, String>,
}

/// What only members know; empty for none. Never shown.
#[derive(Clone, Default)]
pub struct Secret(Box<str>);

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self(secret.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_empty() { "none" } else { "***" })
    }
}

/// Where what members say goes: the runtime, or whatever looks at it on its way there.
pub trait Core: Send + Sync + 'static {
    /// Gives the node one input.
    fn handle(&self, input: Input) -> Result<Reply, Rejection>;
    /// The members as the node sees them.
    fn cluster(&self) -> Arc<Cluster>;
    /// Hybrid time of the node.
    fn time(&self) -> Millis;
}

impl Core for Runtime {
    fn handle(&self, input: Input) -> Result<Reply, Rejection> {
        Runtime::handle(self, input)
    }

    fn cluster(&self) -> Arc<Cluster> {
        Runtime::cluster(self)
    }

    fn time(&self) -> Millis {
        Runtime::time(self)
    }
}
