//! Every metric: name, kind, unit and meaning, once.

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

/// Connections that are set up.
pub const CONNECTIONS: &str = "roster_connections";
/// Ended connections, by `reason`.
pub const DISCONNECTIONS: &str = "roster_disconnections_total";
/// Clients the registry knows.
pub const CLIENTS: &str = "roster_clients";
/// Services that lists show.
pub const SERVICES: &str = "roster_services";
/// Published instances.
pub const INSTANCES: &str = "roster_instances";
/// Subscriptions.
pub const SUBSCRIBERS: &str = "roster_subscribers";
/// Bytes of encoded lists kept for readers.
pub const ENCODED_BYTES: &str = "roster_encoded_bytes";
/// Push marks waiting to be drained.
pub const PUSH_PENDING: &str = "roster_push_pending";
/// Pushes, by `result`.
pub const PUSHES: &str = "roster_pushes_total";
/// Time from a change to its acknowledgement by a subscriber.
pub const PUSH_DELAY: &str = "roster_push_delay_seconds";
/// Datagrams with pushes and acks, by `result`.
pub const DATAGRAMS: &str = "roster_datagrams_total";
/// Unary requests, by `type` and `result`.
pub const REQUESTS: &str = "roster_requests_total";
/// HTTP requests, by `operation`, `generation` and class of `status`.
pub const HTTP_REQUESTS: &str = "roster_http_requests_total";
/// Changes of the registry, by `change`.
pub const CHANGES: &str = "roster_changes_total";

/// Instances that are kept by their heart beats.
pub const BEATING: &str = "roster_beating_instances";
/// Instances whose heart beats stayed away, by what became of them (`to`).
pub const EXPIRED: &str = "roster_expired_instances_total";

/// Whether there is a stream to a member, by its address (`peer`).
pub const PEER_LINK: &str = "roster_peer_link";
/// Messages between nodes, by `direction`.
pub const PEER_MESSAGES: &str = "roster_peer_messages_total";
/// Bytes of messages between nodes, by `direction`.
pub const PEER_BYTES: &str = "roster_peer_bytes_total";
/// Messages to or from members that were dropped, by `reason`.
pub const PEER_DROPPED: &str = "roster_peer_messages_dropped_total";
/// Writes forwarded to the responsible node, by `result`.
pub const FORWARDS: &str = "roster_forwards_total";

/// When this node started.
pub const START_TIME: &str = "roster_start_time_seconds";
/// Whether this node is in a phase (`phase`): 1 for one of them.
pub const PHASE: &str = "roster_phase";
/// Other members, by how sure this node is of them (`state`).
pub const MEMBERS: &str = "roster_members";
/// Other members whose clocks are too far ahead to be followed.
pub const MEMBERS_SKEWED: &str = "roster_members_clock_skewed";
/// Clients that publish, and those remembered to be gone.
pub const DISTRO_RECORDS: &str = "roster_distro_records";
/// Clients without a living owner.
pub const DISTRO_ORPHANS: &str = "roster_distro_orphans";
/// Clients remembered to be gone.
pub const DISTRO_TOMBSTONES: &str = "roster_distro_tombstones";
/// Clients that members were not told the newest of, over all members.
pub const DISTRO_PENDING: &str = "roster_distro_pending";
/// States of clients sent and received, by `result`.
pub const DISTRO_STATES: &str = "roster_distro_states_total";
/// Messages with states that were not acknowledged in time.
pub const DISTRO_TIMEOUTS: &str = "roster_distro_timeouts_total";
/// Digests that told of a difference.
pub const DISTRO_DIFFERENCES: &str = "roster_distro_differences_total";
/// Clients asked for or removed because digests differed.
pub const DISTRO_REPAIRED: &str = "roster_distro_repaired_total";
/// Comparisons of contents that found no difference.
pub const DISTRO_REPAIRED_NOTHING: &str = "roster_distro_repaired_nothing_total";
/// Clients removed because their lease ran out.
pub const DISTRO_LEASES_OVER: &str = "roster_distro_leases_over_total";
/// Clients known by their address that this node took over.
pub const DISTRO_CLAIMED: &str = "roster_distro_claimed_total";
/// Removals that the brake held back, each counted once a try.
pub const HELD_BACK: &str = "roster_removals_held_back_total";

/// What this node is to the group of persistent instances (`part`): 1 for one of them.
pub const RAFT_PART: &str = "roster_raft_part";
/// Whether this node leads the group.
pub const RAFT_LEADER: &str = "roster_raft_leader";
/// Whether this node knows a leader.
pub const RAFT_HAS_LEADER: &str = "roster_raft_has_leader";
/// The newest term this node knows.
pub const RAFT_TERM: &str = "roster_raft_term";
/// Entries of the log: the last one, and up to where it is committed, applied, in a snapshot, purged (`up_to`).
pub const RAFT_INDEX: &str = "roster_raft_index";
/// Members of the group, voting or not (`votes`).
pub const RAFT_MEMBERS: &str = "roster_raft_members";
/// What is agreed on, in pairs of key and value.
pub const RAFT_PAIRS: &str = "roster_raft_pairs";
/// The upper half of the fingerprint of what is agreed on: nodes that applied the same entries show the same.
pub const RAFT_HASH: &str = "roster_raft_state_hash";
/// Changes that callers of this node asked for, by `result`.
pub const PROPOSALS: &str = "roster_proposals_total";
/// Time that such changes took.
pub const PROPOSAL_DELAY: &str = "roster_proposal_seconds";

