//! Openraft and this program's log behind its fence, and nothing else: three members on threads of their own that call each
//! other directly, with a state machine that forgets what it is told. What a group could do at best. Promises that its
//! members stopped when `stop` returns.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use anyhow::{Context, Result};
use openraft::{
    AnyError, Config, OptionalSend, Raft, RaftNetworkFactory, RaftNetworkV2, RaftSnapshotBuilder, SnapshotPolicy,
    errors::{RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::RPCOption,
    raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse},
    storage::{EntryResponder, RaftStateMachine},
    type_config::alias::SnapshotOf,
};
use openraft_rt::deterministic_rng::DeterministicRng;
use openraft_rt_tokio::TokioRuntime;
use parking_lot::Mutex;
use roster::{
    model::{NodeId, Proposal, ProposalId},
    raft::{
        store::Store,
        types::{Command, LogId, Member, SnapshotMeta, StoredMembership, TypeConfig, Vote},
    },
    wire::raft::encode_command,
};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt;

use crate::Asked;

type Alone = Raft<TypeConfig, Forgets>;
type Members = Arc<Mutex<BTreeMap<u64, Alone>>>;

pub struct Bare {
    leader: Leader,
    stop: Vec<mpsc::Sender<()>>,
    threads: Vec<thread::JoinHandle<()>>,
}

/// The member that leads from the first to the last.
#[derive(Clone)]
pub struct Leader {
    raft: Alone,
    numbers: Arc<AtomicU64>,
}

impl Asked for Leader {
    async fn ask(&self, proposal: Proposal) -> bool {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let command = encode_command(&ProposalId { minted: number, node: NodeId(1), number }, &proposal);
        self.raft.client_write(Command(command)).await.is_ok()
    }
}

impl Bare {
    pub async fn start(dir: &Path) -> Result<Self> {
        let (members, ids) = (Members::default(), 1..=3);
        let (mut stop, mut threads) = (Vec::new(), Vec::new());
        for id in ids.clone() {
            let (stops, stopped) = mpsc::channel(1);
            let (told, began) = oneshot::channel();
            let (dir, network) = (dir.join(id.to_string()), Network(members.clone()));
            threads.push(thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let member = member(id, dir, network, told, stopped);
                runtime.expect("a runtime").block_on(DeterministicRng::<TokioRuntime>::scope(id, member));
            }));
            stop.push(stops);
            let raft = began.await.context("a member does not start")?;
            members.lock().insert(id, raft);
        }
        let raft = members.lock()[&1].clone();
        raft.initialize(ids.map(|id| (id, Member::default())).collect::<BTreeMap<_, _>>()).await?;
        raft.wait(None).current_leader(1, "it was the first").await?;
        Ok(Self { leader: Leader { raft, numbers: Arc::default() }, stop, threads })
    }

    pub fn leader(&self) -> Leader {
        self.leader.clone()
    }

    pub async fn stop(self) {
        drop(self.stop);
        for thread in self.threads {
            let ended = tokio::task::spawn_blocking(move || thread.join()).await;
            assert!(matches!(ended, Ok(Ok(()))), "a member ends without a panic");
        }
    }
}

async fn member(
    id: u64,
    dir: std::path::PathBuf,
    network: Network,
    told: oneshot::Sender<Alone>,
    mut stopped: mpsc::Receiver<()>,
) {
    std::fs::create_dir_all(&dir).expect("a directory");
    let store = Store::open(&dir.join("store")).expect("opens");
    let raft = Alone::new(id, Arc::new(config()), network, store.log(), Forgets::default()).await.expect("starts");
    assert!(told.send(raft.clone()).is_ok(), "somebody waits");
    // Nothing is ever sent.
    stopped.recv().await;
    raft.shutdown().await.expect("stops");
}

/// As a server has it, but for snapshots: there is nothing to make one of.
fn config() -> Config {
    Config {
        heartbeat_interval: 200,
        election_timeout_min: 650,
        election_timeout_max: 975,
        snapshot_policy: SnapshotPolicy::Never,
        max_payload_entries: 512,
        max_append_entries: Some(512),
        ..Config::default()
    }
}

/// Knows how far it is, and nothing else.
#[derive(Default)]
struct Forgets {
    last: Option<LogId>,
    members: StoredMembership,
}

impl RaftStateMachine<TypeConfig> for Forgets {
    type SnapshotData = ();
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.last, self.members.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: tokio_stream::Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.next().await.transpose()? {
            self.last = Some(entry.log_id);
            if let openraft::EntryPayload::Membership(members) = entry.payload {
                self.members = StoredMembership::new(self.last, members);
            }
            if let Some(responder) = responder {
                responder.send(None);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        Self::default()
    }

    async fn install_snapshot(&mut self, _: &SnapshotMeta, (): ()) -> Result<(), io::Error> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<TypeConfig, ()>>, io::Error> {
        Ok(None)
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Forgets {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, ()>, io::Error> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The other members, in this process.
struct Network(Members);

struct Line {
    members: Members,
    target: u64,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Line;

    async fn new_client(&mut self, target: u64, _: &Member) -> Line {
        Line { members: self.0.clone(), target }
    }
}

impl Line {
    fn member(&self) -> Alone {
        self.members.lock()[&self.target].clone()
    }
}

fn unreachable(error: &(impl std::error::Error + 'static)) -> RPCError<TypeConfig> {
    RPCError::Unreachable(Unreachable::new(&AnyError::new(error)))
}

impl RaftNetworkV2<TypeConfig> for Line {
    type SnapshotData = ();

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.member().append_entries(rpc).await.map_err(|error| unreachable(&error))
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.member().vote(rpc).await.map_err(|error| unreachable(&error))
    }

    async fn full_snapshot(
        &mut self,
        _: Vote,
        _: SnapshotOf<TypeConfig, ()>,
        _: impl Future<Output = ReplicationClosed> + Send + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        Err(unreachable(&io::Error::from(io::ErrorKind::Unsupported)).into())
    }
}
