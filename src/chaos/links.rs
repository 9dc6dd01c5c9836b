//! The lines between nodes: each node is known by an address at which this listens, and what nodes say to each other passes
//! through here, where it can be held up, each direction on its own.
//!
//! A cut holds bytes back and lets them go when it heals, as TCP does. Who dials over a cut line is accepted and hears nothing.
//! Promises that nothing is reordered or changed. Needs no rights: it is the same on every machine.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::source;
use crate::bench::chance::Chance;

const CHUNK: usize = 16 * 1024;
/// When what was lost is sent again, at the earliest.
const SENT_AGAIN: Duration = Duration::from_millis(200);

/// How a line is in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    pub cut: bool,
    pub delay: Duration,
    /// Of a hundred pieces, how many are lost and sent again.
    pub loss: usize,
    /// Bytes a second; none for no limit.
    pub rate: Option<u32>,
}

struct Line {
    way: watch::Sender<Way>,
    /// Pieces that were held up.
    held: AtomicU64,
}

/// All lines, by who sends and who is to hear.
pub struct Links {
    lines: Vec<Vec<Line>>,
    pids: Vec<AtomicU32>,
    stop: CancellationToken,
}

impl Links {
    pub fn new(nodes: usize) -> Arc<Self> {
        let line = || Line { way: watch::Sender::new(Way::default()), held: AtomicU64::new(0) };
        Arc::new(Self {
            lines: (0..nodes).map(|_| (0..nodes).map(|_| line()).collect()).collect(),
            pids: (0..nodes).map(|_| AtomicU32::new(0)).collect(),
            stop: CancellationToken::new(),
        })
    }

    /// Where a node is known to the others.
    pub fn host(node: usize) -> IpAddr {
        Ipv4Addr::new(127, 0, 1, u8::try_from(node + 1).expect("few nodes")).into()
    }

    /// The process of a node from now on.
    pub fn is_now(&self, node: usize, pid: u32) {
        self.pids[node].store(pid, Relaxed);
    }

    /// Changes lines from one node to another.
    pub fn set(&self, ways: &[(usize, usize)], way: Way) {
        for (from, to) in ways {
            self.lines[*from][*to].way.send_replace(way);
        }
    }

    /// How many pieces were held up on these lines so far.
    pub fn held(&self, ways: &[(usize, usize)]) -> u64 {
        ways.iter().map(|(from, to)| self.lines[*from][*to].held.load(Relaxed)).sum()
    }

    /// Every pair of nodes, in both directions.
    pub fn all(&self) -> Vec<(usize, usize)> {
        let nodes = 0..self.lines.len();
        nodes.clone().flat_map(|from| nodes.clone().map(move |to| (from, to))).filter(|(from, to)| from != to).collect()
    }

    /// Listens for one node and passes on to `real`, until this is dropped.
    pub async fn serve(self: &Arc<Self>, node: usize, port: u16, real: SocketAddr) -> io::Result<()> {
        let listener = TcpListener::bind((Self::host(node), port)).await?;
        let (links, stop) = (Arc::downgrade(self), self.stop.clone());
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                let (Ok((socket, from)), Some(links)) = (accepted, links.upgrade()) else { continue };
                tokio::spawn(links.pass(node, socket, from, real));
            }
        });
        Ok(())
    }

    async fn pass(self: Arc<Self>, to: usize, socket: TcpStream, from: SocketAddr, real: SocketAddr) {
        let pids: Vec<u32> = self.pids.iter().map(|pid| pid.load(Relaxed)).collect();
        let Ok(at) = socket.local_addr() else { return };
        let found = tokio::task::spawn_blocking(move || source::dialler(from, at, &pids)).await;
        // Whoever is gone by now, or is no node, has nothing to say.
        let Ok(Some(from)) = found else { return };
        let Ok(other) = TcpStream::connect(real).await else { return };
        // Small messages are not to wait for each other; without it they do.
        let _ = (socket.set_nodelay(true), other.set_nodelay(true));
        let ((near_in, near_out), (far_in, far_out)) = (socket.into_split(), other.into_split());
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.pump(from, to, near_in, far_out) => {}
            () = self.pump(to, from, far_in, near_out) => {}
        }
    }

    async fn pump(&self, from: usize, to: usize, mut read: tcp::OwnedReadHalf, mut write: tcp::OwnedWriteHalf) {
        let line = &self.lines[from][to];
        let mut way = line.way.subscribe();
        let mut chance = Chance::new(from as u64, to as u64);
        let mut buffer = vec![0; CHUNK];
        while let Ok(length @ 1..) = read.read(&mut buffer).await {
            let now = *way.borrow_and_update();
            if now != Way::default() {
                line.held.fetch_add(1, Relaxed);
            }
            if now.cut && way.wait_for(|way| !way.cut).await.is_err() {
                return;
            }
            let lost = if now.loss > chance.below(100) { SENT_AGAIN } else { Duration::ZERO };
            let slow = now.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(length as f64 / f64::from(rate)));
            let wait = now.delay + lost + slow;
            if !wait.is_zero() {
                sleep(wait).await;
            }
            if write.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
