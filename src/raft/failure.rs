//! Why a proposal was not made, or why nobody can say.

use thiserror::Error;

use crate::node::Rejection;

/// What a caller is told instead of an outcome.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// It was refused, by this node or when it was applied. Nothing changed.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Nobody could be asked: there is no leader that most members follow, or this node has no place in the group or a
    /// broken store. Nothing was proposed; trying again later may help.
    #[error("the group of persistent instances cannot be written to: {0}; nothing was changed")]
    Unavailable(String),
    /// It was proposed, or may have been, and whether it was or will be agreed on is not known. Reading shows it.
    #[error("the outcome is unknown: {0}; the change may still be made, read before repeating it")]
    Unknown(String),
    /// Too much is under way. Nothing was proposed; trying again after a moment helps.
    #[error("too many changes are under way; nothing was changed, try again")]
    Busy,
}
