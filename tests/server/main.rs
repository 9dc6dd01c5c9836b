//! A node in the test's own process, driven over real sockets: by the official Rust client, by raw payloads for what no
//! SDK can be made to send, and by recordings of other clients with other servers.

mod connection;
mod datagram;
mod golden;
mod http;
mod http_golden;
mod http_limits;
mod listing;
mod openapi;
mod operator;
mod persistent;
mod sdk;
mod support;
