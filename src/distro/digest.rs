//! What a client's state comes to as a number, and sums of those by bucket.
//!
//! Both sides of a comparison must find the same numbers for ever: XXH3 with 64 bits over the bytes that are written down here,
//! see the test vectors. Texts are preceded by their length, numbers are little endian.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::{
    model::{ClientId, ClientState, Instance, Published},
    wire::peer::{Bucket, DIGEST_BUCKETS},
};

/// The bucket a client is in.
pub(super) fn bucket(client: &ClientId) -> u8 {
    xxh3_64(client.as_str().as_bytes()) as u8
}

/// The hash of all that peers must agree on about a client.
pub(super) fn fingerprint(state: &ClientState) -> u64 {
    let mut hash = Hasher(Xxh3::new());
    hash.text(state.id.as_str());
    hash.number(state.version.time.0);
    hash.number(state.version.heard.0);
    hash.0.update(&state.version.node.0.to_le_bytes());
    hash.number(state.publications.len() as u64);
    for publication in &state.publications {
        let service = &publication.service;
        [&service.namespace, &service.group, &service.name].into_iter().for_each(|part| hash.text(part));
        hash.number(publication.published.0);
        hash.number(u64::from(publication.beating));
        hash.number(u64::from(matches!(publication.content, Published::Batch(_))));
        publication.content.instances().iter().for_each(|instance| hash.instance(instance));
    }
    hash.0.digest()
}

struct Hasher(Xxh3);

impl Hasher {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    /// The id is left out: it is derived, or it came with the rest.
    fn instance(&mut self, instance: &Instance) {
        self.text(&instance.ip);
        self.number(u64::from(instance.port));
        self.text(&instance.cluster);
        self.number(instance.weight.to_bits());
        self.number(u64::from(instance.healthy) << 1 | u64::from(instance.enabled));
        for (key, value) in instance.metadata.iter() {
            self.text(key);
            self.text(value);
        }
    }
}

/// Sums of hashes by bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table(Box<[Bucket]>);

impl Default for Table {
    fn default() -> Self {
        Self(vec![Bucket::default(); DIGEST_BUCKETS].into())
    }
}

impl Table {
    pub(super) fn add(&mut self, bucket: u8, hash: u64) {
        let bucket = &mut self.0[usize::from(bucket)];
        bucket.count += 1;
        bucket.sum = bucket.sum.wrapping_add(hash);
    }

    pub(super) fn subtract(&mut self, bucket: u8, hash: u64) {
        let bucket = &mut self.0[usize::from(bucket)];
        bucket.count -= 1;
        bucket.sum = bucket.sum.wrapping_sub(hash);
    }

    /// The sums.
    pub(super) fn buckets(&self) -> &[Bucket] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attributes, HybridTime, Incarnation, NodeId, Publication, ServiceKey, Version};

    fn state() -> ClientState {
        let labels = [("zone".into(), "a".into())];
        let instance =
            Instance { ip: "10.0.0.1".into(), port: 80, metadata: labels.into_iter().collect(), ..Instance::default() };
        ClientState {
            id: ClientId::address("10.0.0.1", 80),
            version: Version::written(HybridTime::at(7), NodeId(1)),
            owner: Incarnation { node: NodeId(1), since: 5 },
            lease: None,
            attributes: Attributes::default(),
            publications: vec![Publication {
                service: ServiceKey::new("", "", "orders").expect("legal"),
                published: HybridTime::at(6),
                beating: true,
                content: Published::One(Box::new(instance)),
            }],
        }
    }

    /// Computed once by another implementation: `xxhash.xxh3_64_intdigest` of the Python package xxhash 4.1.0, over the bytes
    /// as they are written down above. Nodes of different versions must agree on them.
    #[test]
    fn numbers_are_the_same_for_ever() {
        assert_eq!(bucket(&state().id), 146);
        assert_eq!(fingerprint(&state()), 8_000_325_625_244_415_646);
    }

    #[test]
    fn every_part_counts() {
        let changes: [fn(&mut ClientState); 6] = [
            |state| state.version.time = HybridTime::at(8),
            |state| state.version.node = NodeId(2),
            |state| state.publications[0].beating = false,
            |state| state.publications[0].published = HybridTime::at(7),
            |state| state.publications[0].content.instances_mut()[0].healthy = false,
            |state| state.publications[0].content.instances_mut()[0].metadata = Default::default(),
        ];
        for (at, change) in changes.into_iter().enumerate() {
            let mut changed = state();
            change(&mut changed);
            assert_ne!(fingerprint(&changed), fingerprint(&state()), "change {at}");
        }
    }

    #[test]
    fn a_table_forgets_what_is_taken_out() {
        let mut table = Table::default();
        table.add(3, 17);
        table.add(3, u64::MAX);
        table.subtract(3, 17);
        table.subtract(3, u64::MAX);
        assert_eq!(table, Table::default());
    }
}
