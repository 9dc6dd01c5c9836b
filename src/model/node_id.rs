//! Who a node is, and which of its lives.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::model::Millis;

/// Identity of a node: 128 random bits from its first start, kept on its disk. An address is not one: it can change, and
/// another node can come to have it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u128);

impl fmt::Display for NodeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// A text that names no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a node id is 32 hexadecimal digits")]
pub struct IllegalNodeId;

impl FromStr for NodeId {
    type Err = IllegalNodeId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digits {
            return Err(IllegalNodeId);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| IllegalNodeId)
    }
}

/// One life of a node, from a start to its end. What a node published in an earlier life it knows no more about than
/// others do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation {
    /// Which node.
    pub node: NodeId,
    /// Hybrid time of its start: later lives of a node have greater ones.
    pub since: Millis,
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}@{}", self.node, self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_as_it_is_written() {
        let id = NodeId(0x17);
        assert_eq!(id.to_string().parse(), Ok(id));
        for illegal in ["", "17", "+0000000000000000000000000000017", "g0000000000000000000000000000017"] {
            assert_eq!(illegal.parse::<NodeId>(), Err(IllegalNodeId), "{illegal}");
        }
    }
}
