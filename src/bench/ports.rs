//! Ports for nodes of one's own. Promises only that they were free a moment ago: another program may be faster, and the
//! node's start then says so.

use std::{
    iter,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::{Result, ensure};

use crate::config::{GRPC_OFFSET, PEER_OFFSET};

/// Main ports are below those that the system gives to whoever goes out, or a node that is down would find its port taken.
const PORTS: Range<u16> = 10_000..30_000;

/// Main ports whose ports above, for gRPC and for other nodes, are free too. Two calls of one process do not give the
/// same. Fails when there are not so many.
pub fn free_ports(count: usize) -> Result<Vec<u16>> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 997) as u16 * 20;
    // Not side by side: another node's port for gRPC is no main port.
    let some = iter::repeat_with(|| NEXT.fetch_add(3, Ordering::Relaxed))
        .map(|step| PORTS.start + first.wrapping_add(step) % PORTS.len() as u16);
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let free = some
        .take(PORTS.len())
        .filter(|port| [0, GRPC_OFFSET, PEER_OFFSET].iter().all(|above| is_free(port + above)))
        .take(count);
    let ports: Vec<u16> = free.collect();
    ensure!(ports.len() == count, "no free ports for {count} nodes");
    Ok(ports)
}
