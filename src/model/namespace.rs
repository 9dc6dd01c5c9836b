//! Namespaces as operators name and describe them. Services do not need them: a namespace is used by naming it.

use compact_str::CompactString;
use thiserror::Error;

/// One namespace beside the default one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// What clients name it by.
    pub id: CompactString,
    /// What people call it.
    pub name: CompactString,
    /// What it is for.
    pub description: Option<CompactString>,
}

/// A change of the namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceOperation {
    /// Adds one. Its id was chosen by whoever proposes, at random where nobody gave one.
    Create(Namespace),
    /// Names and describes one anew; nothing when there is none of that id.
    Update(Namespace),
    /// Removes one; nothing when there is none of that id. What is published in it stays.
    Delete(CompactString),
}

/// Why a namespace is not created.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NamespaceRefused {
    /// There is one of that id.
    #[error("namespaceId [{0}] already exist.")]
    Exists(CompactString),
    /// There are as many as there may be.
    #[error("there are {0} namespaces, as many as there may be")]
    Full(usize),
}
