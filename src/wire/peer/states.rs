//! States of clients as a node keeps them on its own disk: a byte for the version, then each behind its length.

use prost::Message;
use thiserror::Error;

use crate::{
    model::ClientState,
    proto::peer as proto,
    wire::peer::{
        IllegalMessage,
        state::{decode_state, encode_state},
    },
};

/// The first byte. A change of meaning is another version.
pub const STATES_VERSION: u8 = 1;

/// Why kept states cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IllegalStates {
    /// Nothing is there, not even a version.
    #[error("there is no version")]
    Empty,
    /// Another version wrote them.
    #[error("version {0} is not known")]
    Version(u8),
    /// They are no states.
    #[error("not a client's state: {0}")]
    Encoding(#[from] prost::DecodeError),
    /// A state that cannot be.
    #[error(transparent)]
    Illegal(#[from] IllegalMessage),
}

/// Appends one state, to be put behind the version.
pub fn append_state(state: &ClientState, out: &mut Vec<u8>) {
    encode_state(state).encode_length_delimited(out).expect("a vector takes whatever comes");
}

/// States with their version.
pub fn encode_states<'a>(states: impl IntoIterator<Item = &'a ClientState>) -> Vec<u8> {
    let mut out = vec![STATES_VERSION];
    states.into_iter().for_each(|state| append_state(state, &mut out));
    out
}

/// States with their version.
pub fn decode_states(bytes: &[u8]) -> Result<Vec<ClientState>, IllegalStates> {
    let (version, mut rest) = bytes.split_first().ok_or(IllegalStates::Empty)?;
    if *version != STATES_VERSION {
        return Err(IllegalStates::Version(*version));
    }
    let mut states = Vec::new();
    while !rest.is_empty() {
        states.push(decode_state(proto::ClientState::decode_length_delimited(&mut rest)?)?);
    }
    Ok(states)
}
