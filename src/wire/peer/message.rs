//! The messages.

use std::sync::Arc;

use compact_str::CompactString;

use crate::model::{ClientId, ClientState, HybridTime, Incarnation, Millis, NodeId, Version};

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The sender is alive.
    Heartbeat(Heartbeat),
    /// States of clients, to be acknowledged by number.
    Sync {
        /// Counted by the sender, for this receiver.
        number: u64,
        /// The states.
        clients: Vec<Arc<ClientState>>,
    },
    /// The sender took a [`Message::Sync`].
    SyncTaken {
        /// Which.
        number: u64,
    },
    /// All that the sender owns, summed up. Behind all that it had to tell.
    Digest(Digest),
    /// What the sender makes of a digest: nothing differs, or these buckets do.
    Compared {
        /// Which digest.
        number: u64,
        /// Buckets that differ.
        differ: Vec<u8>,
    },
    /// What is in buckets that differ.
    Contents {
        /// Hybrid time of the sender when it looked: whatever it owns and is not there, it did not own then.
        at: HybridTime,
        /// The buckets.
        buckets: Vec<BucketContents>,
    },
    /// The sender lacks these clients' states, or has others.
    Want {
        /// Which clients, each with what the sender has.
        clients: Vec<(ClientId, Option<Version>)>,
    },
    /// The sender took note that the receiver is about to stop.
    LeaveTaken,
}

/// A sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Hybrid time of the sender.
    pub time: Millis,
    /// What the sender is about.
    pub phase: Phase,
    /// Members that the sender has not heard of lately.
    pub missed: Vec<NodeId>,
    /// What the sender holds of the receiver.
    pub regard: Regard,
    /// Main addresses of members that the sender, while it loads, neither reaches nor hears.
    pub lacks: Vec<CompactString>,
    /// What the sender knows of those that the receiver lacks; none when it is too old to tell.
    pub known: Option<Vec<Known>>,
}

/// A member that the receiver lacks, as the sender knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its main address, as the receiver said it.
    pub address: CompactString,
    /// Who serves there; none when nobody does as far as the sender knows.
    pub life: Option<Incarnation>,
    /// Whether all that the sender knew of its clients was said before this.
    pub told: bool,
}

/// What a node is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It learns what others know and serves nobody yet.
    Loading,
    /// It serves.
    Serving,
    /// It is about to stop.
    Leaving,
}

/// What one member holds of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Regard {
    /// Hears it.
    Up,
    /// Has not heard it lately, or is not heard by it.
    Suspect,
    /// Regards it as dead.
    Down,
}

/// How many buckets a digest has. Part of the protocol.
pub const DIGEST_BUCKETS: usize = 256;

/// All that a node owns, summed up by bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Counted by the sender.
    pub number: u64,
    /// `DIGEST_BUCKETS` of them.
    pub buckets: Box<[Bucket]>,
}

/// The clients of one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// How many.
    pub count: u32,
    /// Sum of their hashes.
    pub sum: u64,
}

/// Which clients are in one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketContents {
    /// Which bucket.
    pub bucket: u8,
    /// The clients, each with its version and its hash.
    pub clients: Vec<(ClientId, Version, u64)>,
}
