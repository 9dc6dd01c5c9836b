//! How things stand, looked at again and again: what the timeline is drawn from, and what must stay bounded.

use std::{
    fs,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{
    journal::{Journal, Promise, Sample},
    nodes::Nodes,
    persistent::Callers,
    watch::{Ground, Watch},
};
use crate::bench::process::Reading;

const EVERY: Duration = Duration::from_millis(500);
/// The most that a node may take under this load. It takes a tenth.
const RESIDENT: u64 = 512 << 20;
/// The same of descriptors: those of all clients, of a storm of them, and of what a node has anyway.
const DESCRIPTORS: usize = 1_500;

/// What is looked at.
pub struct Sampler {
    pub nodes: Arc<Nodes>,
    pub journal: Arc<Journal>,
    pub ground: Arc<Ground>,
    pub watches: Vec<Arc<Watch>>,
    pub callers: Arc<Callers>,
}

impl Sampler {
    /// Looks until `end`.
    pub async fn run(self, end: CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut answered, mut failed) = (0, 0);
        loop {
            tokio::select! {
                () = end.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let mut sample = Sample { at: self.journal.seconds(), ..Sample::default() };
            (sample.resident, sample.descriptors) = self.sizes();
            let (now_answered, now_failed) = (self.callers.answered.load(Relaxed), self.callers.failed.load(Relaxed));
            (sample.agreed, sample.failed) = (now_answered - answered, now_failed - failed);
            (answered, failed) = (now_answered, now_failed);
            let now = self.journal.millis();
            sample.lag = self.watches.iter().filter_map(|watch| watch.lag(now)).max().unwrap_or(0);
            sample.push = std::mem::take(&mut *self.ground.slowest.lock());
            // Nodes that are stopped do not answer: they are asked at once, and not waited for long.
            let asked = (0..self.nodes.all.len()).map(|number| {
                let nodes = self.nodes.clone();
                async move { tokio::time::timeout(EVERY, nodes.is_ready(number)).await == Ok(true) }
            });
            let ready = asked.collect::<tokio::task::JoinSet<bool>>().join_all().await;
            sample.ready = ready.into_iter().filter(|ready| *ready).count();
            self.journal.sample(sample);
            self.judge(&sample);
        }
    }

    fn judge(&self, sample: &Sample) {
        if sample.resident > RESIDENT {
            self.journal.broke(Promise::Bounded, format!("a node takes {} MiB", sample.resident >> 20));
        }
        if sample.descriptors > DESCRIPTORS {
            self.journal.broke(Promise::Bounded, format!("a node has {} descriptors open", sample.descriptors));
        }
        for node in &self.nodes.all {
            if let Some(status) = node.ended() {
                self.journal.broke(Promise::Healthy, format!("node {} ended by itself: {status}", node.number + 1));
            }
        }
    }

    /// Memory and descriptors of the largest node.
    fn sizes(&self) -> (u64, usize) {
        let pids = || self.nodes.all.iter().filter_map(|node| node.pid());
        let resident = pids().filter_map(|pid| Reading::take(pid).ok()).map(|reading| reading.resident_bytes).max();
        let open = pids().filter_map(|pid| Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())).max();
        (resident.unwrap_or(0), open.unwrap_or(0))
    }
}
