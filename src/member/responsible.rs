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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        member::{Cluster, Peer},
        model::Incarnation,
        wire::peer::{Phase, Regard},
    };

    const NODES: [u128; 3] = [1, 2, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef];

    fn client(number: usize) -> ClientId {
        ClientId::address(&format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255), 8_080)
    }

    /// Computed once by another implementation: `xxhash.xxh3_64_intdigest(node.to_bytes(16, "big") + client)` of the Python
    /// package xxhash 4.1.0. Nodes of different versions must agree on them.
    #[test]
    fn weights_and_owners_are_the_same_for_ever() {
        let vectors: [(&str, [u64; 3], usize); 4] = [
            ("10.0.0.1:8080#true", [3_459_588_576_106_320_623, 179_881_534_881_429_026, 10_864_268_031_790_757_944], 2),
            (
                "10.0.0.2:8080#true",
                [4_523_614_706_334_112_529, 12_510_527_275_232_457_201, 5_099_058_173_269_756_312],
                1,
            ),
            (
                "10.0.0.3:8080#true",
                [12_758_456_151_660_284_484, 9_981_178_128_729_187_483, 8_447_142_803_152_370_978],
                0,
            ),
            ("[::1]:80#true", [7_067_998_528_923_388_464, 13_795_316_404_841_800_955, 10_786_227_744_362_194_047], 1),
        ];
        for (id, weights, owner) in vectors {
            let client = ClientId::from(id);
            assert_eq!(NODES.map(|node| weight(&client, NodeId(node))), weights, "{id}");
            assert_eq!(responsible(&client, NODES.map(NodeId)), Some(NodeId(NODES[owner])), "{id}");
        }
        assert_eq!(responsible(&client(1), []), None);
    }

    #[test]
    fn a_death_moves_only_the_clients_of_the_dead() {
        let all = NODES.map(NodeId);
        for number in 0..10_000 {
            let client = client(number);
            let before = responsible(&client, all);
            for dead in all {
                let after = responsible(&client, all.into_iter().filter(|node| *node != dead));
                assert!(before == Some(dead) || after == before, "{client} of {before:?} when {dead} dies");
                assert_ne!(after, Some(dead));
            }
        }
    }

    #[test]
    fn clients_are_spread_evenly() {
        let mut owned: BTreeMap<NodeId, usize> = BTreeMap::new();
        for number in 0..10_000 {
            let owner = responsible(&client(number), NODES.map(NodeId)).expect("one of three");
            *owned.entry(owner).or_default() += 1;
        }
        assert!(owned.len() == 3 && owned.values().all(|count| (3_000..=3_667).contains(count)), "{owned:?}");
    }

    fn cluster(own: Phase, peers: [(Regard, Phase); 2]) -> Cluster {
        let peer = |(place, (state, phase)): (usize, (Regard, Phase))| Peer {
            incarnation: Some(Incarnation { node: NodeId(NODES[place + 1]), since: 1 }),
            state,
            phase,
            ..Peer::unheard(compact_str::format_compact!("n{place}:1"))
        };
        let peers = peers.into_iter().enumerate().map(peer).collect();
        Cluster { this: Incarnation { node: NodeId(NODES[0]), since: 1 }, address: "own:1".into(), phase: own, peers }
    }

    #[test]
    fn members_that_are_down_or_load_or_leave_take_no_clients() {
        const UP: (Regard, Phase) = (Regard::Up, Phase::Serving);
        let owners = |cluster: &Cluster| -> Vec<usize> {
            let all = (0..1_000).map(|number| cluster.responsible(&client(number)));
            let places = all.map(|owner| NODES.iter().position(|node| *node == owner.0).expect("a member"));
            places.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
        };
        assert_eq!(owners(&cluster(Phase::Serving, [UP, UP])), [0, 1, 2]);
        assert_eq!(
            owners(&cluster(Phase::Serving, [(Regard::Suspect, Phase::Serving), UP])),
            [0, 1, 2],
            "not yet dead"
        );
        for away in [(Regard::Down, Phase::Serving), (Regard::Up, Phase::Loading), (Regard::Up, Phase::Leaving)] {
            assert_eq!(owners(&cluster(Phase::Serving, [away, UP])), [0, 2], "{away:?}");
        }
        for own in [Phase::Loading, Phase::Leaving] {
            assert_eq!(owners(&cluster(own, [UP, UP])), [1, 2], "{own:?}");
            assert_eq!(
                owners(&cluster(own, [(Regard::Down, Phase::Serving); 2])),
                [0],
                "whoever is asked, if nobody else"
            );
        }
    }

    #[test]
    fn only_a_member_that_is_up_is_forwarded_to() {
        let away = cluster(Phase::Serving, [(Regard::Suspect, Phase::Serving), (Regard::Up, Phase::Serving)]);
        let mut to = [0; 3];
        for number in 0..1_000 {
            let (client, responsible) = (client(number), away.responsible(&client(number)));
            match away.forward_to(&client) {
                None => to[0] += 1,
                Some(node) => {
                    assert_eq!((node, node), (responsible, NodeId(NODES[2])));
                    to[2] += 1;
                }
            }
        }
        assert!(to[0] > 600 && to[2] > 300, "{to:?}");
        assert_eq!(Cluster { peers: Vec::new(), ..away }.forward_to(&client(1)), None);
    }
}
