//! Clients' states, and the parts that forwarded writes consist of too.

use crate::{
    model::{
        Attributes, ClientState, HybridTime, Incarnation, Instance, InstanceId, Metadata, NodeId, Publication,
        Published, ServiceKey, Version,
    },
    proto::peer as proto,
    wire::peer::{
        IllegalMessage,
        illegal::{decode_client, text},
    },
};

const LOW: u32 = 64;

/// The id of a node.
pub fn encode_node(node: NodeId) -> proto::Node {
    proto::Node { high: (node.0 >> LOW) as u64, low: node.0 as u64 }
}

/// The id of a node.
pub fn decode_node(node: proto::Node) -> NodeId {
    NodeId(u128::from(node.high) << LOW | u128::from(node.low))
}

/// A life of a node.
pub fn encode_life(life: Incarnation) -> proto::Life {
    proto::Life { node: Some(encode_node(life.node)), since: life.since }
}

/// A life of a node.
pub fn decode_life(life: Option<proto::Life>) -> Result<Incarnation, IllegalMessage> {
    let life = life.ok_or(IllegalMessage::Missing("a life"))?;
    let node = life.node.ok_or(IllegalMessage::Missing("a node"))?;
    Ok(Incarnation { node: decode_node(node), since: life.since })
}

pub(super) fn encode_version(version: Version) -> proto::Version {
    proto::Version { time: version.time.0, node: Some(encode_node(version.node)), heard: version.heard.0 }
}

pub(super) fn decode_version(version: Option<proto::Version>) -> Result<Version, IllegalMessage> {
    let version = version.ok_or(IllegalMessage::Missing("a version"))?;
    let node = version.node.ok_or(IllegalMessage::Missing("a node"))?;
    Ok(Version { time: HybridTime(version.time), heard: HybridTime(version.heard), node: decode_node(node) })
}

/// The name of a service.
pub fn encode_service(service: &ServiceKey) -> proto::Service {
    proto::Service {
        namespace: service.namespace.as_str().into(),
        group: service.group.as_str().into(),
        name: service.name.as_str().into(),
    }
}

/// The name of a service.
pub fn decode_service(service: Option<&proto::Service>) -> Result<ServiceKey, IllegalMessage> {
    let service = service.ok_or(IllegalMessage::Missing("a service"))?;
    text("a service's name", &service.name)?;
    Ok(ServiceKey::new(&service.namespace, &service.group, &service.name)?)
}

/// One instance.
pub fn encode_instance(instance: &Instance) -> proto::Instance {
    let label = |(key, value): (&str, &str)| proto::Label { key: key.into(), value: value.into() };
    proto::Instance {
        ip: instance.ip.as_str().into(),
        port: instance.port.into(),
        cluster: instance.cluster.as_str().into(),
        weight: instance.weight.to_bits(),
        healthy: instance.healthy,
        enabled: instance.enabled,
        metadata: instance.metadata.iter().map(label).collect(),
        id: match &instance.id {
            InstanceId::Derived => None,
            InstanceId::Snowflake => Some(proto::instance::Id::Minted(proto::Minted {})),
            InstanceId::Given(id) => Some(proto::instance::Id::Given(id.as_ref().into())),
        },
    }
}

/// One instance.
pub fn decode_instance(instance: proto::Instance) -> Result<Instance, IllegalMessage> {
    let weight = f64::from_bits(instance.weight);
    if !weight.is_finite() {
        return Err(IllegalMessage::Range("a weight"));
    }
    let id = match instance.id {
        None => InstanceId::Derived,
        Some(proto::instance::Id::Minted(_)) => InstanceId::Snowflake,
        Some(proto::instance::Id::Given(id)) => {
            text("an instance's id", &id)?;
            InstanceId::Given(id.into())
        }
    };
    let labels: Result<Metadata, IllegalMessage> = instance
        .metadata
        .iter()
        .map(|label| Ok((text("a label", &label.key)?, text("a label's value", &label.value)?)))
        .collect();
    Ok(Instance {
        ip: text("an address", &instance.ip)?,
        port: u16::try_from(instance.port).map_err(|_| IllegalMessage::Range("a port"))?,
        cluster: text("a cluster", &instance.cluster)?,
        weight,
        healthy: instance.healthy,
        enabled: instance.enabled,
        metadata: labels?,
        id,
    })
}

/// What a client publishes for a service.
pub fn encode_content(content: &Published) -> proto::Content {
    proto::Content {
        batch: matches!(content, Published::Batch(_)),
        instances: content.instances().iter().map(encode_instance).collect(),
    }
}

/// What a client publishes for a service.
pub fn decode_content(content: Option<proto::Content>) -> Result<Published, IllegalMessage> {
    let content = content.ok_or(IllegalMessage::Missing("a content"))?;
    let instances: Result<Vec<Instance>, IllegalMessage> = content.instances.into_iter().map(decode_instance).collect();
    let mut instances = instances?;
    if content.batch {
        return Ok(Published::Batch(instances.into()));
    }
    match (instances.pop(), instances.is_empty()) {
        (Some(instance), true) => Ok(Published::One(Box::new(instance))),
        _ => Err(IllegalMessage::Range("the number of instances")),
    }
}

fn encode_publication(publication: &Publication) -> proto::Publication {
    proto::Publication {
        service: Some(encode_service(&publication.service)),
        published: publication.published.0,
        beating: publication.beating,
        content: Some(encode_content(&publication.content)),
    }
}

fn decode_publication(publication: proto::Publication) -> Result<Publication, IllegalMessage> {
    let content = decode_content(publication.content)?;
    if content.instances().iter().any(|instance| instance.id == InstanceId::Snowflake) {
        return Err(IllegalMessage::Unminted);
    }
    Ok(Publication {
        service: decode_service(publication.service.as_ref())?,
        published: HybridTime(publication.published),
        beating: publication.beating,
        content,
    })
}

/// A client with all that it publishes.
pub fn encode_state(state: &ClientState) -> proto::ClientState {
    proto::ClientState {
        id: state.id.as_str().into(),
        version: Some(encode_version(state.version)),
        owner: Some(encode_life(state.owner)),
        lease: state.lease,
        agent: state.attributes.agent.as_str().into(),
        app: state.attributes.app.as_str().into(),
        publications: state.publications.iter().map(encode_publication).collect(),
    }
}

/// A client with all that it publishes.
pub fn decode_state(state: proto::ClientState) -> Result<ClientState, IllegalMessage> {
    let publications: Result<Vec<Publication>, IllegalMessage> =
        state.publications.into_iter().map(decode_publication).collect();
    Ok(ClientState {
        id: decode_client(&state.id)?,
        version: decode_version(state.version)?,
        owner: decode_life(state.owner)?,
        lease: state.lease,
        attributes: Attributes { agent: text("an agent", &state.agent)?, app: text("an application", &state.app)? },
        publications: publications?,
    })
}
