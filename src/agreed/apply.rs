//! The one way to change the state.

use bytes::Bytes;

use crate::{
    agreed::{
        State, done,
        state::{Pair, named, thing},
    },
    model::{
        Address, Agreed, AgreedChange, AgreedKey, Amendment, DEFAULT_NAMESPACE, Forgotten, HybridTime,
        MetadataOperation, NamespaceOperation, Outcome, PersistentOperation, Proposal, ProposalId, ServiceKey,
        ServiceMetadata, limits,
    },
    wire::raft::{encode_key, encode_thing, instances_of, namespaces, things_of},
};

/// What a proposal did.
#[derive(Clone, Debug)]
pub struct Applied {
    /// What came of it.
    pub outcome: Outcome,
    /// What changed, for the node.
    pub changes: Vec<AgreedChange>,
    /// What changed, for the disk.
    pub pairs: Vec<Pair>,
}

impl State {
    /// Does a proposal, unless it was done before. One that is refused changes nothing but that it is remembered.
    pub fn apply(&mut self, id: &ProposalId, proposal: Proposal) -> Applied {
        let mut edit = Edit { state: self, changes: Vec::new(), pairs: Vec::new() };
        let outcome = match edit.state.done.known(id) {
            Some(outcome) => outcome,
            None => {
                let outcome = edit.decide(HybridTime::at(id.minted), proposal);
                edit.remember(id, outcome);
                outcome
            }
        };
        Applied { outcome, changes: edit.changes, pairs: edit.pairs }
    }
}

/// A state that is being changed, and how.
struct Edit<'a> {
    state: &'a mut State,
    changes: Vec<AgreedChange>,
    pairs: Vec<Pair>,
}

