//! Messages as frames of the stream between two nodes.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    model::{ClientId, HybridTime, Version},
    proto::peer as proto,
    wire::peer::{
        Bucket, BucketContents, DIGEST_BUCKETS, Digest, Heartbeat, IllegalMessage, Known, Message, Phase, Regard,
        decode_life, encode_life,
        illegal::{decode_client, text},
        state::{decode_node, decode_state, decode_version, encode_node, encode_state, encode_version},
    },
};

type Kind = proto::frame::Message;

/// A bucket: its count and its sum.
const BUCKET_BYTES: usize = 12;

/// A message as a frame.
pub fn encode(message: &Message) -> proto::Frame {
    let kind = match message {
        Message::Heartbeat(heartbeat) => Kind::Heartbeat(encode_heartbeat(heartbeat)),
        Message::Sync { number, clients } => {
            let clients = clients.iter().map(|state| encode_state(state)).collect();
            Kind::Sync(proto::Sync { number: *number, clients })
        }
        Message::SyncTaken { number } => Kind::SyncTaken(proto::SyncTaken { number: *number }),
        Message::Digest(digest) => Kind::Digest(encode_digest(digest)),
        Message::Compared { number, differ } => {
            Kind::Compared(proto::Compared { number: *number, differ: Bytes::copy_from_slice(differ) })
        }
        Message::Contents { at, buckets } => {
            Kind::Contents(proto::Contents { at: at.0, buckets: buckets.iter().map(encode_bucket).collect() })
        }
        Message::Want { clients } => {
            let wanted = |(client, version): &(ClientId, Option<Version>)| proto::Wanted {
                client: client.as_str().into(),
                version: version.map(encode_version),
            };
            Kind::Want(proto::Want { clients: clients.iter().map(wanted).collect() })
        }
        Message::LeaveTaken => Kind::LeaveTaken(proto::LeaveTaken {}),
    };
    proto::Frame { message: Some(kind) }
}

/// A frame as a message.
pub fn decode(frame: proto::Frame) -> Result<Message, IllegalMessage> {
    Ok(match frame.message.ok_or(IllegalMessage::Missing("a message"))? {
        Kind::Heartbeat(heartbeat) => Message::Heartbeat(decode_heartbeat(&heartbeat)?),
        Kind::Sync(sync) => {
            let states = sync.clients.into_iter().map(|state| decode_state(state).map(Arc::new));
            Message::Sync { number: sync.number, clients: states.collect::<Result<_, _>>()? }
        }
        Kind::SyncTaken(taken) => Message::SyncTaken { number: taken.number },
        Kind::Digest(digest) => Message::Digest(decode_digest(&digest)?),
        Kind::Compared(compared) => {
            if compared.differ.len() > DIGEST_BUCKETS {
                return Err(IllegalMessage::Length("a comparison", compared.differ.len()));
            }
            Message::Compared { number: compared.number, differ: compared.differ.into() }
        }
        Kind::Contents(contents) => {
            let buckets = contents.buckets.into_iter().map(decode_bucket).collect::<Result<_, _>>()?;
            Message::Contents { at: HybridTime(contents.at), buckets }
        }
        Kind::Want(want) => {
            let wanted = |wanted: proto::Wanted| {
                let version = wanted.version.map(|version| decode_version(Some(version))).transpose()?;
                Ok((decode_client(&wanted.client)?, version))
            };
            let clients = want.clients.into_iter().map(wanted).collect::<Result<_, IllegalMessage>>()?;
            Message::Want { clients }
        }
        Kind::LeaveTaken(_) => Message::LeaveTaken,
    })
}

fn encode_heartbeat(heartbeat: &Heartbeat) -> proto::Heartbeat {
    let phase = match heartbeat.phase {
        Phase::Loading => proto::Phase::Loading,
        Phase::Serving => proto::Phase::Serving,
        Phase::Leaving => proto::Phase::Leaving,
    };
    let regard = match heartbeat.regard {
        Regard::Up => proto::Regard::Up,
        Regard::Suspect => proto::Regard::Suspect,
        Regard::Down => proto::Regard::Down,
    };
    proto::Heartbeat {
        time: heartbeat.time,
        phase: phase.into(),
        missed: heartbeat.missed.iter().map(|node| encode_node(*node)).collect(),
        regard: regard.into(),
        lacks: heartbeat.lacks.iter().map(ToString::to_string).collect(),
        knowledge: heartbeat.known.as_deref().map(encode_known),
    }
}

