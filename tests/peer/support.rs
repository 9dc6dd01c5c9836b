//! A node with its cluster port, and what members said to it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use roster::{
    member::Cluster,
    model::{ClientState, Incarnation, Millis, NodeId},
    node::{self, Input, Membership, Rejection, Reply},
    peer::{self, Core, Peers, Settings},
    runtime::{DataDir, Runtime},
    wire::peer::Message,
};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::{JoinHandle, JoinSet},
};

/// How long anything may take; all of it takes milliseconds, but for pauses between attempts.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// Where nobody listens, so that only the test itself calls.
pub const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
pub const SECRET: &str = "hush";

/// The runtime, with a record of what the cluster port gave it.
pub struct Seen {
    runtime: Arc<Runtime>,
    inputs: mpsc::Sender<Input>,
    /// What it answers when asked for the state of a client, in place of what it knows.
    state: Option<Arc<ClientState>>,
}

impl Core for Seen {
    fn handle(&self, input: Input) -> Result<Reply, Rejection> {
        match &input {
            Input::Linked { .. } | Input::Unlinked { .. } | Input::Peer { .. } => {
                // A full record is a test that has seen enough.
                let _ = self.inputs.try_send(input.clone());
            }
            Input::ClientState(_) if self.state.is_some() => return Ok(Reply::State(self.state.clone())),
            _ => {}
        }
        self.runtime.handle(input)
    }

    fn cluster(&self) -> Arc<Cluster> {
        self.runtime.cluster()
    }

    fn time(&self) -> Millis {
        self.runtime.time()
    }
}

pub struct Member {
    pub runtime: Arc<Runtime>,
    pub peers: Arc<Peers>,
    pub address: SocketAddr,
    inputs: mpsc::Receiver<Input>,
    serving: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    tasks: JoinSet<()>,
    _data: TempDir,
}

/// Everything a node is started with that tests vary.
pub struct Plan {
    pub id: u128,
    pub cluster: &'static str,
    pub secret: &'static str,
    /// Ids of the other members, with where they listen.
    pub others: Vec<(u128, SocketAddr)>,
    /// The same of those that may become members later.
    pub strangers: Vec<(u128, SocketAddr)>,
    /// Where members are dialled once their id is known.
    pub by_id: Vec<(u128, SocketAddr)>,
    pub state: Option<Arc<ClientState>>,
}

impl Plan {
    pub fn new(id: u128, others: &[(u128, SocketAddr)]) -> Self {
        let (others, strangers, by_id) = (others.to_vec(), Vec::new(), Vec::new());
        Self { id, cluster: "test", secret: SECRET, others, strangers, by_id, state: None }
    }
}

/// The main address of the node with this id. Nobody listens there.
pub fn main_address(id: u128) -> String {
    format!("n{id}:8848")
}

pub async fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

impl Member {
    pub fn start(plan: Plan, listener: TcpListener) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let data = DataDir::open(directory.path()).expect("usable");
        let settings = node::Settings::DEFAULT;
        let membership = Membership::alone(NodeId(plan.id), main_address(plan.id));
        let runtime = Runtime::start(settings, membership, &data).expect("starts");
        let (inputs, seen) = mpsc::channel(1_000);
        let core = Arc::new(Seen { runtime: runtime.clone(), inputs, state: plan.state });
        let by_address = plan.others.iter().chain(&plan.strangers).map(|(id, at)| (main_address(*id), at.to_string()));
        let by_id = plan.by_id.iter().map(|(id, at)| (NodeId(*id).to_string(), at.to_string()));
        let routes: BTreeMap<String, String> = by_address.chain(by_id).collect();
        let settings = Settings {
            cluster: plan.cluster.into(),
            secret: plan.secret.into(),
            members: plan.others.iter().map(|(id, _)| main_address(*id).into()).collect(),
            offset: 1_001,
            routes,
        };
        let peers = Peers::new(core, &settings).expect("legal addresses");
        let address = listener.local_addr().expect("bound");
        let mut tasks = JoinSet::new();
        tasks.spawn(peers.clone().dial());
        let mut member = Self { runtime, peers, address, inputs: seen, serving: None, tasks, _data: directory };
        member.serve(listener);
        member
    }

    pub fn serve(&mut self, listener: TcpListener) {
        let (stop, stopped) = oneshot::channel::<()>();
        let peers = self.peers.clone();
        let serving = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            peer::serve(peers, listener, tonic::service::Routes::default(), stopped).await.expect("serves");
        });
        self.serving = Some((stop, serving));
    }

    /// Nobody listens when this completes.
    pub async fn stop_serving(&mut self) {
        let (stop, serving) = self.serving.take().expect("serves");
        stop.send(()).expect("runs");
        tokio::time::timeout(DEADLINE, serving).await.expect("in time").expect("no panic");
    }

    /// Dials nobody any more.
    pub async fn stop_dialling(&mut self) {
        self.tasks.shutdown().await;
    }

    /// The other members are those with these ids from now on.
    pub fn set_members(&self, ids: &[u128]) {
        let members: Vec<_> = ids.iter().map(|id| main_address(*id).into()).collect();
        self.peers.set_members(&members).expect("legal addresses");
    }

    pub fn life(&self) -> Incarnation {
        self.runtime.cluster().this
    }

    pub async fn next(&mut self) -> Input {
        tokio::time::timeout(DEADLINE, self.inputs.recv()).await.expect("in time").expect("the node lives")
    }

    /// Waits for a stream to a member.
    pub async fn linked(&mut self) -> (String, Incarnation) {
        loop {
            if let Input::Linked { address, peer } = self.next().await {
                return (address.into(), peer);
            }
        }
    }

    pub async fn unlinked(&mut self) -> String {
        self.not_reached().await.0
    }

    /// Who is not reached, and whether because nobody is there.
    pub async fn not_reached(&mut self) -> (String, bool) {
        loop {
            match self.next().await {
                Input::Unlinked { address, vacant } => return (address.into(), vacant),
                Input::Linked { address, .. } => panic!("linked to {address}"),
                _ => {}
            }
        }
    }

    /// The next thing a member says.
    pub async fn said(&mut self) -> (String, Incarnation, Message) {
        loop {
            if let Input::Peer { address, from, message } = self.next().await {
                return (address.into(), from, message);
            }
        }
    }
}

/// Two members that are linked both ways.
pub async fn pair() -> [Member; 2] {
    let ((one, at_one), (two, at_two)) = (bind().await, bind().await);
    let mut both = [Member::start(Plan::new(1, &[(2, at_two)]), one), Member::start(Plan::new(2, &[(1, at_one)]), two)];
    for member in &mut both {
        member.linked().await;
    }
    both
}

pub fn numbered(number: u64) -> Message {
    Message::SyncTaken { number }
}
