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

/// All of them, with help texts.
pub const ALL: [(&str, Kind, &str); 21] = [
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
];