/// All of them, with help texts.
pub const ALL: [(&str, Kind, &str); 47] = [
    (CONNECTIONS, Kind::Gauge, "Client connections that are set up"),
    (DISCONNECTIONS, Kind::Counter, "Ended client connections by reason"),
    (CLIENTS, Kind::Gauge, "Clients the registry knows"),
    (SERVICES, Kind::Gauge, "Services that lists show"),
    (INSTANCES, Kind::Gauge, "Published instances"),
    (SUBSCRIBERS, Kind::Gauge, "Subscriptions: pairs of client and service"),
    (ENCODED_BYTES, Kind::Gauge, "Bytes of encoded lists kept for readers"),
    (PUSH_PENDING, Kind::Gauge, "Services and subscribers waiting to be pushed"),
    (PUSHES, Kind::Counter, "Pushes by result"),
    (PUSH_DELAY, Kind::Histogram, "Seconds from a change to its acknowledgement by a subscriber"),
    (DATAGRAMS, Kind::Counter, "Pushes by datagram, and acks that nobody waited for, by result"),
    (REQUESTS, Kind::Counter, "Unary gRPC requests by type and result"),
    (HTTP_REQUESTS, Kind::Counter, "HTTP requests by operation, generation and class of status"),
    (CHANGES, Kind::Counter, "Changes of the registry by kind"),
    (BEATING, Kind::Gauge, "Instances that are kept by their heart beats"),
    (EXPIRED, Kind::Counter, "Instances whose heart beats stayed away, by what became of them"),
    (PEER_LINK, Kind::Gauge, "1 while there is a stream to this member"),
    (PEER_MESSAGES, Kind::Counter, "Messages between nodes by direction"),
    (PEER_BYTES, Kind::Counter, "Bytes of messages between nodes by direction"),
    (PEER_DROPPED, Kind::Counter, "Messages between nodes that were dropped, by reason"),
    (FORWARDS, Kind::Counter, "Writes forwarded to the responsible node by result"),
    (START_TIME, Kind::Gauge, "When this node started, in seconds since 1970 by the clock of its cluster"),
    (PHASE, Kind::Gauge, "1 for the phase this node is in"),
    (MEMBERS, Kind::Gauge, "Other members by how sure this node is of them"),
    (MEMBERS_SKEWED, Kind::Gauge, "Other members whose clocks are too far ahead to be followed"),
    (DISTRO_RECORDS, Kind::Gauge, "Clients that publish, and those remembered to be gone"),
    (DISTRO_ORPHANS, Kind::Gauge, "Clients without a living owner, which stay for their lease"),
    (DISTRO_TOMBSTONES, Kind::Gauge, "Clients remembered to be gone"),
    (DISTRO_PENDING, Kind::Gauge, "Clients that members were not told the newest of, over all members"),
    (DISTRO_STATES, Kind::Counter, "States of clients exchanged with members by result"),
    (DISTRO_TIMEOUTS, Kind::Counter, "Messages with states of clients that were not acknowledged in time"),
    (DISTRO_DIFFERENCES, Kind::Counter, "Digests of members that differed from what this node holds"),
    (DISTRO_REPAIRED, Kind::Counter, "Clients asked for or removed because digests differed"),
    (DISTRO_REPAIRED_NOTHING, Kind::Counter, "Digests that differed without any client that did"),
    (DISTRO_LEASES_OVER, Kind::Counter, "Clients of dead nodes removed because their lease ran out"),
    (DISTRO_CLAIMED, Kind::Counter, "Clients known by their address that this node took over"),
    (HELD_BACK, Kind::Counter, "Removals that the brake held back, each counted once a try"),
    (RAFT_PART, Kind::Gauge, "1 for what this node is to the group of persistent instances"),
    (RAFT_LEADER, Kind::Gauge, "1 when this node leads the group of persistent instances"),
    (
        RAFT_HAS_LEADER,
        Kind::Gauge,
        "1 when this node follows a leader of the group of persistent instances, or leads it",
    ),
    (RAFT_TERM, Kind::Gauge, "The newest term this node knows"),
    (RAFT_INDEX, Kind::Gauge, "Index of the last entry of the log, and up to where it is committed and so on"),
    (RAFT_MEMBERS, Kind::Gauge, "Members of the group of persistent instances, voting or not"),
    (RAFT_PAIRS, Kind::Gauge, "Pairs of key and value that are agreed on"),
    (RAFT_HASH, Kind::Gauge, "Fingerprint of what is agreed on, upper half; the same after the same entries"),
    (PROPOSALS, Kind::Counter, "Changes to be agreed on that callers of this node asked for, by result"),
    (PROPOSAL_DELAY, Kind::Histogram, "Seconds that such changes took"),
];
