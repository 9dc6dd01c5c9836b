//! The nodes: processes of this program on this machine, each known to the others by a line of its own.
//!
//! Promises that none outlives this process, and that a node that ends without anybody having ended it is noticed.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{ask::Http, links::Links, shim::Shim};
use crate::{bench::free_ports, config::PEER_OFFSET};

/// How long a node may take to be ready: longer than it waits for what others know.
pub const READY: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// How long a node that is asked to stop may take.
const STOPPING: Duration = Duration::from_secs(30);

/// One node.
pub struct Node {
    /// From 0.
    pub number: usize,
    /// Where clients find it.
    pub main: String,
    pub log: PathBuf,
    data: PathBuf,
    arguments: Vec<String>,
    pub shim: Option<Shim>,
    child: Mutex<Option<Child>>,
}

/// All of them.
pub struct Nodes {
    pub all: Vec<Node>,
    pub links: Arc<Links>,
    pub http: Http,
}

impl Nodes {
    /// Starts that many in a directory of their own, with this library before them if there is one.
    pub async fn start(count: usize, dir: &Path, library: Option<&Path>) -> Result<Self> {
        let ports = free_ports(count)?;
        let links = Links::new(count);
        let known = |number: usize| format!("{}:{}", Links::host(number), ports[number]);
        let peers = (0..count).map(known).collect::<Vec<_>>().join(",");
        let mut all = Vec::new();
        for (number, port) in ports.iter().copied().enumerate() {
            let real = SocketAddr::from((Ipv4Addr::LOCALHOST, port + PEER_OFFSET));
            links.serve(number, port + PEER_OFFSET, real).await.context("no port for a line between nodes")?;
            let data = dir.join(format!("node{}", number + 1));
            let arguments = ["--port", &port.to_string(), "--peers", &peers, "--advertise", &known(number)];
            all.push(Node {
                number,
                main: format!("127.0.0.1:{port}"),
                log: data.with_extension("log"),
                shim: library
                    .map(|library| Shim::new(library, data.with_extension("page"), data.join("raft")))
                    .transpose()?,
                arguments: arguments.map(str::to_owned).to_vec(),
                data,
                child: Mutex::default(),
            });
        }
        let nodes = Self { all, links, http: Http::new() };
        for number in 0..count {
            nodes.launch(number)?;
        }
        Ok(nodes)
    }

    /// Starts a node that does not run.
    pub fn launch(&self, number: usize) -> Result<()> {
        let node = &self.all[number];
        let child = node.spawn().with_context(|| format!("starting node {}", number + 1))?;
        self.links.is_now(number, child.id());
        *node.child.lock() = Some(child);
        Ok(())
    }

    /// Returns once a node takes clients.
    pub async fn ready(&self, number: usize) -> Result<()> {
        let until = Instant::now() + READY;
        while !self.is_ready(number).await {
            ensure!(Instant::now() < until, "node {} is not ready in {READY:?}", number + 1);
            sleep(LOOK).await;
        }
        Ok(())
    }

    pub async fn is_ready(&self, number: usize) -> bool {
        self.http.get(&self.all[number].main, "/nacos/v2/console/health/readiness").await.is_some()
    }

    /// How a node sees the cluster.
    pub async fn cluster(&self, number: usize) -> Option<Value> {
        self.http.get(&self.all[number].main, "/roster/v1/cluster").await
    }

    /// The node that leads; waits for one.
    pub async fn leader(&self) -> Result<usize> {
        let until = Instant::now() + READY;
        while Instant::now() < until {
            for number in 0..self.all.len() {
                if self.cluster(number).await.is_some_and(|cluster| cluster["raft"]["role"] == "leader") {
                    return Ok(number);
                }
            }
            sleep(LOOK).await;
        }
        bail!("nobody leads in {READY:?}")
    }
}

impl Node {
    fn spawn(&self) -> Result<Child> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(std::env::current_exe().context("this program cannot find itself")?);
        command.args(["server", "--exit-with-parent", "--host", "127.0.0.1", "--log-format", "json", "--data"]);
        command.arg(&self.data).args(&self.arguments);
        if let Some(shim) = &self.shim {
            shim.put_before(&mut command);
        }
        // The end of its standard input is the end of this process.
        Ok(command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn()?)
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.lock().as_ref().map(Child::id)
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        let guard = self.child.lock();
        let child = guard.as_ref().context("the node does not run")?;
        Ok(kill_process(Pid::from_child(child), signal)?)
    }

    /// Whether it ended without having been asked to, and how.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().as_mut()?.try_wait().ok().flatten()
    }

    /// Kills it; how it ended.
    pub fn kill(&self) -> Result<ExitStatus> {
        let mut child = self.child.lock().take().context("the node does not run")?;
        child.kill()?;
        Ok(child.wait()?)
    }

    /// Asks it to stop and waits for its end.
    pub async fn terminate(&self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let mut child = self.child.lock().take().context("the node does not run")?;
        let until = Instant::now() + STOPPING;
        while Instant::now() < until {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            sleep(LOOK).await;
        }
        child.kill()?;
        child.wait()?;
        bail!("node {} did not stop in {STOPPING:?}", self.number + 1)
    }

    /// Removes all that it kept.
    pub fn empty(&self) -> Result<()> {
        Ok(std::fs::remove_dir_all(&self.data)?)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.lock().take() {
            // It may have ended by itself; there is nobody to tell either way.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
