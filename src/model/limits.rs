//! Every bound that is not a setting, each with its reason. Bounds that an operator may want to move are settings
//! (`config`); these are fixed by the protocol or by what its clients survive.

/// Longest namespace id (Nacos `ParamCheckRule`), in UTF-16 units as Java counts.
pub const NAMESPACE: usize = 64;
/// Longest id of a namespace that is made over the v3 admin API, which alone does not check it as the others do.
pub const NAMESPACE_V3: usize = 128;
/// Longest name of a namespace (Nacos `ParamCheckRule`).
pub const NAMESPACE_NAME: usize = 256;
/// Longest description of a namespace: the width of its column in Nacos's schema.
pub const NAMESPACE_DESCRIPTION: usize = 256;
/// Namespaces that operators may make: a bound on what everybody with access can fill.
pub const NAMESPACES: usize = 10_000;
/// Longest value of a switch: lists of addresses and of paths, which are looked through at each request.
pub const SWITCH_VALUE: usize = 4_096;
/// Longest service name (Nacos `ParamCheckRule`).
pub const SERVICE_NAME: usize = 512;
/// Longest group name (Nacos `ParamCheckRule`).
pub const GROUP: usize = 128;
/// Longest cluster name (Nacos `ParamCheckRule`).
pub const CLUSTER: usize = 64;
/// Longest instance address (Nacos `ParamCheckRule`); an address may be a host name.
pub const IP: usize = 128;
/// Longest metadata of one instance: the sum of all keys and values (`nacos.naming.service.metadata.length`).
pub const METADATA: usize = 1024;

