//! What operators are told in the log of members that come and go, of clocks, and of removals that are held back.
//!
//! Looks at the core from outside: it stays pure and does not know that there is a log.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use compact_str::CompactString;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    member::{Cluster, Peer},
    model::limits,
    runtime::Runtime,
    wire::peer::Regard,
};

/// How often it is seen whether removals are held back. They are tried more often, so each look sees those that still are.
const LOOK: Duration = Duration::from_millis(2 * limits::BRAKE_RETRY_MILLIS);

/// One thing to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum News {
    Suspect(CompactString),
    Down(CompactString),
    Up(CompactString),
    Restarted(CompactString),
    ClockAhead(CompactString),
    ClockBack(CompactString),
    /// So many tries were held back since the look before.
    HoldingBack(u64),
    LetGo,
    /// It is a member that was none, or none that was one.
    Added(CompactString),
    Removed(CompactString),
}

impl News {
    fn tell(&self) {
        match self {
            News::Suspect(peer) => {
                tracing::warn!(%peer, "member is suspect: it is not heard, or does not hear this node");
            }
            News::Down(peer) => tracing::warn!(%peer, "member is down"),
            News::Up(peer) => tracing::warn!(%peer, "member is up again"),
            News::Restarted(peer) => tracing::warn!(%peer, "member restarted, or another node took its place"),
            News::ClockAhead(peer) => {
                tracing::warn!(%peer, "member's clock is too far ahead of this node's and is not followed");
            }
            News::ClockBack(peer) => tracing::warn!(%peer, "member's clock is followed again"),
            News::HoldingBack(tries) => {
                tracing::warn!(tries, "removals are held back: more of a service would expire at once than may");
            }
            News::Added(peer) => tracing::info!(%peer, "a member was added to the cluster"),
            News::Removed(peer) => tracing::info!(%peer, "a member was removed from the cluster"),
            News::LetGo => tracing::warn!("removals are not held back any more"),
        }
    }
}

/// What was seen last.
struct Report {
    cluster: Arc<Cluster>,
    /// Which members were up before, by the addresses this node was told. Until then they are strange to each other for a
    /// moment, and the stream between them is told of.
    known: BTreeSet<CompactString>,
    held_back: u64,
    holding: bool,
}

impl Report {
    fn new(cluster: Arc<Cluster>, held_back: u64) -> Self {
        let is_up = |peer: &&Peer| peer.state == Regard::Up;
        let known = cluster.peers.iter().filter(is_up).map(|peer| peer.told.clone()).collect();
        Self { cluster, known, held_back, holding: false }
    }

    fn members(&mut self, cluster: Arc<Cluster>) -> Vec<News> {
        let mut news = Vec::new();
        let found = |among: &Cluster, one: &Peer| among.peers.iter().position(|peer| peer.told == one.told);
        for gone in self.cluster.peers.iter().filter(|before| found(&cluster, before).is_none()) {
            self.known.remove(&gone.told);
            news.push(News::Removed(gone.address.clone()));
        }
        for now in &cluster.peers {
            let peer = || now.address.clone();
            let was_known = self.known.contains(&now.told);
            if now.state == Regard::Up {
                self.known.insert(now.told.clone());
            }
            let Some(before) = found(&self.cluster, now).map(|place| &self.cluster.peers[place]) else {
                news.push(News::Added(peer()));
                continue;
            };
            if was_known && before.incarnation != now.incarnation {
                news.push(News::Restarted(peer()));
            } else if was_known && before.state != now.state {
                news.push(match now.state {
                    Regard::Suspect => News::Suspect(peer()),
                    Regard::Down => News::Down(peer()),
                    Regard::Up => News::Up(peer()),
                });
            }
            match (before.skewed, now.skewed) {
                (false, true) => news.push(News::ClockAhead(peer())),
                (true, false) => news.push(News::ClockBack(peer())),
                _ => {}
            }
        }
        self.cluster = cluster;
        news
    }

    fn held_back(&mut self, all: u64) -> Option<News> {
        let tries = all - std::mem::replace(&mut self.held_back, all);
        let was = std::mem::replace(&mut self.holding, tries > 0);
        match (was, self.holding) {
            (false, true) => Some(News::HoldingBack(tries)),
            (true, false) => Some(News::LetGo),
            _ => None,
        }
    }
}

