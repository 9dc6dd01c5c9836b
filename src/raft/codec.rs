//! Openraft's types in our own messages, for peers and for the disk.

use std::collections::{BTreeMap, BTreeSet};

use openraft::{EntryPayload, vote::RaftLeaderId};

use crate::{
    proto::raft::{self as proto, entry::Payload},
    raft::types::{Command, Entry, LeaderId, LogId, Member, Membership, SnapshotMeta, StoredMembership, Vote},
    wire::peer::{IllegalMessage, decode_node, encode_node},
};

pub(super) fn encode_vote(vote: &Vote) -> proto::Ballot {
    let LeaderId { term, node_id } = vote.leader_id;
    proto::Ballot { term, node: node_id, committed: vote.committed }
}

pub(super) fn decode_vote(vote: Option<proto::Ballot>) -> Result<Vote, IllegalMessage> {
    let vote = vote.ok_or(IllegalMessage::Missing("a vote"))?;
    Ok(Vote { leader_id: LeaderId::new(vote.term, vote.node), committed: vote.committed })
}

pub(super) fn encode_log_id(id: &LogId) -> proto::LogId {
    let LeaderId { term, node_id } = id.leader_id;
    proto::LogId { term, node: node_id, index: id.index }
}

pub(super) fn decode_log_id(id: proto::LogId) -> LogId {
    LogId::new(LeaderId::new(id.term, id.node), id.index)
}

pub(super) fn encode_entry(entry: &Entry) -> proto::Entry {
    let payload = match &entry.payload {
        EntryPayload::Blank => None,
        EntryPayload::Normal(command) => Some(Payload::Command(command.0.clone())),
        EntryPayload::Membership(membership) => Some(Payload::Membership(encode_membership(membership))),
    };
    proto::Entry { id: Some(encode_log_id(&entry.log_id)), payload }
}

pub(super) fn decode_entry(entry: proto::Entry) -> Result<Entry, IllegalMessage> {
    let id = entry.id.ok_or(IllegalMessage::Missing("the id of an entry"))?;
    let payload = match entry.payload {
        None => EntryPayload::Blank,
        Some(Payload::Command(bytes)) => EntryPayload::Normal(Command(bytes)),
        Some(Payload::Membership(membership)) => EntryPayload::Membership(decode_membership(membership)?),
    };
    Ok(Entry { log_id: decode_log_id(id), payload })
}

fn encode_membership(membership: &Membership) -> proto::Membership {
    let voters = |ids: &BTreeSet<u64>| proto::Voters { ids: ids.iter().copied().collect() };
    let member = |(id, member): (&u64, &Member)| proto::Member {
        id: *id,
        address: member.address.as_str().into(),
        node: Some(encode_node(member.node)),
    };
    proto::Membership {
        configs: membership.get_joint_config().iter().map(voters).collect(),
        members: membership.nodes().map(member).collect(),
    }
}

fn decode_membership(membership: proto::Membership) -> Result<Membership, IllegalMessage> {
    let member = |member: proto::Member| -> Result<(u64, Member), IllegalMessage> {
        let node = decode_node(member.node.ok_or(IllegalMessage::Missing("a node"))?);
        Ok((member.id, Member { address: member.address.into(), node }))
    };
    let members = membership.members.into_iter().map(member).collect::<Result<BTreeMap<_, _>, _>>()?;
    let configs = membership.configs.into_iter().map(|voters| voters.ids.into_iter().collect()).collect();
    Membership::new(configs, members).map_err(|_| IllegalMessage::Range("a membership"))
}

pub(super) fn encode_stored_membership(stored: &StoredMembership) -> proto::StoredMembership {
    proto::StoredMembership {
        at: stored.log_id().as_ref().map(encode_log_id),
        membership: Some(encode_membership(stored.membership())),
    }
}

/// The membership of a group that has none yet is empty, which no other may be.
pub(super) fn decode_stored_membership(
    stored: Option<proto::StoredMembership>,
) -> Result<StoredMembership, IllegalMessage> {
    let stored = stored.ok_or(IllegalMessage::Missing("a membership"))?;
    let membership = stored.membership.ok_or(IllegalMessage::Missing("a membership"))?;
    if stored.at.is_none() && membership.members.is_empty() {
        return Ok(StoredMembership::default());
    }
    Ok(StoredMembership::new(stored.at.map(decode_log_id), decode_membership(membership)?))
}

pub(super) fn encode_meta(meta: &SnapshotMeta) -> proto::SnapshotMeta {
    proto::SnapshotMeta {
        last: meta.last_log_id.as_ref().map(encode_log_id),
        membership: Some(encode_stored_membership(&meta.last_membership)),
    }
}

pub(super) fn decode_meta(meta: Option<proto::SnapshotMeta>) -> Result<SnapshotMeta, IllegalMessage> {
    let meta = meta.ok_or(IllegalMessage::Missing("what a snapshot is of"))?;
    Ok(SnapshotMeta {
        last_log_id: meta.last.map(decode_log_id),
        last_membership: decode_stored_membership(meta.membership)?,
    })
}
