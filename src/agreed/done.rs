//! Which proposals were done lately, so that one that is repeated is not done again.
//!
//! They are kept for as long as anybody repeats one and no longer: whoever comes later is told that nobody knows. There are
//! many of them, so they are kept short; on disk and in snapshots each is a pair of bytes as all else.

use bytes::Bytes;
use imbl::OrdMap;

use crate::{
    agreed::state::{Pair, fingerprint},
    model::{Millis, NodeId, Outcome, ProposalId},
    wire::{
        peer::IllegalMessage,
        raft::{decode_outcome, encode_outcome},
    },
};

/// For how long, by the time of proposals. A caller waits for 10 s at the most, and clocks of members follow each other.
pub(super) const WINDOW_MILLIS: Millis = 30_000;
/// How many at the most: 17,000 a second for the whole window, at some 100 bytes each.
pub(super) const MOST: usize = 524_288;
/// How many are forgotten with each that is done: they become fewer, in small steps.
const FORGOTTEN_AT_ONCE: usize = 4;

const DONE: u8 = b'd';
const KEY_BYTES: usize = 1 + 8 + 16 + 8;

/// See the top of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    /// The oldest first.
    outcomes: OrdMap<ProposalId, Outcome>,
    /// Sum over the fingerprints of all pairs.
    hash: u64,
}

impl Done {
    pub(super) fn len(&self) -> usize {
        self.outcomes.len()
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// All of them as pairs, by key.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (Bytes, Bytes)> + '_ {
        self.outcomes.iter().map(|(id, outcome)| pair(id, *outcome))
    }

    /// What is known of a proposal without doing it; none when it is to be done.
    pub(super) fn known(&self, id: &ProposalId) -> Option<Outcome> {
        if id.minted + WINDOW_MILLIS < self.newest() {
            return Some(Outcome::Late);
        }
        let overloaded = || (self.len() >= MOST).then_some(Outcome::Overloaded);
        self.outcomes.get(id).copied().or_else(overloaded)
    }

    /// Remembers a proposal.
    pub(super) fn put(&mut self, id: ProposalId, outcome: Outcome) {
        self.hash = self.hash.wrapping_add(sum(&id, outcome));
        if let Some(before) = self.outcomes.insert(id, outcome) {
            self.hash = self.hash.wrapping_sub(sum(&id, before));
        }
    }

    /// Forgets some that nobody repeats any more once one of this time is done.
    pub(super) fn forget_some(&mut self, minted: Millis, pairs: &mut Vec<Pair>) {
        let newest = self.newest().max(minted);
        for _ in 0..FORGOTTEN_AT_ONCE {
            let Some((oldest, _)) = self.outcomes.get_min() else { return };
            if oldest.minted + WINDOW_MILLIS >= newest {
                return;
            }
            let oldest = *oldest;
            self.remove(&oldest);
            pairs.push((Bytes::copy_from_slice(&encode(&oldest)), None));
        }
    }

    pub(super) fn remove(&mut self, id: &ProposalId) {
        if let Some(before) = self.outcomes.remove(id) {
            self.hash = self.hash.wrapping_sub(sum(id, before));
        }
    }

    /// When the newest proposal was minted that was done.
    fn newest(&self) -> Millis {
        self.outcomes.get_max().map_or(0, |(id, _)| id.minted)
    }
}

/// A proposal as a pair.
pub(super) fn pair(id: &ProposalId, outcome: Outcome) -> (Bytes, Bytes) {
    (Bytes::copy_from_slice(&encode(id)), value(outcome))
}

fn sum(id: &ProposalId, outcome: Outcome) -> u64 {
    fingerprint(&encode(id), &value(outcome))
}

fn encode(id: &ProposalId) -> [u8; KEY_BYTES] {
    let mut bytes = [DONE; KEY_BYTES];
    bytes[1..9].copy_from_slice(&id.minted.to_be_bytes());
    bytes[9..25].copy_from_slice(&id.node.0.to_be_bytes());
    bytes[25..].copy_from_slice(&id.number.to_be_bytes());
    bytes
}

fn value(outcome: Outcome) -> Bytes {
    // There is one for each proposal, so none is made anew.
    static OUTCOMES: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    let outcome = usize::try_from(encode_outcome(outcome) as i32).expect("few outcomes");
    Bytes::from_static(&OUTCOMES[outcome..=outcome])
}

/// Which proposal a key is of.
pub(super) fn decode_key(key: &[u8]) -> Result<ProposalId, IllegalMessage> {
    if key.len() != KEY_BYTES || key[0] != DONE {
        return Err(IllegalMessage::Length("a proposal that was done", key.len()));
    }
    let number = |from: usize| u64::from_be_bytes(key[from..from + 8].try_into().expect("8 bytes"));
    let node = NodeId(u128::from(number(9)) << 64 | u128::from(number(17)));
    Ok(ProposalId { minted: number(1), node, number: number(25) })
}

/// What came of it.
pub(super) fn decode_value(value: &[u8]) -> Result<Outcome, IllegalMessage> {
    match value {
        [outcome] => decode_outcome((*outcome).into()),
        _ => Err(IllegalMessage::Length("what came of a proposal", value.len())),
    }
}
