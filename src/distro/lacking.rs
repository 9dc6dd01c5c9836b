//! What a member that starts is told of those that it does not reach: all that is known here of their clients.

use compact_str::CompactString;

use crate::{
    distro::{Distro, record::RecordNo},
    model::{Incarnation, NodeId, Tick},
};

/// A member that another lacks while it loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// The main address of the one that is lacked.
    pub address: CompactString,
    /// Who it is, as far as is known here.
    pub life: Option<Incarnation>,
    /// Whether the other was told all that is known here of its clients.
    pub told: bool,
}

impl Distro {
    /// The member at a place lacks these, and no others any more. It is told of the clients of each, whoever owns them by
    /// now, once for each life of the one and the other.
    pub fn lacks(&mut self, now: Tick, place: usize, lacked: &[(CompactString, Option<Incarnation>)]) {
        let before = std::mem::take(&mut self.outboxes[place].lacks);
        for (address, life) in lacked {
            let known = before.iter().find(|lack| (&lack.address, &lack.life) == (address, life));
            let lack = known.cloned().unwrap_or_else(|| {
                self.pass_on_all(now, place, *life);
                Lack { address: address.clone(), life: *life, told: false }
            });
            self.outboxes[place].lacks.push(lack);
        }
    }

    fn pass_on_all(&mut self, now: Tick, place: usize, life: Option<Incarnation>) {
        let of_it = |number: &RecordNo| life.is_some_and(|life| self.records.get(*number).owner.node == life.node);
        let all: Vec<RecordNo> = self.records.behind(None).filter(of_it).collect();
        let outbox = &mut self.outboxes[place];
        all.into_iter().for_each(|number| outbox.mark(now, number, &self.settings));
        // What is told leaves with the digest, and who is lacked may be known to serve: both are waited for.
        (outbox.verify, outbox.heartbeat) = (now, outbox.heartbeat.min(now));
    }

    /// Whom the member at a place lacks.
    pub fn lacked(&self, place: usize) -> &[Lack] {
        &self.outboxes[place].lacks
    }

    /// Whether the member at a place lacks a node.
    pub fn is_lacked(&self, place: usize, node: NodeId) -> bool {
        self.lacked(place).iter().any(|lack| lack.life.is_some_and(|life| life.node == node))
    }
}