fn encode_known(known: &[Known]) -> proto::Knowledge {
    let one = |Known { address, life, told }: &Known| proto::Known {
        address: address.to_string(),
        life: life.map(encode_life),
        told: *told,
    };
    proto::Knowledge { members: known.iter().map(one).collect() }
}

fn decode_heartbeat(heartbeat: &proto::Heartbeat) -> Result<Heartbeat, IllegalMessage> {
    let phase = match heartbeat.phase() {
        proto::Phase::Loading => Phase::Loading,
        proto::Phase::Serving => Phase::Serving,
        proto::Phase::Leaving => Phase::Leaving,
        proto::Phase::Unspecified => return Err(IllegalMessage::Missing("a phase")),
    };
    let regard = match heartbeat.regard() {
        proto::Regard::Up => Regard::Up,
        proto::Regard::Suspect => Regard::Suspect,
        proto::Regard::Down => Regard::Down,
        proto::Regard::Unspecified => return Err(IllegalMessage::Missing("a regard")),
    };
    let missed = heartbeat.missed.iter().map(|node| decode_node(*node)).collect();
    let lacks = heartbeat.lacks.iter().map(|address| text("an address", address)).collect::<Result<_, _>>()?;
    let known = heartbeat.knowledge.as_ref().map(decode_known).transpose()?;
    Ok(Heartbeat { time: heartbeat.time, phase, missed, regard, lacks, known })
}

fn decode_known(known: &proto::Knowledge) -> Result<Vec<Known>, IllegalMessage> {
    let one = |one: &proto::Known| {
        let life = one.life.map(|life| decode_life(Some(life))).transpose()?;
        Ok(Known { address: text("an address", &one.address)?, life, told: one.told })
    };
    known.members.iter().map(one).collect()
}

fn encode_digest(digest: &Digest) -> proto::Digest {
    let mut buckets = BytesMut::with_capacity(digest.buckets.len() * BUCKET_BYTES);
    for bucket in &digest.buckets {
        buckets.put_u32(bucket.count);
        buckets.put_u64(bucket.sum);
    }
    proto::Digest { number: digest.number, buckets: buckets.freeze() }
}

fn decode_digest(digest: &proto::Digest) -> Result<Digest, IllegalMessage> {
    let (buckets, rest) = digest.buckets.as_chunks::<BUCKET_BYTES>();
    if buckets.len() != DIGEST_BUCKETS || !rest.is_empty() {
        return Err(IllegalMessage::Length("a digest", digest.buckets.len()));
    }
    let bucket = |[a, b, c, d, sum @ ..]: &[u8; BUCKET_BYTES]| Bucket {
        count: u32::from_be_bytes([*a, *b, *c, *d]),
        sum: u64::from_be_bytes(*sum),
    };
    Ok(Digest { number: digest.number, buckets: buckets.iter().map(bucket).collect() })
}

fn encode_bucket(contents: &BucketContents) -> proto::BucketContents {
    let entry = |(client, version, hash): &(ClientId, Version, u64)| proto::BucketEntry {
        client: client.as_str().into(),
        version: Some(encode_version(*version)),
        hash: *hash,
    };
    proto::BucketContents { bucket: contents.bucket.into(), clients: contents.clients.iter().map(entry).collect() }
}

fn decode_bucket(contents: proto::BucketContents) -> Result<BucketContents, IllegalMessage> {
    let bucket = u8::try_from(contents.bucket).map_err(|_| IllegalMessage::Range("a bucket"))?;
    let entry =
        |entry: proto::BucketEntry| Ok((decode_client(&entry.client)?, decode_version(entry.version)?, entry.hash));
    let clients: Result<_, IllegalMessage> = contents.clients.into_iter().map(entry).collect();
    Ok(BucketContents { bucket, clients: clients? })
}
