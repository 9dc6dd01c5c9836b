//! A service: its publications and subscribers (Nacos `Service` with `ClientServiceIndexesManager`).

use std::collections::BTreeMap;

use compact_str::CompactString;

use crate::{
    model::{Attributes, ClusterFilter, HybridTime, Millis, Published, ServiceKey},
    registry::{ClientNo, record::Record},
};

/// A service's place in the registry. Given to another service once this one is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceNo(pub(super) u32);

/// How one client subscribes to one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// The cluster filter as it was asked, to be echoed.
    pub clusters: CompactString,
    /// What it means.
    pub filter: ClusterFilter,
    /// What a subscriber by polling says of itself with each poll; a connection says it once for all.
    pub attributes: Option<Box<Attributes>>,
}

/// What one client publishes for a service. There is one at most for each client.
#[derive(Debug)]
pub(super) struct Publication {
    pub(super) client: ClientNo,
    /// When this content was published: the newer of two equal addresses hides the older.
    pub(super) published: HybridTime,
    /// Whether it lives by heart beats.
    pub(super) beating: bool,
    pub(super) content: Published,
}

/// One service. It is there while somebody publishes or subscribes, and listed from its first publication until it has
/// been without one for its time.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) key: ServiceKey,
    /// Sorted by client.
    pub(super) publications: Vec<Publication>,
    pub(super) subscribers: BTreeMap<ClientNo, Subscriber>,
    pub(super) listed: bool,
    /// Raised by every change of what readers could see.
    pub(super) version: u64,
    /// The largest stamp given out, and the version it went with: equal stamps never carry different hosts.
    pub(super) stamped: (Millis, u64),
    /// Of which kind its instances are, from its listing on.
    pub(super) ephemeral: bool,
    /// What operators set on it.
    pub(super) record: Option<Box<Record>>,
}

impl Service {
    /// A service whose views are to be stamped later than `absent_stamp`.
    pub(super) fn new(key: ServiceKey, absent_stamp: Millis) -> Self {
        Self {
            key,
            publications: Vec::new(),
            subscribers: BTreeMap::new(),
            listed: false,
            version: 0,
            stamped: (absent_stamp, 0),
            ephemeral: true,
            record: None,
        }
    }

    /// How many instances are published, hidden and disabled ones included.
    pub(super) fn instances(&self) -> usize {
        self.publications.iter().map(|publication| publication.content.instances().len()).sum()
    }

    /// Publishes for a client in place of what it published before, which is returned.
    pub(super) fn publish(&mut self, publication: Publication) -> Option<Published> {
        match self.place(publication.client) {
            Ok(at) => Some(std::mem::replace(&mut self.publications[at], publication).content),
            Err(at) => {
                self.publications.insert(at, publication);
                None
            }
        }
    }

    /// Where what `client` publishes is, or would be.
    fn place(&self, client: ClientNo) -> Result<usize, usize> {
        self.publications.binary_search_by_key(&client, |publication| publication.client)
    }

    /// What `client` publishes.
    pub(super) fn published_by(&self, client: ClientNo) -> Option<&Publication> {
        let at = self.place(client).ok()?;
        Some(&self.publications[at])
    }

    /// What `client` publishes, to be changed.
    pub(super) fn published_by_mut(&mut self, client: ClientNo) -> Option<&mut Publication> {
        let at = self.place(client).ok()?;
        Some(&mut self.publications[at])
    }

    /// Removes what `client` publishes.
    pub(super) fn withdraw(&mut self, client: ClientNo) -> Option<Published> {
        let at = self.place(client).ok()?;
        let publication = self.publications.remove(at);
        // Give the room back: a service that lost most of its publishers keeps little more than it needs.
        if self.publications.len() * 4 < self.publications.capacity() {
            self.publications.shrink_to(self.publications.len() * 2);
        }
        Some(publication.content)
    }
}
