//! Ports for nodes of one's own. Promises only that they were free a moment ago: another program may be faster, and the
//! node's start then says so.

use std::net::{Ipv4Addr, TcpListener};

use crate::config::{GRPC_OFFSET, PEER_OFFSET};

/// Main ports are below those that the system gives to whoever goes out, or a node that is down would find its port taken.
const PORTS: std::ops::Range<u16> = 10_000..30_000;

/// Main ports whose ports above, for gRPC and for other nodes, are free too; fewer when there are not so many.
pub fn free_ports(count: usize) -> Vec<u16> {
    let first = (std::process::id() % 997) as u16 * 20;
    let some = (0..PORTS.len() as u16).map(|step| PORTS.start + first.wrapping_add(step) % PORTS.len() as u16);
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    // Not side by side: another node's port for gRPC is no main port.
    some.step_by(3)
        .filter(|port| [0, GRPC_OFFSET, PEER_OFFSET].iter().all(|above| is_free(port + above)))
        .take(count)
        .collect()
}
