//! Changes that must be durable and the same on all nodes.
//!
//! Each carries all that it needs: applying one reads what was agreed before and the proposal, never what clients publish,
//! because that may differ between nodes for a while. Whoever proposes looks at clients first.

use crate::{
    model::{NamespaceOperation, Switch},
    registry::MetadataOperation,
};

/// One such change.
#[derive(Clone, Debug)]
pub enum Proposal {
    /// Of what operators set on services.
    Metadata(MetadataOperation),
    /// Of the namespaces.
    Namespace(NamespaceOperation),
    /// Of a switch, on all nodes.
    Switch(Switch),
}