impl Edit<'_> {
    fn decide(&mut self, minted: HybridTime, proposal: Proposal) -> Outcome {
        match proposal {
            Proposal::Instance(operation) => return self.instance(minted, operation),
            Proposal::Metadata(operation) => return self.metadata(operation),
            Proposal::Namespace(operation) => return self.namespace(operation),
            Proposal::Switch(switch) => self.put(Agreed::Switch(switch)),
            Proposal::Forget(things) => things.iter().for_each(|thing| self.forget(thing)),
        }
        Outcome::Done
    }

    fn instance(&mut self, minted: HybridTime, operation: PersistentOperation) -> Outcome {
        match operation {
            PersistentOperation::Register { service, instance } => {
                let key = AgreedKey::Instance(service.clone(), instance.ip.clone(), instance.port);
                let key = Bytes::from(encode_key(&key));
                let known = self.state.value(&key).cloned();
                let published = match known.as_deref().map(thing) {
                    // What is repeated is no news: it hides nobody else's.
                    Some(Agreed::Instance { published, instance: known, .. }) if known == instance => published,
                    _ => minted,
                };
                self.put_over(key, known.as_ref(), Agreed::Instance { service, published, instance });
                Outcome::Done
            }
            PersistentOperation::Deregister { service, ip, port } => {
                Outcome::Deregistered(self.remove(&AgreedKey::Instance(service, ip, port)))
            }
            PersistentOperation::Health { service, ip, port, healthy } => {
                let known = self.state.get(&AgreedKey::Instance(service, ip, port));
                if let Some(Agreed::Instance { service, published, mut instance }) = known {
                    instance.healthy = healthy;
                    self.put(Agreed::Instance { service, published, instance });
                }
                Outcome::Done
            }
        }
    }

    fn metadata(&mut self, operation: MetadataOperation) -> Outcome {
        match operation {
            MetadataOperation::Create { service, ephemeral, metadata } => {
                if self.state.value(&encode_key(&AgreedKey::Service(service.clone()))).is_some() {
                    return Outcome::ServiceExists;
                }
                self.put(Agreed::Service { service, ephemeral, metadata });
            }
            MetadataOperation::Update { service, metadata } => {
                let (ephemeral, _) = self.settings(&service);
                self.put(Agreed::Service { service, ephemeral, metadata });
            }
            MetadataOperation::Protect { service, threshold } => {
                let (ephemeral, metadata) = self.settings(&service);
                let metadata = ServiceMetadata { protect_threshold: threshold, ..metadata };
                self.put(Agreed::Service { service, ephemeral, metadata });
            }
            MetadataOperation::Remove { service } => return self.remove_service(service),
            MetadataOperation::UpdateCluster { service, cluster, metadata } => {
                self.put(Agreed::Cluster { service, cluster, metadata });
            }
            MetadataOperation::Override { service, amendments } => {
                for (address, amendment) in amendments {
                    self.amend(&service, address, &amendment);
                }
            }
        }
        Outcome::Done
    }

    /// Kind and settings of a service. One that nothing was said of has the kind of the instances that are agreed on.
    fn settings(&self, service: &ServiceKey) -> (bool, ServiceMetadata) {
        match self.state.get(&AgreedKey::Service(service.clone())) {
            Some(Agreed::Service { ephemeral, metadata, .. }) => (ephemeral, metadata),
            _ => (!self.has_instances(service), ServiceMetadata::default()),
        }
    }

    fn has_instances(&self, service: &ServiceKey) -> bool {
        self.state.with_prefix(&instances_of(service)).next().is_some()
    }

    fn remove_service(&mut self, service: ServiceKey) -> Outcome {
        if self.has_instances(&service) {
            return Outcome::NotEmpty;
        }
        let all: Vec<Bytes> = self.state.with_prefix(&things_of(&service)).map(|(key, _)| key.clone()).collect();
        for key in all {
            self.remove_key(key);
        }
        // Said even when nothing was set: nodes that list it for an instance that is gone are to stop.
        let gone = AgreedChange::Gone(AgreedKey::Service(service));
        if !self.changes.contains(&gone) {
            self.changes.push(gone);
        }
        Outcome::Done
    }

    fn amend(&mut self, service: &ServiceKey, address: Address, amendment: &Amendment) {
        let known = self.state.get(&AgreedKey::Override(service.clone(), address.clone()));
        let before = match known {
            Some(Agreed::Override { value, .. }) => Some(value),
            _ => None,
        };
        self.put(Agreed::Override { service: service.clone(), address, value: amendment.amend(before) });
    }

    fn namespace(&mut self, operation: NamespaceOperation) -> Outcome {
        match operation {
            NamespaceOperation::Create(namespace) => {
                let key = AgreedKey::Namespace(namespace.id.clone());
                if namespace.id == DEFAULT_NAMESPACE || self.state.get(&key).is_some() {
                    return Outcome::NamespaceExists;
                }
                if self.state.with_prefix(&namespaces()).count() >= limits::NAMESPACES {
                    return Outcome::NamespacesFull;
                }
                self.put(Agreed::Namespace(namespace));
            }
            NamespaceOperation::Update(namespace) => {
                if self.state.get(&AgreedKey::Namespace(namespace.id.clone())).is_some() {
                    self.put(Agreed::Namespace(namespace));
                }
            }
            NamespaceOperation::Delete(id) => {
                self.remove(&AgreedKey::Namespace(id));
            }
        }
        Outcome::Done
    }

    /// Whoever proposed this knew the thing as it was; if it is another now, somebody needs it.
    fn forget(&mut self, thing: &Forgotten) {
        if self.state.fingerprint(&thing.key) == Some(thing.was) {
            self.remove(&thing.key);
        }
    }

    fn put(&mut self, thing: Agreed) {
        let key = Bytes::from(encode_key(&thing.key()));
        let known = self.state.value(&key).cloned();
        self.put_over(key, known.as_ref(), thing);
    }

    /// Puts a thing in the place of what was looked up before.
    fn put_over(&mut self, key: Bytes, known: Option<&Bytes>, thing: Agreed) {
        let value = encode_thing(&thing);
        if known != Some(&value) {
            self.changes.push(AgreedChange::Put(thing));
            self.put_pair(key, value);
        }
    }

    fn put_pair(&mut self, key: Bytes, value: Bytes) {
        self.state.put(&key, value.clone());
        self.pairs.push((key, Some(value)));
    }

    fn remove(&mut self, key: &AgreedKey) -> bool {
        let bytes = encode_key(key);
        let was_there = self.state.value(&bytes).is_some();
        self.remove_key(bytes.into());
        was_there
    }

    fn remove_key(&mut self, key: Bytes) {
        if self.state.remove(&key) {
            self.changes.push(AgreedChange::Gone(named(&key)));
            self.pairs.push((key, None));
        }
    }

    fn remember(&mut self, id: &ProposalId, outcome: Outcome) {
        self.state.done.forget_some(id.minted, &mut self.pairs);
        self.state.done.put(*id, outcome);
        let (key, value) = done::pair(id, outcome);
        self.pairs.push((key, Some(value)));
    }
}
