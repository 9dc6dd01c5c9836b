//! What is done to processes and to what they keep.

use std::{fs, os::unix::process::ExitStatusExt, time::Duration};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::{Injector, Met, name};
use crate::chaos::{
    nodes::READY,
    shim::{Shim, Wrong},
};

const PAUSED: Duration = Duration::from_secs(6);
const AWAY: Duration = Duration::from_millis(500);
/// By how many seconds a clock jumps, and for how long.
const JUMP: i64 = 30;
const JUMPED: Duration = Duration::from_secs(6);
/// How long a node may take to notice that its disk is broken, and how long it is left so.
const NOTICED: Duration = Duration::from_secs(20);
const BROKEN: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(100);

impl Injector {
    pub(super) async fn kill_one(&mut self, leads: bool, away: Duration) -> Result<Met> {
        let node = self.led(leads).await?;
        self.kill(&[node], away).await
    }

    pub(super) async fn kill_some(&mut self, count: usize) -> Result<Met> {
        let first = self.any();
        let nodes: Vec<usize> = (0..count).map(|step| (first + step) % self.nodes.all.len()).collect();
        self.kill(&nodes, AWAY).await
    }

    async fn kill(&mut self, nodes: &[usize], away: Duration) -> Result<Met> {
        let mut killed = Vec::new();
        for node in nodes {
            let status = self.nodes.all[*node].kill()?;
            killed.extend(status.signal().filter(|signal| *signal == Signal::KILL.as_raw()).map(|_| name(*node)));
        }
        sleep(away).await;
        for node in nodes {
            self.nodes.launch(*node)?;
        }
        for node in nodes {
            self.nodes.ready(*node).await?;
        }
        let evidence = format!("signal 9 ended {}", killed.join(", "));
        Ok(Met { target: names(nodes), evidence: (killed.len() == nodes.len()).then_some(evidence) })
    }

    pub(super) async fn terminate(&mut self) -> Result<Met> {
        let node = self.any();
        let status = self.nodes.all[node].terminate().await?;
        self.nodes.launch(node)?;
        self.nodes.ready(node).await?;
        ensure!(status.success(), "{} stopped with {status}", name(node));
        Ok(Met { target: name(node), evidence: Some(format!("it stopped with {status}")) })
    }

    pub(super) async fn pause(&mut self) -> Result<Met> {
        let node = self.any();
        let process = &self.nodes.all[node];
        process.signal(Signal::STOP)?;
        sleep(PAUSED).await;
        let state = process.pid().and_then(state);
        process.signal(Signal::CONT)?;
        self.nodes.ready(node).await?;
        Ok(Met { target: name(node), evidence: (state == Some('T')).then(|| "the kernel showed it stopped".into()) })
    }

    pub(super) async fn empty(&mut self) -> Result<Met> {
        let node = self.any();
        let before = self.member(node).await.context("no member yet")?;
        self.nodes.all[node].kill()?;
        self.nodes.all[node].empty()?;
        self.nodes.launch(node)?;
        self.nodes.ready(node).await?;
        let until = Instant::now() + READY;
        loop {
            let now = self.member(node).await;
            if now.as_ref().is_some_and(|now| *now != before) {
                let evidence = format!("member {before} came back as another one, {}", now.unwrap_or_default());
                return Ok(Met { target: name(node), evidence: Some(evidence) });
            }
            ensure!(Instant::now() < until, "{} is no member again in {READY:?}", name(node));
            sleep(LOOK).await;
        }
    }

    pub(super) async fn jump(&mut self) -> Result<Met> {
        let node = self.any();
        let seconds = if self.chance.below(2) == 0 { JUMP } else { -JUMP };
        let shim = self.shim(node)?;
        let before = shim.times()?;
        shim.set(Wrong::Clock(seconds))?;
        sleep(JUMPED).await;
        let times = shim.times()? - before;
        shim.set(Wrong::Nothing)?;
        let evidence = format!("it read a clock {times} times that was {seconds} s off");
        Ok(Met { target: name(node), evidence: (times > 0).then_some(evidence) })
    }

    /// Until the node says that its store failed; then it works again, and the node is started anew.
    pub(super) async fn break_disk(&mut self, wrong: Wrong) -> Result<Met> {
        let node = self.any();
        self.shim(node)?.set(wrong)?;
        let until = Instant::now() + NOTICED;
        let mut noticed = None;
        while noticed.is_none() && Instant::now() < until {
            sleep(LOOK).await;
            let raft = self.nodes.cluster(node).await.map(|cluster| cluster["raft"].clone());
            noticed = raft.filter(|raft| raft["part"] == "broken").map(|raft| raft["why"].to_string());
        }
        sleep(BROKEN).await;
        self.shim(node)?.set(Wrong::Nothing)?;
        let status = self.nodes.all[node].terminate().await?;
        self.nodes.launch(node)?;
        self.nodes.ready(node).await?;
        ensure!(status.success(), "{} stopped with {status}", name(node));
        Ok(Met { target: name(node), evidence: noticed.map(|why| format!("it said {why}")) })
    }

    fn shim(&self, node: usize) -> Result<&Shim> {
        self.nodes.all[node].shim.as_ref().context("there is no library before the nodes")
    }

    /// Number of a node among those that vote.
    async fn member(&self, node: usize) -> Option<u64> {
        let cluster = self.nodes.cluster(node).await?;
        let raft = &cluster["raft"];
        let votes = raft["role"] == "leader" || raft["role"] == "follower";
        raft["id"].as_u64().filter(|_| votes)
    }
}

/// As the kernel shows a process.
fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn names(nodes: &[usize]) -> String {
    nodes.iter().map(|node| name(*node)).collect::<Vec<_>>().join(", ")
}
