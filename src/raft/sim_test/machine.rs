//! A machine: what of a node survives its lives, and one life of it.
//!
//! A life is the product's node with its cluster port, its group and nothing else of a server: no clients, no streams
//! between members, no dispatcher. Its directory has real files (place, snapshots), its store is in memory.

use std::{
    path::PathBuf,
    sync::{Arc, Weak},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use compact_str::CompactString;
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    door::{self, Ask},
    wire::{OFFSET, Wires, incoming},
};
use crate::{
    model::NodeId,
    node::{self, Input, Membership},
    peer::{self, Peers},
    raft::{
        Group, Origin, Settings,
        store::memory::{InMemory, MemoryDisk},
    },
    runtime::{Clock, DataDir, Runtime, durable},
};

pub(super) const PORT: u16 = 8848;
/// When all simulations take place.
pub(super) const EPOCH: Duration = Duration::from_secs(1_800_000_000);
/// Calls that wait at a door.
const WAITING: usize = 64;

/// What survives.
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) origin: Vec<CompactString>,
    pub(super) founds: bool,
    pub(super) disk: MemoryDisk,
    place: Place,
    pub(super) lives: u64,
    /// Where callers are let in while the node lives.
    pub(super) door: Option<mpsc::Sender<Ask>>,
    pub(super) group: Weak<Group>,
}

/// The directory, and the id that it got, which chance would draw otherwise.
struct Place {
    dir: TempDir,
    id: u128,
}

impl Place {
    fn new(id: u128) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        durable::replace(dir.path(), "disk", |file| {
            let line = durable::seal(&format!("roster-raft-disk 1 {}", NodeId(id)));
            std::io::Write::write_all(file, line.as_bytes())
        })
        .expect("is written");
        Self { dir, id }
    }
}

pub(super) fn address(name: &str) -> CompactString {
    format!("{name}:{PORT}").into()
}

fn wall() -> SystemTime {
    UNIX_EPOCH + turmoil::since_epoch().expect("in the simulation")
}

impl Machine {
    pub(super) fn new(number: usize, origin: Vec<CompactString>, founds: bool) -> Self {
        Self {
            name: format!("n{number}"),
            origin,
            founds,
            disk: MemoryDisk::default(),
            place: Place::new(number as u128 + 1),
            lives: 0,
            door: None,
            group: Weak::new(),
        }
    }

    /// Takes all that was on its disk away.
    pub(super) fn wipe(&mut self) {
        self.place = Place::new(self.place.id + 1_000);
        self.disk = MemoryDisk::default();
    }

    fn settings(&self, seed: u64) -> Settings {
        Settings {
            // Few, so that snapshots are made all the time, and nodes that were away for a while are sent one.
            snapshot_entries: 60,
            kept_entries: 20,
            seed: Some(seed ^ (self.place.id as u64) << 32 ^ self.lives),
            ..Settings::DEFAULT
        }
    }

    fn dir(&self) -> PathBuf {
        self.place.dir.path().to_owned()
    }
}

fn runtime(machine: &Machine) -> Arc<Runtime> {
    let peers = machine.origin.iter().filter(|seed| **seed != address(&machine.name)).cloned().collect();
    let membership =
        Membership { this: NodeId(machine.place.id), address: address(&machine.name), peers, joins: !machine.founds };
    // Nobody tells this node the time of others, and nobody keeps its ceiling: it gets one that is enough.
    let data = TempDir::new().expect("a directory");
    let data = DataDir::open(data.path()).expect("is usable");
    let runtime =
        Runtime::start_by(Clock::with_wall(wall), node::Settings::DEFAULT, membership, &data).expect("starts");
    runtime.handle(Input::CeilingStored(EPOCH.as_millis() as u64 * 2)).expect("not refused");
    runtime
}

fn begin(machine: &mut Machine, seed: u64) -> (Arc<Group>, Arc<Peers>) {
    machine.lives += 1;
    let runtime = runtime(machine);
    let members = runtime.cluster().peers.iter().map(|peer| peer.address.clone()).collect();
    let settings = peer::Settings { members, offset: OFFSET, ..peer::Settings::default() };
    let peers = Peers::new(runtime.clone(), &settings).expect("are dialled");
    let medium = InMemory { disk: machine.disk.clone(), snapshots: machine.dir().join("snapshots") };
    let origin = Origin { dir: machine.dir(), seeds: machine.origin.clone(), founds: machine.founds };
    let calls = Arc::new(Wires(peers.clone()));
    let group = Group::on(runtime, peers.clone(), calls, Arc::new(medium), origin, machine.settings(seed));
    let group = group.expect("has a place or none");
    machine.group = Arc::downgrade(&group);
    (group, peers)
}

/// One life, which ends when its host does.
pub(super) async fn live(machine: Arc<Mutex<Machine>>, seed: u64) -> turmoil::Result {
    let (group, peers) = begin(&mut machine.lock(), seed);
    let stop = CancellationToken::new();
    tokio::spawn(group.clone().run(stop.clone()));
    let serving = peer::serve_on(peers, incoming(PORT).await?, group.routes(), std::future::pending());
    tokio::spawn(async move { serving.await.expect("serves") });
    group.loaded().await;
    let (sender, asked) = mpsc::channel(WAITING);
    machine.lock().door = Some(sender);
    tokio::select! {
        () = door::answer(&group, asked) => {}
        // A removed node stops.
        () = group.removed() => {}
    }
    machine.lock().door = None;
    std::future::pending().await
}
