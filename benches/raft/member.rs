//! Three members of a group in one process: no ports for clients, all else as in a server. Promises that they stop before
//! their directories go.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use compact_str::CompactString;
use roster::{
    node::{self, Membership, Output},
    peer::{self, Peers},
    raft::{Group, Origin, Settings},
    runtime::{DataDir, Runtime},
};
use tokio::{net::TcpListener, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

const MEMBERS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Members {
    pub groups: Vec<Arc<Group>>,
    stop: CancellationToken,
    threads: Vec<std::thread::JoinHandle<()>>,
    tasks: JoinSet<()>,
    // Locked while they run.
    _data: Vec<DataDir>,
}

/// Where nobody listens: members are dialled by their routes.
fn address(member: usize) -> CompactString {
    format!("member-{member}:8848").into()
}

impl Members {
    pub async fn start(dir: &Path, snapshot_entries: u64) -> Result<Self> {
        let (mut listeners, mut routes) = (Vec::new(), BTreeMap::new());
        for member in 0..MEMBERS {
            let listener = TcpListener::bind("127.0.0.1:0").await.context("a free port")?;
            routes.insert(address(member).into(), listener.local_addr()?.to_string());
            listeners.push(listener);
        }
        let (groups, threads, tasks) = (Vec::new(), Vec::new(), JoinSet::new());
        let mut members = Self { groups, stop: CancellationToken::new(), threads, tasks, _data: Vec::new() };
        for (member, listener) in listeners.into_iter().enumerate() {
            let data = DataDir::open(&dir.join(member.to_string()))?;
            members.join(member, listener, &routes, &data, snapshot_entries)?;
            members._data.push(data);
        }
        Ok(members)
    }

    fn join(
        &mut self,
        member: usize,
        listener: TcpListener,
        routes: &BTreeMap<String, String>,
        data: &DataDir,
        snapshot_entries: u64,
    ) -> Result<()> {
        let all: Vec<CompactString> = (0..MEMBERS).map(address).collect();
        let others: Vec<CompactString> = all.iter().filter(|other| **other != address(member)).cloned().collect();
        let this = Membership { this: data.node_id()?, address: address(member), peers: others.clone(), joins: false };
        let runtime = Runtime::start(node::Settings::DEFAULT, this, data)?;
        let settings = peer::Settings {
            cluster: "bench".into(),
            members: others,
            offset: 1_001,
            routes: routes.clone(),
            ..peer::Settings::default()
        };
        let peers = Peers::new(runtime.clone(), &settings)?;
        let origin = Origin { dir: data.raft(), seeds: all, founds: true };
        let group =
            Group::new(runtime.clone(), peers.clone(), origin, Settings { snapshot_entries, ..Settings::DEFAULT })?;
        let (serving, routes, stop) = (peers.clone(), group.routes(), self.stop.clone());
        self.tasks.spawn(async move {
            let served = peer::serve(serving, listener, routes, stop.cancelled_owned()).await;
            served.expect("the cluster port is served");
        });
        self.tasks.spawn({
            let (peers, stop) = (peers.clone(), self.stop.clone());
            let said = move |output| {
                if let Output::Peer { to, message } = output {
                    peers.deliver(to, message);
                }
            };
            async move { runtime.dispatch(said, stop.cancelled_owned()).await }
        });
        let (dialling, stop) = (peers.dial(), self.stop.clone());
        self.tasks.spawn(async move {
            // Either way it is over.
            let _ = stop.run_until_cancelled_owned(dialling).await;
        });
        self.threads.push(group.spawn(self.stop.clone())?);
        self.groups.push(group);
        Ok(())
    }

    /// The place of the one that leads, once all know it.
    pub async fn leader(&self) -> Result<usize> {
        let until = Instant::now() + PATIENCE;
        loop {
            let known: Vec<_> = self.groups.iter().filter_map(|group| group.status().member).collect();
            let leads = known.iter().position(|member| member.role == "leader");
            if let Some(leader) =
                leads.filter(|_| known.len() == MEMBERS && known.iter().all(|one| one.leader.is_some()))
            {
                return Ok(leader);
            }
            ensure!(Instant::now() < until, "no leader after {PATIENCE:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        for thread in self.threads {
            let ended = tokio::task::spawn_blocking(move || thread.join()).await;
            assert!(matches!(ended, Ok(Ok(()))), "the thread of raft ends without a panic");
        }
    }
}
