//! What nobody needs any more is forgotten by agreement: the leader looks, and proposes it as it found it. If it was changed
//! meanwhile it stays.

use std::time::Duration;

use crate::{
    model::{AgreedKey, Forgotten, Proposal},
    node::{Input, Reply},
    raft::{
        Agreement,
        group::{Group, Running},
    },
    registry::ServiceNo,
};

/// Pause between looks (Nacos `ExpiredMetadataCleaner`).
const PAUSE: Duration = Duration::from_secs(5);
/// How many things go with one entry.
const AT_ONCE: usize = 256;

impl Group {
    /// Looks for what can be forgotten, as long as this is polled.
    pub(super) async fn forget(&self, running: &Running) {
        loop {
            tokio::time::sleep(PAUSE).await;
            if running.leader().is_some_and(|(id, _)| id == running.place.id) {
                self.forget_once(running).await;
            }
        }
    }

    async fn forget_once(&self, running: &Running) {
        let mut after = None;
        loop {
            let (keys, next) = self.forgettable(after);
            let state = running.shared.view().state;
            let was = |key: AgreedKey| state.fingerprint(&key).map(|was| Forgotten { key, was });
            let things: Vec<Forgotten> = keys.into_iter().filter_map(was).collect();
            for some in things.chunks(AT_ONCE) {
                if let Err(error) = self.propose(Proposal::Forget(some.to_vec())).await {
                    tracing::debug!(%error, "not forgotten yet");
                    return;
                }
            }
            if next.is_none() {
                return;
            }
            after = next;
        }
    }

    fn forgettable(&self, after: Option<ServiceNo>) -> (Vec<AgreedKey>, Option<ServiceNo>) {
        match self.runtime.handle(Input::Forgettable { after }) {
            Ok(Reply::Forgettable(keys, next)) => (keys, next),
            other => unreachable!("asked for what can be forgotten, not {other:?}"),
        }
    }
}
