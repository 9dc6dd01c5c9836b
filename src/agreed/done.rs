//! Which proposals were done lately, so that one that is repeated is not done again.
//!
//! They are kept for as long as anybody repeats one and no longer: whoever comes later is told that nobody knows.

use bytes::Bytes;

use crate::{
    agreed::State,
    model::{Millis, NodeId, Outcome, ProposalId},
    wire::{
        peer::IllegalMessage,
        raft::{decode_outcome, encode_outcome},
    },
};

/// For how long, by the time of proposals. A caller waits for 10 s at the most, and clocks of members follow each other.
pub(super) const WINDOW_MILLIS: Millis = 30_000;
/// How many at the most: 17,000 a second for the whole window, at some 150 bytes each.
pub(super) const MOST: usize = 524_288;
/// How many are forgotten with each that is done: they become fewer, in small steps.
const FORGOTTEN_AT_ONCE: usize = 4;

const DONE: u8 = b'd';
const KEY_BYTES: usize = 1 + 8 + 16 + 8;

pub(super) fn is_done(key: &[u8]) -> bool {
    key.first() == Some(&DONE)
}

fn key(id: &ProposalId) -> Bytes {
    let mut bytes = Vec::with_capacity(KEY_BYTES);
    bytes.push(DONE);
    bytes.extend(id.minted.to_be_bytes());
    bytes.extend(id.node.0.to_be_bytes());
    bytes.extend(id.number.to_be_bytes());
    bytes.into()
}

/// Which proposal was done, and what came of it.
pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<(ProposalId, Outcome), IllegalMessage> {
    if key.len() != KEY_BYTES || !is_done(key) || value.len() != 1 {
        return Err(IllegalMessage::Length("a proposal that was done", key.len()));
    }
    let number = |from: usize| u64::from_be_bytes(key[from..from + 8].try_into().expect("8 bytes"));
    let node = NodeId(u128::from(number(9)) << 64 | u128::from(number(17)));
    let id = ProposalId { minted: number(1), node, number: number(25) };
    Ok((id, decode_outcome(value[0].into())?))
}

impl State {
    /// What is known of a proposal without doing it; none when it is to be done.
    pub(super) fn known(&self, id: &ProposalId) -> Option<Outcome> {
        if id.minted + WINDOW_MILLIS < self.newest() {
            return Some(Outcome::Late);
        }
        let key = key(id);
        let known =
            self.value(&key).map(|value| decode(&key, value).expect("what is in a state was read or made here"));
        known.map(|(_, outcome)| outcome).or_else(|| (self.done() >= MOST).then_some(Outcome::Overloaded))
    }

    /// When the newest proposal was minted that was done.
    fn newest(&self) -> Millis {
        let newest = self.last_of(DONE).map(|(key, _)| key);
        newest.map_or(0, |key| u64::from_be_bytes(key[1..9].try_into().expect("8 bytes")))
    }

    /// The key and value that remember a proposal.
    pub(super) fn remembered(id: &ProposalId, outcome: Outcome) -> (Bytes, Bytes) {
        let outcome = u8::try_from(encode_outcome(outcome) as i32).expect("few outcomes");
        (key(id), Bytes::copy_from_slice(&[outcome]))
    }

    /// The keys of some proposals that nobody repeats any more once one of this time is done.
    pub(super) fn forgettable(&self, minted: Millis) -> Vec<Bytes> {
        let newest = self.newest().max(minted);
        let old = |key: &Bytes| {
            let minted = u64::from_be_bytes(key[1..9].try_into().expect("8 bytes"));
            minted + WINDOW_MILLIS < newest
        };
        let all = self.with_prefix(&[DONE]).map(|(key, _)| key);
        all.take(FORGOTTEN_AT_ONCE).take_while(|key| old(key)).cloned().collect()
    }
}
