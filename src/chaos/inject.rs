//! How each fault is done, undone, and known to have happened.
//!
//! Promises that whatever was broken is whole again when an injection returns, also when it fails, and that the evidence is of
//! the fault itself and not of its having been ordered.

mod clients;
mod network;
mod processes;

use std::{sync::Arc, time::Duration};

use anyhow::Result;

use super::{
    fault::Kind,
    journal::{Injected, Journal},
    nodes::Nodes,
    shim::Wrong,
};
use crate::bench::{chance::Chance, client::Address};

/// Does faults, one after the other.
pub struct Injector {
    pub nodes: Arc<Nodes>,
    pub journal: Arc<Journal>,
    pub servers: Arc<Vec<Address>>,
    pub chance: Chance,
}

/// Whom a fault met, and by what it is known.
struct Met {
    target: String,
    evidence: Option<String>,
}

impl Injector {
    pub async fn inject(&mut self, kind: Kind) -> Result<()> {
        let from = self.journal.seconds();
        let done = self.do_it(kind).await;
        let until = self.journal.seconds();
        let (met, result) = match done {
            Ok(met) => (met, Ok(())),
            Err(error) => (Met { target: "?".into(), evidence: None }, Err(error)),
        };
        self.journal.injected(Injected { kind, from, until, target: met.target, evidence: met.evidence });
        result
    }

    async fn do_it(&mut self, kind: Kind) -> Result<Met> {
        match kind {
            Kind::KillFollower => self.kill_one(false, Duration::from_secs(1)).await,
            Kind::KillLeader => self.kill_one(true, Duration::from_secs(1)).await,
            Kind::SlowRestart => self.kill_one(false, Duration::from_secs(12)).await,
            Kind::KillMajority => self.kill_some(self.nodes.all.len() / 2 + 1).await,
            Kind::KillAll => self.kill_some(self.nodes.all.len()).await,
            Kind::Terminate => self.terminate().await,
            Kind::Pause => self.pause().await,
            Kind::EmptiedDisk => self.empty().await,
            Kind::ClockJump => self.jump().await,
            Kind::FullDisk => self.break_disk(Wrong::Full).await,
            Kind::FailingSync => self.break_disk(Wrong::Sync).await,
            Kind::CutOff => self.cut_off(false).await,
            Kind::CutOffLeader => self.cut_off(true).await,
            Kind::Halves => self.halves().await,
            Kind::OneWay => self.one_way().await,
            Kind::Delay => self.late().await,
            Kind::Loss => self.lossy().await,
            Kind::SlowLink => self.slow().await,
            Kind::ConnectionStorm => self.storm().await,
            Kind::SlowSubscriber => self.slow_subscriber().await,
            Kind::HostileClient => self.hostile().await,
        }
    }

    /// Any node.
    fn any(&mut self) -> usize {
        self.chance.below(self.nodes.all.len())
    }

    /// A node that runs; any when there is none. One that is down says nothing that could be held up.
    fn any_running(&mut self) -> usize {
        let running = |node: &usize| self.nodes.all[*node].pid().is_some();
        let running: Vec<usize> = (0..self.nodes.all.len()).filter(running).collect();
        if running.is_empty() { self.any() } else { running[self.chance.below(running.len())] }
    }

    /// The node that leads, or one that does not.
    async fn led(&mut self, leads: bool) -> Result<usize> {
        let leader = self.nodes.leader().await?;
        let others = 1 + self.chance.below(self.nodes.all.len() - 1);
        Ok(if leads { leader } else { (leader + others) % self.nodes.all.len() })
    }
}

fn name(node: usize) -> String {
    format!("node {}", node + 1)
}
