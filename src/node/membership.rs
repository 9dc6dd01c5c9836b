//! The list of members, which changes while the node runs.
//!
//! Members have places: that in which they stand in the list of `member`, the outboxes of `distro`, and what is known while
//! loading. Only here places are made and taken away, in all three at once; nothing outside this node knows of them.

use std::collections::BTreeSet;

use compact_str::CompactString;

use crate::{
    model::{HybridTime, Now, limits},
    node::{Node, Reply},
};

impl Node {
    /// These are the other members from now on.
    pub(super) fn membership(&mut self, now: Now, members: Vec<CompactString>) -> Reply {
        self.wake(now);
        let mut members: BTreeSet<CompactString> = members.into_iter().collect();
        members.remove(&self.members.cluster().address);
        while let Some(place) = self.members.cluster().peers.iter().position(|peer| !members.contains(&peer.told)) {
            self.remove_member(now, place);
        }
        if let Some(loading) = self.loading.as_mut().filter(|loading| loading.until.is_none() && !members.is_empty()) {
            loading.until = Some(now.tick + self.loading_limit);
        }
        members.retain(|address| self.members.told(address).is_none());
        for address in members {
            self.add_member(now, address);
        }
        Reply::Done
    }

    fn add_member(&mut self, now: Now, address: CompactString) {
        self.distro.add();
        if let Some(loading) = &mut self.loading {
            loading.members.push(Default::default());
        }
        self.meeting(now, |members, _| members.add(address));
    }

    fn remove_member(&mut self, now: Now, place: usize) {
        let removed = self.members.cluster().peers[place].id();
        self.distro.remove(place);
        if let Some(loading) = &mut self.loading {
            loading.members.remove(place);
        }
        self.meeting(now, |members, transitions| {
            members.remove(place, transitions);
            // One voter less may be a majority.
            members.poll(now.tick, transitions);
        });
        // It may have told this node what it did not come to tell others.
        let Some(removed) = removed else { return };
        let recent = HybridTime::at(self.clock.now(now).saturating_sub(limits::RECENT_MILLIS));
        for other in 0..self.distro.members() {
            self.distro.pass_on_recent(now.tick, other, removed, recent);
        }
    }

    /// Panics when places do not agree.
    pub(super) fn check_members(&self) {
        self.members.check();
        let places = self.members.cluster().peers.len();
        assert_eq!(self.distro.members(), places, "each member has an outbox");
        let loading = self.loading.as_ref().map_or(places, |loading| loading.members.len());
        assert_eq!(loading, places, "of each member is known what it told");
    }
}
