//! How each node of a cluster of Roster stands in its group: who leads, and how far snapshots and purges went. Promises that a
//! snapshot is counted once for each node that made or got it; several within one look count as one.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::bench::{
    http::{Caller, message},
    session::Session,
    tally::Fault,
};

/// How long a cluster may take to have a leader that all know.
const SETTLING: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
/// Pause between looks during a measurement: each costs the nodes a little.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub leads: bool,
    knows_leader: bool,
    snapshot: Option<u64>,
    purged: Option<u64>,
}

impl Standing {
    async fn of(caller: &mut Caller) -> Result<Self, Fault> {
        let body = caller.call(message::cluster()).await?;
        let cluster: Value = serde_json::from_slice(&body)
            .map_err(|error| Fault::Wrong(format!("how the cluster stands cannot be read: {error}")))?;
        let raft = &cluster["raft"];
        Ok(Self {
            leads: raft["role"] == "leader",
            knows_leader: raft["leader"].is_string(),
            snapshot: raft["snapshot"].as_u64(),
            purged: raft["purged"].as_u64(),
        })
    }
}

pub async fn of_all(session: &Session) -> Result<Vec<Standing>> {
    let mut all = Vec::new();
    for number in 0..session.target.size() {
        all.push(Standing::of(&mut Caller::new(session, number)).await?);
    }
    Ok(all)
}

/// Returns once there is a leader that all nodes know and each takes new work.
pub async fn settled(session: &Session) -> Result<()> {
    session.phase("waiting for a leader", 0);
    let until = Instant::now() + SETTLING;
    loop {
        let standings = of_all(session).await;
        let has_leader = standings
            .as_ref()
            .is_ok_and(|all| all.iter().all(|one| one.knows_leader) && all.iter().filter(|one| one.leads).count() == 1);
        if has_leader && all_ready(session).await {
            return Ok(());
        }
        if Instant::now() >= until {
            standings.context("a node does not say how it stands")?;
            ensure!(has_leader, "no leader that all nodes know after {SETTLING:?}");
            bail!("not all nodes take new work after {SETTLING:?}");
        }
        sleep(POLL).await;
    }
}

async fn all_ready(session: &Session) -> bool {
    for number in 0..session.target.size() {
        if Caller::new(session, number).call(message::ready()).await.is_err() {
            return false;
        }
    }
    true
}

/// Looks at all nodes until it is told to end.
pub struct Watch {
    end: oneshot::Sender<()>,
    task: JoinHandle<Result<(u64, u64), Fault>>,
}

impl Watch {
    pub fn start(session: &Session) -> Self {
        let callers = (0..session.target.size()).map(|number| Caller::new(session, number)).collect();
        let (end, ended) = oneshot::channel();
        Self { end, task: tokio::spawn(count(callers, ended)) }
    }

    /// How many snapshots and purges were seen.
    pub async fn end(self) -> Result<(u64, u64)> {
        // A watch that failed hears nothing any more, and says so below.
        let _ = self.end.send(());
        Ok(self.task.await.context("the watch died")??)
    }
}

async fn count(mut callers: Vec<Caller>, mut ended: oneshot::Receiver<()>) -> Result<(u64, u64), Fault> {
    let (mut known, mut snapshots, mut purges) = (vec![None::<Standing>; callers.len()], 0, 0);
    loop {
        let last = timeout(LOOK, &mut ended).await.is_ok();
        for (caller, known) in callers.iter_mut().zip(&mut known) {
            let now = Standing::of(caller).await?;
            if let Some(before) = known.as_ref() {
                snapshots += u64::from(before.snapshot != now.snapshot);
                purges += u64::from(before.purged != now.purged);
            }
            *known = Some(now);
        }
        if last {
            return Ok((snapshots, purges));
        }
    }
}
