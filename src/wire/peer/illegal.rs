//! What is wrong with something a node says, and the checks that all readers share.

use compact_str::CompactString;
use thiserror::Error;

use crate::model::{ClientId, IllegalParam, limits};

/// Why a message of another node is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IllegalMessage {
    /// A part that all messages of its kind have, or a kind this version does not know.
    #[error("{0} is missing or unknown")]
    Missing(&'static str),
    /// A value outside its range.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// More bytes than any client could have said, or not the number there must be.
    #[error("{0} has a wrong length: {1} bytes")]
    Length(&'static str, usize),
    /// A service that cannot be.
    #[error(transparent)]
    Name(#[from] IllegalParam),
    /// What is left to be minted never leaves the node that mints it.
    #[error("an instance is published without its id")]
    Unminted,
}

/// A text of a client: none is longer than the longest message of one.
pub(super) fn text(what: &'static str, text: &str) -> Result<CompactString, IllegalMessage> {
    if text.len() > limits::MESSAGE_BYTES {
        return Err(IllegalMessage::Length(what, text.len()));
    }
    Ok(text.into())
}

/// The id of a client.
pub fn decode_client(id: &str) -> Result<ClientId, IllegalMessage> {
    if id.is_empty() || id.len() > limits::MESSAGE_BYTES {
        return Err(IllegalMessage::Length("a client's id", id.len()));
    }
    Ok(ClientId::from(id))
}