/// Tells what is news for as long as it is polled.
pub(super) async fn report(runtime: Arc<Runtime>) {
    let mut changes = runtime.cluster_changes();
    // Borrowed in a statement of its own: whoever changes it has the node's lock, which numbers need too.
    let cluster = changes.borrow_and_update().clone();
    let mut report = Report::new(cluster, runtime.stats().held_back);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            changed = changes.changed() => {
                // The runtime is held here, so somebody can still change it.
                let Ok(()) = changed else { return };
                let cluster = changes.borrow_and_update().clone();
                report.members(cluster).iter().for_each(News::tell);
            }
            _ = looks.tick() => report.held_back(runtime.stats().held_back).iter().for_each(News::tell),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Incarnation, NodeId},
        wire::peer::Phase,
    };

    fn cluster(life: Option<u64>, state: Regard, skewed: bool) -> Arc<Cluster> {
        let incarnation = life.map(|since| Incarnation { node: NodeId(2), since });
        let peer = Peer { incarnation, state, phase: Phase::Serving, skewed, ..Peer::unheard("n2:1".into()) };
        let this = Incarnation { node: NodeId(1), since: 1 };
        Arc::new(Cluster { this, address: "n1:1".into(), phase: Phase::Serving, peers: vec![peer] })
    }

    #[test]
    fn each_change_of_a_member_is_told_once() {
        let mut report = Report::new(cluster(None, Regard::Down, false), 0);
        let peer = || CompactString::from("n2:1");
        let steps = [
            (cluster(Some(1), Regard::Down, false), vec![]),
            (cluster(Some(1), Regard::Suspect, false), vec![]),
            (cluster(Some(1), Regard::Up, false), vec![]),
            (cluster(Some(1), Regard::Up, false), vec![]),
            (cluster(Some(1), Regard::Suspect, true), vec![News::Suspect(peer()), News::ClockAhead(peer())]),
            (cluster(Some(1), Regard::Down, true), vec![News::Down(peer())]),
            (cluster(Some(1), Regard::Up, false), vec![News::Up(peer()), News::ClockBack(peer())]),
            (cluster(Some(2), Regard::Down, false), vec![News::Restarted(peer())]),
            (cluster(Some(2), Regard::Up, false), vec![News::Up(peer())]),
        ];
        for (step, (now, news)) in steps.into_iter().enumerate() {
            assert_eq!(report.members(now), news, "step {step}");
        }
    }

    #[test]
    fn members_that_are_added_and_removed_are_told_and_confused_with_nobody() {
        let with = |peers: &[(&str, Regard)]| {
            let mut cluster = (*cluster(None, Regard::Down, false)).clone();
            let peer = |(told, state): &(&str, Regard)| Peer { state: *state, ..Peer::unheard((*told).into()) };
            cluster.peers = peers.iter().map(peer).collect();
            Arc::new(cluster)
        };
        let mut report = Report::new(with(&[("n2:1", Regard::Up), ("n3:1", Regard::Suspect)]), 0);
        let news = report.members(with(&[("n3:1", Regard::Suspect), ("n4:1", Regard::Down)]));
        assert_eq!(news, [News::Removed("n2:1".into()), News::Added("n4:1".into())]);
        let news = report.members(with(&[("n3:1", Regard::Down), ("n4:1", Regard::Up), ("n2:1", Regard::Down)]));
        assert_eq!(news, [News::Added("n2:1".into())], "none of them was up before");
        let news = report.members(with(&[("n4:1", Regard::Down), ("n2:1", Regard::Up)]));
        assert_eq!(news, [News::Removed("n3:1".into()), News::Down("n4:1".into())]);
    }

    #[test]
    fn a_time_of_holding_back_is_told_at_its_begin_and_end() {
        let mut report = Report::new(cluster(None, Regard::Down, false), 3);
        let told = [3, 3, 7, 9, 12, 12, 12, 13].map(|all| report.held_back(all));
        let expected =
            [None, None, Some(News::HoldingBack(4)), None, None, Some(News::LetGo), None, Some(News::HoldingBack(1))];
        assert_eq!(told, expected);
    }
}
