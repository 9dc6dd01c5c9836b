//! The file of a snapshot: the whole state, in a form that tells when it is damaged.
//!
//! A version byte; a `SnapshotFile` and as many `Pair`s as that says, each behind its length; the CRC-32 of all before, big
//! endian. The same format serves nodes that are behind, backups, and the applied state itself after a snapshot came.

use std::io::{self, Read, Write};

use bytes::Bytes;
use prost::Message;

use crate::{
    agreed::State,
    proto::raft as proto,
    raft::{
        codec::{decode_meta, encode_meta},
        store::StoreError,
        types::SnapshotMeta,
    },
};

const VERSION: u8 = 1;
/// More than any pair takes; a damaged length is noticed before so much is asked for.
const LONGEST: u64 = 64 << 20;

/// Writes a state and what it is of.
pub(super) fn write(out: &mut impl Write, state: &State, meta: &SnapshotMeta) -> io::Result<()> {
    // Summed up behind the buffer: many short pieces at once.
    let mut out = io::BufWriter::with_capacity(1 << 16, Summed { inner: out, crc: crc32fast::Hasher::new() });
    out.write_all(&[VERSION])?;
    let head = proto::SnapshotFile { meta: Some(encode_meta(meta)), hash: state.hash(), pairs: state.len() as u64 };
    out.write_all(&head.encode_length_delimited_to_vec())?;
    let mut encoded = Vec::new();
    for (key, value) in state.pairs() {
        encoded.clear();
        proto::Pair { key, value }.encode_length_delimited(&mut encoded)?;
        out.write_all(&encoded)?;
    }
    let Summed { inner, crc } = out.into_inner()?;
    inner.write_all(&crc.finalize().to_be_bytes())
}

/// Reads a state and what it is of. `size` is how many bytes there are, `from` names them for people.
pub(super) fn read(from: &str, input: impl Read, size: u64) -> Result<(State, SnapshotMeta), StoreError> {
    let refused = |what: String| StoreError::Snapshot { from: from.to_owned(), what };
    let Some(left) = size.checked_sub(4) else { return Err(refused("it is cut off".into())) };
    let mut input = Framed {
        inner: Summed { inner: io::BufReader::with_capacity(1 << 16, input), crc: crc32fast::Hasher::new() },
        left,
    };
    let version = input.byte().map_err(refused)?;
    if version != VERSION {
        return Err(refused(format!("it has version {version}, and this program knows {VERSION}")));
    }
    let head: proto::SnapshotFile = input.message().map_err(refused)?;
    let meta = decode_meta(head.meta).map_err(|error| refused(error.to_string()))?;
    let mut state = State::default();
    for _ in 0..head.pairs {
        let pair: proto::Pair = input.message().map_err(refused)?;
        state.restore(&pair.key, pair.value).map_err(|error| refused(error.to_string()))?;
    }
    input.finish().map_err(refused)?;
    if state.hash() != head.hash || state.len() as u64 != head.pairs {
        return Err(refused("the fingerprint of its state is wrong".into()));
    }
    Ok((state, meta))
}

/// Sums up what goes through.
struct Summed<T> {
    inner: T,
    crc: crc32fast::Hasher,
}

impl<T: Write> Write for Summed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.crc.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Summed<T> {
    fn take(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        self.inner.read_exact(bytes).map_err(|error| format!("it cannot be read: {error}"))?;
        self.crc.update(bytes);
        Ok(())
    }
}

/// Messages behind their lengths, and a checksum behind all.
struct Framed<T> {
    inner: Summed<T>,
    left: u64,
}

impl<T: Read> Framed<T> {
    fn take(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or("it is cut off")?;
        self.inner.take(bytes)
    }

    fn byte(&mut self) -> Result<u8, String> {
        let mut byte = [0];
        self.take(&mut byte)?;
        Ok(byte[0])
    }

    fn message<M: Message + Default>(&mut self) -> Result<M, String> {
        let mut length = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            length |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        if length > LONGEST.min(self.left) {
            return Err(format!("a part of it is said to have {length} bytes"));
        }
        let mut bytes = vec![0; usize::try_from(length).expect("was compared")];
        self.take(&mut bytes)?;
        M::decode(Bytes::from(bytes)).map_err(|error| error.to_string())
    }

    fn finish(self) -> Result<(), String> {
        if self.left != 0 {
            return Err(format!("there are {} bytes too many", self.left));
        }
        let Summed { mut inner, crc } = self.inner;
        let mut sum = [0; 4];
        inner.read_exact(&mut sum).map_err(|error| format!("it cannot be read: {error}"))?;
        if u32::from_be_bytes(sum) == crc.finalize() { Ok(()) } else { Err("its checksum is wrong".into()) }
    }
}
