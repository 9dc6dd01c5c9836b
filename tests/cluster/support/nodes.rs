//! Nodes as processes, three of which are a cluster. All are killed when dropped, and tell what they said when a test fails.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use roster::{
    bench::free_ports,
    chaos::shim::{Shim, Wrong},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use super::{DEADLINE, Ports, call, shown, until};

/// How many lines of a node's log are shown when a test fails.
const SHOWN_LINES: usize = 40;

/// The program, without settings from outside. `ROSTER_TEST_BINARY` names another build of it.
pub fn roster() -> Command {
    let built = env!("CARGO_BIN_EXE_roster").to_owned();
    let mut command = Command::new(std::env::var("ROSTER_TEST_BINARY").unwrap_or(built));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ROSTER_")) {
        command.env_remove(name);
    }
    command
}

/// How a node is started.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    pub port: u16,
    pub peers: String,
    pub data: PathBuf,
    pub more: Vec<String>,
    /// A library before its C library, by which its disk breaks.
    pub preloaded: Option<PathBuf>,
}

/// One node.
pub struct Node {
    pub address: String,
    pub launch: Launch,
    shim: Option<Shim>,
    child: Child,
}

impl Node {
    pub fn start(launch: Launch) -> Self {
        let (page, root) = (launch.data.with_extension("page"), launch.data.join("raft"));
        let shim = launch.preloaded.as_ref().map(|library| Shim::new(library, page, root).expect("a page"));
        let child = spawn(&launch, shim.as_ref());
        Self { address: format!("127.0.0.1:{}", launch.port), launch, shim, child }
    }

    /// Starts it again where it was.
    pub fn start_again(&mut self) {
        self.child = spawn(&self.launch, self.shim.as_ref());
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.pid().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "{signal} to {}", self.address);
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("a process");
        self.child.wait().expect("a process");
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(&mut self) {
        self.signal("-TERM");
        let status = until("it stops", DEADLINE, async || self.has_ended()).await;
        assert!(status.success(), "{status}");
    }

    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a process")
    }

    pub async fn get(&self, target: &str) -> Option<Value> {
        let (status, body) = call(&self.address, "GET", target, "").await.ok()?;
        (status == 200).then(|| serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    pub async fn metrics(&self) -> String {
        call(&self.address, "GET", "/metrics", "").await.expect("metrics").1
    }

    /// What the node knows of the members.
    pub async fn cluster(&self) -> Option<Value> {
        self.get("/roster/v1/cluster").await
    }

    pub async fn is_ready(&self) -> bool {
        self.get("/nacos/v3/admin/core/state/readiness").await.is_some()
    }

    pub async fn ready(&self) {
        until(&format!("{} is ready", self.address), DEADLINE, async || self.is_ready().await.then_some(())).await;
    }

    /// Ports of the instances of a service; none when the node does not answer.
    pub async fn ports(&self, service: &str) -> Option<Ports> {
        Some(shown(&self.hosts(service).await?))
    }

    /// All instances of a service, in order.
    pub async fn hosts(&self, service: &str) -> Option<Value> {
        let mut view = self.get(&format!("/roster/v1/instances?service={service}")).await?;
        let hosts = view["hosts"].as_array_mut()?;
        hosts.sort_by_key(|host| (host["ip"].to_string(), host["port"].as_u64()));
        Some(Value::Array(std::mem::take(hosts)))
    }

    /// Has what the group keeps on its disk fail in this way from now on.
    pub fn break_disk(&self, wrong: Wrong) {
        self.shim.as_ref().expect("there is a library before it").set(wrong).expect("writes");
    }

    pub fn log(&self) -> String {
        fs::read_to_string(log_file(&self.launch.data)).unwrap_or_default()
    }
}

fn log_file(data: &Path) -> PathBuf {
    data.with_extension("log")
}

fn spawn(launch: &Launch, shim: Option<&Shim>) -> Child {
    let log = File::options().create(true).append(true).open(log_file(&launch.data)).expect("a file");
    let mut command = roster();
    command.args(["server", "--port", &launch.port.to_string(), "--peers", &launch.peers, "--data"]);
    command.arg(&launch.data).args(&launch.more).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    if let Some(shim) = shim {
        shim.put_before(&mut command);
    }
    command.spawn().expect("starts")
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.lines().count().saturating_sub(SHOWN_LINES);
            eprintln!("-- {} said:", self.address);
            log.lines().skip(from).for_each(|line| eprintln!("   {line}"));
        }
    }
}

/// Three nodes and where they keep things.
pub struct Cluster {
    pub nodes: Vec<Node>,
    _data: TempDir,
}

impl Cluster {
    /// Three nodes that serve and have each other.
    pub async fn start() -> Self {
        for _ in 0..5 {
            let cluster = Self::launch(&[&[], &[], &[]]);
            if let Some(started) = cluster.started().await {
                return started;
            }
        }
        panic!("all ports are taken");
    }

    /// Three processes, each with its own further arguments.
    pub fn launch(more: &[&[&str]; 3]) -> Self {
        Self::launch_with(more, None)
    }

    /// The same with a library before their C library.
    pub fn launch_with(more: &[&[&str]; 3], preloaded: Option<&Path>) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let ports = free_ports(3).expect("free ports");
        let addresses: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let launch = |number: usize| Launch {
            port: ports[number],
            peers: addresses.join(","),
            data: data.path().join(format!("node{number}")),
            more: more[number].iter().map(|argument| (*argument).to_owned()).collect(),
            preloaded: preloaded.map(Path::to_owned),
        };
        let nodes = (0..3).map(|number| Node::start(launch(number))).collect();
        Self { nodes, _data: data }
    }

    /// None when a port was taken meanwhile.
    async fn started(mut self) -> Option<Self> {
        let end = Instant::now() + DEADLINE;
        while !self.is_whole().await {
            if self.nodes.iter_mut().any(|node| node.has_ended().is_some()) {
                let taken = self.nodes.iter().any(|node| node.log().contains("cannot listen on"));
                assert!(taken, "a node ended: {}", self.nodes[0].log());
                return None;
            }
            assert!(Instant::now() < end, "no cluster");
        }
        Some(self)
    }

    /// Whether all are ready and linked to each other.
    pub async fn is_whole(&self) -> bool {
        for node in &self.nodes {
            let Some(cluster) = node.cluster().await else { return false };
            let members = cluster["members"].as_array().expect("members");
            let is_there =
                |member: &Value| member["linked"] == true && member["state"] == "up" && member["phase"] == "serving";
            if !members.iter().all(is_there) || !node.is_ready().await {
                return false;
            }
        }
        true
    }

    pub async fn whole(&self) {
        until("the cluster is whole", DEADLINE, async || self.is_whole().await.then_some(())).await;
    }

    pub fn all(&self) -> Vec<&Node> {
        self.nodes.iter().collect()
    }

    /// As clients are given it.
    pub fn addresses(&self) -> String {
        let addresses: Vec<&str> = self.nodes.iter().map(|node| node.address.as_str()).collect();
        addresses.join(",")
    }
}
