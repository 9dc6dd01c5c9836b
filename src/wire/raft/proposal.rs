//! Proposals as entries of the log carry them, and what comes of them.

use bytes::Bytes;
use prost::Message;

use crate::{
    model::{
        Address, Amended, AmendedMetadata, Amendment, Forgotten, MetadataOperation, NamespaceOperation, Outcome,
        PersistentOperation, Proposal, ProposalId, ServiceKey,
    },
    proto::raft::{self as proto, amendment::Metadata as Labels, command::Proposal as Kind},
    wire::{
        peer::{
            IllegalMessage, decode_instance, decode_node, decode_service, encode_instance, encode_node, encode_service,
        },
        raft::{
            agreed::{decode_key, decode_name, encode_key},
            settings::{
                decode_address, decode_cluster, decode_labels, decode_namespace, decode_service_settings,
                encode_address, encode_cluster, encode_labels, encode_namespace, encode_service_settings, finite, text,
            },
            switch::{decode_switch, encode_switch},
        },
    },
};

/// A proposal with its id.
pub fn encode_command(id: &ProposalId, proposal: &Proposal) -> Bytes {
    let id = proto::ProposalId { minted: id.minted, node: Some(encode_node(id.node)), number: id.number };
    let kind = match proposal {
        Proposal::Instance(operation) => persistent(operation),
        Proposal::Metadata(operation) => metadata(operation),
        Proposal::Namespace(NamespaceOperation::Create(namespace)) => {
            Kind::CreateNamespace(encode_namespace(namespace))
        }
        Proposal::Namespace(NamespaceOperation::Update(namespace)) => {
            Kind::UpdateNamespace(encode_namespace(namespace))
        }
        Proposal::Namespace(NamespaceOperation::Delete(id)) => Kind::DeleteNamespace(id.as_str().into()),
        Proposal::Switch(switch) => Kind::Switch(encode_switch(switch)),
        Proposal::Forget(things) => Kind::Forget(proto::Forget {
            things: things
                .iter()
                .map(|thing| proto::Forgotten { key: encode_key(&thing.key).into(), was: thing.was })
                .collect(),
        }),
    };
    proto::Command { id: Some(id), proposal: Some(kind) }.encode_to_vec().into()
}

fn persistent(operation: &PersistentOperation) -> Kind {
    let name = |service: &ServiceKey, ip: &str, port: u16| proto::InstanceName {
        service: Some(encode_service(service)),
        ip: ip.into(),
        port: port.into(),
    };
    match operation {
        PersistentOperation::Register { service, instance } => Kind::Register(proto::Register {
            service: Some(encode_service(service)),
            instance: Some(encode_instance(instance)),
        }),
        PersistentOperation::Deregister { service, ip, port } => Kind::Deregister(name(service, ip, *port)),
        PersistentOperation::Health { service, ip, port, healthy } => {
            Kind::Health(proto::Health { instance: Some(name(service, ip, *port)), healthy: *healthy })
        }
    }
}

fn metadata(operation: &MetadataOperation) -> Kind {
    match operation {
        MetadataOperation::Create { service, ephemeral, metadata } => Kind::CreateService(proto::CreateService {
            service: Some(encode_service(service)),
            ephemeral: *ephemeral,
            metadata: Some(encode_service_settings(metadata)),
        }),
        MetadataOperation::Update { service, metadata } => Kind::UpdateService(proto::UpdateService {
            service: Some(encode_service(service)),
            metadata: Some(encode_service_settings(metadata)),
        }),
        MetadataOperation::Protect { service, threshold } => Kind::Protect(proto::Protect {
            service: Some(encode_service(service)),
            threshold: threshold.map(f64::to_bits),
        }),
        MetadataOperation::Remove { service } => Kind::RemoveService(encode_service(service)),
        MetadataOperation::UpdateCluster { service, cluster, metadata } => {
            Kind::UpdateCluster(encode_cluster(service, cluster, metadata))
        }
        MetadataOperation::Override { service, amendments } => Kind::Overrides(proto::Overrides {
            service: Some(encode_service(service)),
            amendments: amendments.iter().map(encode_amendment).collect(),
        }),
    }
}

fn encode_amendment((address, amendment): &(Address, Amendment)) -> proto::Amendment {
    let ((weight, sets_weight), (enabled, sets_enabled)) = (parts(amendment.weight), parts(amendment.enabled));
    let labels = |labels| proto::Labels { labels: encode_labels(labels) };
    proto::Amendment {
        address: Some(encode_address(address)),
        weight: f64::to_bits(weight),
        sets_weight,
        enabled,
        sets_enabled,
        metadata: match &amendment.metadata {
            AmendedMetadata::Keep => None,
            AmendedMetadata::Replace(these) => Some(Labels::Replace(labels(these))),
            AmendedMetadata::Merge(these) => Some(Labels::Merge(labels(these))),
            AmendedMetadata::Remove(these) => Some(Labels::Remove(labels(these))),
        },
    }
}

fn parts<T>(amended: Amended<T>) -> (T, bool) {
    match amended {
        Amended::Keep(value) => (value, false),
        Amended::Set(value) => (value, true),
    }
}

/// A proposal with its id.
pub fn decode_command(bytes: &[u8]) -> Result<(ProposalId, Proposal), IllegalMessage> {
    let command = proto::Command::decode(bytes).map_err(|_| IllegalMessage::Missing("a proposal"))?;
    let id = command.id.ok_or(IllegalMessage::Missing("the id of a proposal"))?;
    let node = decode_node(id.node.ok_or(IllegalMessage::Missing("a node"))?);
    let id = ProposalId { minted: id.minted, node, number: id.number };
    Ok((id, decode_proposal(command.proposal.ok_or(IllegalMessage::Missing("a proposal"))?)?))
}

