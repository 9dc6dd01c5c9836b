//! A closed loop: so many workers, each with one call in flight, until a time or a count is reached. Promises that
//! every call is either in the latencies or in the tally. The latency is that of a call once sent: a server that
//! stalls also slows the asking, so compare servers by operations and CPU time, not by the last percentile alone.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tokio::{task::JoinSet, time};

use super::{
    arguments,
    report::{Latencies, Run, latencies, per, record},
    session::Session,
    tally::{Fault, Tally},
};

/// A refused call costs nothing: without a pause a broken server would be asked as fast as the loop can spin.
const PAUSE_AFTER_FAULT: Duration = Duration::from_millis(10);
const PROGRESS_EVERY: u64 = 256;

#[derive(Clone, Debug, clap::Args)]
pub struct Load {
    /// Connections, each a Nacos client of its own
    #[arg(long, default_value_t = 4)]
    pub connections: usize,
    /// Calls in flight on each connection
    #[arg(long, default_value_t = 8)]
    pub in_flight: usize,
    #[command(flatten)]
    pub length: Length,
}

/// When a measurement ends.
#[derive(Clone, Debug, clap::Args)]
pub struct Length {
    /// How long to measure
    #[arg(long, default_value = "10s", value_parser = arguments::duration)]
    pub duration: Duration,
    /// Stop after this many operations instead
    #[arg(long)]
    pub count: Option<u64>,
}

impl Load {
    pub fn check(&self) -> Result<()> {
        ensure!(self.connections > 0 && self.in_flight > 0, "--connections and --in-flight must be at least 1");
        Ok(())
    }
}

/// One call after the other; `step` is one operation.
pub trait Worker: Send + 'static {
    fn step(&mut self) -> impl Future<Output = Result<(), Fault>> + Send;
}

struct Budget {
    deadline: Option<Instant>,
    operations: Option<u64>,
    taken: AtomicU64,
}

impl Budget {
    fn take(&self) -> bool {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return false;
        }
        let taken = self.taken.fetch_add(1, Relaxed);
        self.operations.is_none_or(|operations| taken < operations)
    }
}

/// Each worker steps once before the clock starts: what a first call creates is not what is measured.
pub async fn measure<W: Worker>(session: &Session, length: &Length, mut workers: Vec<W>) -> Result<Run> {
    for worker in &mut workers {
        if let Err(fault) = worker.step().await {
            session.tally.fault(&fault);
        }
    }
    session.phase("measuring", length.count.unwrap_or(0));
    let before = session.tally.counts();
    let meter = session.meter()?;
    let budget = Arc::new(Budget {
        deadline: length.count.is_none().then(|| Instant::now() + length.duration),
        operations: length.count,
        taken: AtomicU64::new(0),
    });
    let mut running = JoinSet::new();
    for worker in workers {
        let (budget, tally, progress) = (Arc::clone(&budget), Arc::clone(&session.tally), session.progress.clone());
        running.spawn(async move { repeat(worker, &budget, &tally, || progress.inc(PROGRESS_EVERY)).await });
    }
    let mut all = latencies();
    while let Some(part) = running.join_next().await {
        all.add(part.context("a worker died")?).context("latencies of one range cannot fail to add up")?;
    }
    let usage = meter.read();
    let counts = session.tally.counts().since(before);
    let mut run = Run::new(&session.target.name, all.len(), &usage, &session.tally).with_rate().with_latencies(&all);
    run.figure("reply_bytes", per(counts.reply_bytes as f64, counts.replies as f64));
    Ok(session.finish(run))
}

async fn repeat<W: Worker>(mut worker: W, budget: &Budget, tally: &Tally, progress: impl Fn()) -> Latencies {
    let mut own = latencies();
    while budget.take() {
        let asked = Instant::now();
        match worker.step().await {
            Ok(()) => record(&mut own, asked.elapsed()),
            Err(fault) => {
                tally.fault(&fault);
                time::sleep(PAUSE_AFTER_FAULT).await;
            }
        }
        if own.len().is_multiple_of(PROGRESS_EVERY) {
            progress();
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_budget_gives_exactly_its_operations() {
        let budget = Budget { deadline: None, operations: Some(3), taken: AtomicU64::new(0) };
        assert_eq!((0..10).filter(|_| budget.take()).count(), 3);
    }

    #[test]
    fn a_passed_deadline_gives_nothing() {
        let budget = Budget { deadline: Some(Instant::now()), operations: None, taken: AtomicU64::new(0) };
        assert!(!budget.take());
    }
}
