//! The comparison of what an owner has with the copies of it: one digest, then the buckets that differ, then the clients.

use std::collections::BTreeSet;

use crate::{
    distro::{Distro, record::RecordNo},
    model::{ClientId, HybridTime, Incarnation, Tick, Version, limits},
    wire::peer::{Bucket, BucketContents, DIGEST_BUCKETS, Digest, Message},
};

/// What the contents of an owner's buckets say about its copies here.
#[derive(Debug, Default, PartialEq)]
pub struct Differences {
    /// To be asked for, each with what is held here.
    pub wanted: Vec<(ClientId, Option<Version>)>,
    /// To be removed: their owner has them no more.
    pub gone: Vec<ClientId>,
}

impl Distro {
    /// Compares the digest of an owner with its copies here.
    pub fn compare(&mut self, now: Tick, place: usize, owner: Incarnation, digest: &Digest) -> Message {
        let none = [Bucket::default(); DIGEST_BUCKETS];
        let held = self.records.holdings(owner).map_or(&none[..], |holdings| holdings.table.buckets());
        let pairs = held.iter().zip(&*digest.buckets).enumerate();
        let differ: Vec<u8> = pairs.filter(|(_, (held, told))| held != told).map(|(bucket, _)| bucket as u8).collect();
        if differ.is_empty() {
            self.outboxes[place].has_all = Some((owner, now));
        } else {
            self.counts.differences += 1;
        }
        Message::Compared { number: digest.number, differ }
    }

    /// A member compared this node's digest with what it holds. Returns what is to be told it then: what is in the buckets
    /// that differ. `at`: a time later than all versions given so far.
    pub fn compared(&mut self, now: Tick, place: usize, number: u64, differ: &[u8], at: HybridTime) -> Option<Message> {
        let outbox = &mut self.outboxes[place];
        if number != outbox.last_digest {
            return None;
        }
        if differ.is_empty() {
            outbox.agreed = Some(now);
            return None;
        }
        outbox.verify = outbox.verify.min(now + limits::REPAIR_MILLIS);
        let buckets = differ.iter().map(|bucket| self.contents(*bucket)).collect();
        Some(Message::Contents { at, buckets })
    }

    fn contents(&self, bucket: u8) -> BucketContents {
        let entry = |number: RecordNo| {
            let record = self.records.get(number);
            (record.id.clone(), record.version, record.hash.unwrap_or_default())
        };
        BucketContents { bucket, clients: self.in_bucket(self.this, bucket).into_iter().map(entry).collect() }
    }

    fn in_bucket(&self, owner: Incarnation, bucket: u8) -> Vec<RecordNo> {
        let Some(holdings) = self.records.holdings(owner) else { return Vec::new() };
        let behind = holdings.records.range((bucket, RecordNo::FIRST)..);
        // Most of the next buckets may be empty: it ends where any other begins.
        behind.take_while(|(of, _)| *of == bucket).map(|(_, number)| *number).collect()
    }

    /// What the contents of an owner's buckets, as they were at its time `at`, say about its copies here. Whatever it does
    /// not know to be older is marked for it.
    pub fn differences(
        &mut self,
        now: Tick,
        place: usize,
        owner: Incarnation,
        at: HybridTime,
        buckets: &[BucketContents],
    ) -> Differences {
        let mut found = Differences::default();
        for contents in buckets {
            for (id, version, hash) in &contents.clients {
                self.differs(now, place, id, (*version, *hash), owner, &mut found);
            }
            let told: BTreeSet<&ClientId> = contents.clients.iter().map(|(id, ..)| id).collect();
            for number in self.in_bucket(owner, contents.bucket) {
                let record = self.records.get(number);
                if record.version.latest() > at || told.contains(&record.id) {
                    continue;
                }
                if record.id.is_address() {
                    // It may be another's by now: its owner of before knows whose, or that it is gone.
                    found.wanted.push((record.id.clone(), Some(record.version)));
                } else {
                    found.gone.push(record.id.clone());
                }
            }
        }
        let repaired = found.wanted.len() + found.gone.len();
        self.counts.repaired += repaired as u64;
        self.counts.repaired_nothing += u64::from(repaired == 0);
        found
    }

    fn differs(
        &mut self,
        now: Tick,
        place: usize,
        id: &ClientId,
        (version, hash): (Version, u64),
        owner: Incarnation,
        found: &mut Differences,
    ) {
        let Some(number) = self.records.find(id) else {
            found.wanted.push((id.clone(), None));
            return;
        };
        let record = self.records.get(number);
        if record.version > version {
            self.outboxes[place].mark(now, number, &self.settings);
        } else if record.version < version || record.hash != Some(hash) || record.owner != owner {
            found.wanted.push((id.clone(), Some(record.version)));
        }
    }
}
