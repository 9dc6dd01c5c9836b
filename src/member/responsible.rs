//! Which node is responsible for a client that is known by its address (Nacos `DistroMapper`).
//!
//! Rendezvous hashing: each node has a weight for each client, and the greatest wins. When a node goes, only its own clients
//! move, and each node finds the same new one for them. The weight is XXH3 with 64 bits over the id's 16 bytes, big endian,
//! and the client's id; part of the protocol, see the test vectors.

use xxhash_rust::xxh3::Xxh3;

use crate::model::{ClientId, NodeId};

/// The node among `nodes` that is responsible for a client; none when there is none.
pub fn responsible(client: &ClientId, nodes: impl IntoIterator<Item = NodeId>) -> Option<NodeId> {
    nodes.into_iter().max_by_key(|node| (weight(client, *node), *node))
}

fn weight(client: &ClientId, node: NodeId) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&node.0.to_be_bytes());
    hash.update(client.as_str().as_bytes());
    hash.digest()
}