/// Largest gRPC message accepted: what a Nacos server accepts, to the byte.
pub const MESSAGE_BYTES: usize = 10 * 1024 * 1024;
/// Largest service list that is pushed. The Rust and Python SDKs refuse messages over 4 MiB and reconnect for ever
/// when one arrives, so a larger list is logged and counted instead; 64 KiB are left for the envelope.
pub const PUSH_BYTES: usize = 4 * 1024 * 1024 - 64 * 1024;
/// Longest datagram: what UDP carries over IPv4. Receivers have buffers of 64 KiB, Go one of 4024 bytes.
pub const DATAGRAM_BYTES: usize = 65_507;
/// Largest list of hosts that is tried as a datagram. A longer one would hardly fit when compressed, and finding out costs
/// tens of milliseconds for each subscriber.
pub const DATAGRAM_LIST_BYTES: usize = 1024 * 1024;
/// How long the ack of a datagram may take, in milliseconds (Nacos `Constants.ACK_TIMEOUT_NANOS`).
pub const DATAGRAM_ACK_MILLIS: u64 = 10_000;
/// How long a subscription by polling outlives its last poll, in milliseconds. Clients poll every 10 s.
pub const POLLED_MILLIS: u64 = 30_000;
/// Parallel unary calls on one transport. SDKs share one transport among all threads of a process.
pub const STREAMS_PER_CONNECTION: u32 = 1024;
/// Different selections (cluster filter and health) of one service kept encoded; clients choose them freely.
pub const ENCODINGS_PER_SERVICE: usize = 8;
/// Pushes made in one hold of the node's lock, so that requests wait microseconds and not a whole storm. One service
/// is always finished.
pub const PUSHES_PER_POLL: usize = 512;
/// Silent instances, or subscriptions that may not be polled any more, looked at in one hold of the node's lock, for the
/// same reason.
pub const SILENT_PER_POLL: usize = 256;
/// Weights of instances over HTTP; gRPC clients may give any finite one, as in Nacos.
pub const WEIGHTS: std::ops::RangeInclusive<f64> = 0.0..=10_000.0;
/// Milliseconds by which a node that looks at silent instances may be late. Beyond, it did not run (stopped, or its machine
/// paused), and beats may lie unread: its own absence proves nobody else's.
pub const OVERSLEPT_MILLIS: u64 = 1_000;
/// How long an encoding nobody subscribes to is kept after its last read, in milliseconds.
pub const ENCODING_IDLE_MILLIS: u64 = 10_000;
/// How long a peer may take to acknowledge states of clients, in milliseconds (Nacos `nacos.core.protocol.distro.data.sync.timeoutMs`).
pub const SYNC_ACK_MILLIS: u64 = 3_000;
/// First pause after states were not acknowledged, in milliseconds; doubles up to `SYNC_RETRY_MAX_MILLIS`.
pub const SYNC_RETRY_MILLIS: u64 = 1_000;
/// Longest pause between tries to tell a peer something.
pub const SYNC_RETRY_MAX_MILLIS: u64 = 30_000;
/// Messages with states on their way to one peer: enough that a distant one is kept busy.
pub const SYNCS_IN_FLIGHT: usize = 16;
/// States, and instances in them, in one message: some hundred kilobytes, so that heartbeats get their turn.
pub const SYNC_CLIENTS: usize = 512;
/// See `SYNC_CLIENTS`. One client is always sent whole.
pub const SYNC_INSTANCES: usize = 1_024;
/// Pause between digests to a peer, in milliseconds (Nacos `nacos.core.protocol.distro.data.verify.intervalMs`).
pub const VERIFY_MILLIS: u64 = 5_000;
/// Pause between digests while something differs.
pub const REPAIR_MILLIS: u64 = 1_000;
/// How long it is remembered that a client is gone, in milliseconds: longer than anything about it is on its way. Longer
/// still for a peer that was not told.
pub const TOMBSTONE_MILLIS: u64 = 600_000;
/// Clients remembered to be gone. The oldest are forgotten first.
pub const TOMBSTONES: usize = 262_144;
/// How long a node waits for the responsible one to take over a client of a dead node before it hands on its copy.
pub const TAKE_OVER_MILLIS: u64 = 10_000;
/// Clients whose ownership is looked at in one hold of the node's lock.
pub const REVIEWS_PER_POLL: usize = 1_024;
/// Window in which the brake on mass removal counts what expires of a service.
pub const BRAKE_WINDOW_MILLIS: u64 = 10_000;
/// Longest that the brake holds anything back: as long as Nacos keeps the clients of a dead node.
pub const BRAKE_MILLIS: u64 = 180_000;
/// Services the brake knows of before it forgets those it need not know.
pub const BRAKE_SERVICES: usize = 4_096;
/// Pause before something that was held back is looked at again.
pub const BRAKE_RETRY_MILLIS: u64 = 5_000;
/// How long before a member lost sight of another what that one told may not have reached it: suspicion, and slack.
pub const RECENT_MILLIS: u64 = 10_000;
/// After how long a forwarded write is not done any more, in milliseconds: its sender waits for less, and clocks of members
/// follow each other to within a heartbeat.
pub const FORWARD_LATE_MILLIS: u64 = 5_000;
/// By how much the time since something was kept may seem longer than it was: a clock begins above its ceiling, 10 s ahead,
/// and what is kept is written every 5 s.
pub const KEPT_SLACK_MILLIS: u64 = 15_000;
/// How far apart nodes may start that all start again, so that each serves with what all of them kept. A node that kept
/// something waits so long for members it cannot reach.
pub const TOGETHER_MILLIS: u64 = 1_000;
/// Clients asked for in one message.
pub const WANTED: usize = 4_096;
/// How long all nodes keep on disk what is new, whoever owns it: until its owner surely did. Without, a client whose owner
/// changed would be on no disk for a while.
pub const KEPT_BY_ALL_MILLIS: u64 = 10_000;
/// Clients read in one hold of the node's lock to be kept on disk.
pub const KEPT_PER_READ: usize = 256;

const _: () = assert!(PUSH_BYTES < MESSAGE_BYTES);
const _: () = assert!(CLUSTER < GROUP && GROUP < SERVICE_NAME);