fn decode_proposal(kind: Kind) -> Result<Proposal, IllegalMessage> {
    Ok(match kind {
        Kind::Register(register) => {
            let instance = register.instance.ok_or(IllegalMessage::Missing("an instance"))?;
            let (service, instance) =
                (decode_service(register.service.as_ref())?, Box::new(decode_instance(instance)?));
            Proposal::Instance(PersistentOperation::Register { service, instance })
        }
        Kind::Deregister(name) => {
            let (service, ip, port) = decode_name(Some(name))?;
            Proposal::Instance(PersistentOperation::Deregister { service, ip, port })
        }
        Kind::Health(found) => {
            let (service, ip, port) = decode_name(found.instance)?;
            Proposal::Instance(PersistentOperation::Health { service, ip, port, healthy: found.healthy })
        }
        Kind::CreateNamespace(one) => Proposal::Namespace(NamespaceOperation::Create(decode_namespace(one)?)),
        Kind::UpdateNamespace(one) => Proposal::Namespace(NamespaceOperation::Update(decode_namespace(one)?)),
        Kind::DeleteNamespace(id) => Proposal::Namespace(NamespaceOperation::Delete(text(&id)?)),
        Kind::Switch(switch) => Proposal::Switch(decode_switch(switch)?),
        Kind::Forget(forget) => Proposal::Forget(
            forget
                .things
                .iter()
                .map(|thing| Ok(Forgotten { key: decode_key(&thing.key)?, was: thing.was }))
                .collect::<Result<_, IllegalMessage>>()?,
        ),
        other => Proposal::Metadata(decode_metadata(other)?),
    })
}

fn decode_metadata(kind: Kind) -> Result<MetadataOperation, IllegalMessage> {
    Ok(match kind {
        Kind::CreateService(set) => MetadataOperation::Create {
            service: decode_service(set.service.as_ref())?,
            ephemeral: set.ephemeral,
            metadata: decode_service_settings(set.metadata)?,
        },
        Kind::UpdateService(set) => MetadataOperation::Update {
            service: decode_service(set.service.as_ref())?,
            metadata: decode_service_settings(set.metadata)?,
        },
        Kind::Protect(set) => MetadataOperation::Protect {
            service: decode_service(set.service.as_ref())?,
            threshold: set.threshold.map(finite).transpose()?,
        },
        Kind::RemoveService(service) => MetadataOperation::Remove { service: decode_service(Some(&service))? },
        Kind::UpdateCluster(set) => {
            let (service, cluster, metadata) = decode_cluster(set)?;
            MetadataOperation::UpdateCluster { service, cluster, metadata }
        }
        Kind::Overrides(set) => MetadataOperation::Override {
            service: decode_service(set.service.as_ref())?,
            amendments: set.amendments.into_iter().map(decode_amendment).collect::<Result<_, _>>()?,
        },
        _ => return Err(IllegalMessage::Missing("a proposal")),
    })
}

fn decode_amendment(amendment: proto::Amendment) -> Result<(Address, Amendment), IllegalMessage> {
    let metadata = match &amendment.metadata {
        None => AmendedMetadata::Keep,
        Some(Labels::Replace(these)) => AmendedMetadata::Replace(decode_labels(&these.labels)?),
        Some(Labels::Merge(these)) => AmendedMetadata::Merge(decode_labels(&these.labels)?),
        Some(Labels::Remove(these)) => AmendedMetadata::Remove(decode_labels(&these.labels)?),
    };
    let weight = amended(finite(amendment.weight)?, amendment.sets_weight);
    let enabled = amended(amendment.enabled, amendment.sets_enabled);
    Ok((decode_address(amendment.address)?, Amendment { weight, enabled, metadata }))
}

fn amended<T>(value: T, sets: bool) -> Amended<T> {
    if sets { Amended::Set(value) } else { Amended::Keep(value) }
}

/// What came of a proposal.
pub fn encode_outcome(outcome: Outcome) -> proto::Outcome {
    match outcome {
        Outcome::Done => proto::Outcome::Done,
        Outcome::Deregistered(true) => proto::Outcome::Deregistered,
        Outcome::Deregistered(false) => proto::Outcome::NothingToDeregister,
        Outcome::ServiceExists => proto::Outcome::ServiceExists,
        Outcome::NotEmpty => proto::Outcome::NotEmpty,
        Outcome::NamespaceExists => proto::Outcome::NamespaceExists,
        Outcome::NamespacesFull => proto::Outcome::NamespacesFull,
        Outcome::Late => proto::Outcome::Late,
        Outcome::Overloaded => proto::Outcome::Overloaded,
    }
}

/// What came of a proposal.
pub fn decode_outcome(outcome: i32) -> Result<Outcome, IllegalMessage> {
    let unknown = || IllegalMessage::Missing("an outcome");
    Ok(match proto::Outcome::try_from(outcome).map_err(|_| unknown())? {
        proto::Outcome::Unspecified => return Err(unknown()),
        proto::Outcome::Done => Outcome::Done,
        proto::Outcome::Deregistered => Outcome::Deregistered(true),
        proto::Outcome::NothingToDeregister => Outcome::Deregistered(false),
        proto::Outcome::ServiceExists => Outcome::ServiceExists,
        proto::Outcome::NotEmpty => Outcome::NotEmpty,
        proto::Outcome::NamespaceExists => Outcome::NamespaceExists,
        proto::Outcome::NamespacesFull => Outcome::NamespacesFull,
        proto::Outcome::Late => Outcome::Late,
        proto::Outcome::Overloaded => Outcome::Overloaded,
    })
}
