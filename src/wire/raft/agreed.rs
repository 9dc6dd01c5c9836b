//! Things that are agreed on, and what names them.
//!
//! Keys sort by service first, so that all of one service lie together, its instances last.

use bytes::Bytes;
use prost::Message;

use crate::{
    model::{Address, Agreed, AgreedKey, HybridTime, Override, ServiceKey},
    proto::raft::{self as proto, thing::Thing as Kind},
    wire::{
        peer::{IllegalMessage, decode_instance, decode_service, encode_instance, encode_service},
        raft::{
            settings::{
                decode_address, decode_cluster, decode_labels, decode_namespace, decode_service_settings,
                encode_address, encode_cluster, encode_labels, encode_namespace, encode_service_settings, finite, port,
                text,
            },
            switch::{decode_switch, encode_switch},
        },
    },
};

/// Beginning of the keys of all that this module names.
pub const THINGS: u8 = b't';

const NAMESPACE: u8 = b'n';
const OF_SERVICE: u8 = b's';
const SWITCH: u8 = b'w';

const SETTINGS: u8 = 0;
const CLUSTER: u8 = 1;
const OVERRIDE: u8 = 2;
const INSTANCE: u8 = 3;

/// The bytes by which a thing is kept.
pub fn encode_key(key: &AgreedKey) -> Vec<u8> {
    match key {
        AgreedKey::Service(service) => within(service, SETTINGS),
        AgreedKey::Cluster(service, cluster) => {
            let mut bytes = within(service, CLUSTER);
            append(&mut bytes, cluster);
            bytes
        }
        AgreedKey::Override(service, address) => {
            let mut bytes = within(service, OVERRIDE);
            append(&mut bytes, &address.ip);
            bytes.extend(address.port.to_be_bytes());
            append(&mut bytes, &address.cluster);
            bytes
        }
        AgreedKey::Instance(service, ip, port) => {
            let mut bytes = within(service, INSTANCE);
            append(&mut bytes, ip);
            bytes.extend(port.to_be_bytes());
            bytes
        }
        AgreedKey::Namespace(id) => {
            let mut bytes = namespaces();
            append(&mut bytes, id);
            bytes
        }
        AgreedKey::Switch(place) => vec![THINGS, SWITCH, *place],
    }
}

/// Beginning of the keys of all that there is of a service.
pub fn things_of(service: &ServiceKey) -> Vec<u8> {
    let mut bytes = vec![THINGS, OF_SERVICE];
    append(&mut bytes, &service.namespace);
    append(&mut bytes, &service.group);
    append(&mut bytes, &service.name);
    bytes
}

/// Beginning of the keys of a service's instances.
pub fn instances_of(service: &ServiceKey) -> Vec<u8> {
    within(service, INSTANCE)
}

/// Beginning of the keys of all namespaces.
pub fn namespaces() -> Vec<u8> {
    vec![THINGS, NAMESPACE]
}

fn within(service: &ServiceKey, part: u8) -> Vec<u8> {
    let mut bytes = things_of(service);
    bytes.push(part);
    bytes
}

/// Texts stand behind their lengths, so that no two keys are the same bytes.
fn append(bytes: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).expect("no text is longer than a message");
    bytes.extend(length.to_be_bytes());
    bytes.extend(text.as_bytes());
}

/// What a key names.
pub fn decode_key(bytes: &[u8]) -> Result<AgreedKey, IllegalMessage> {
    let illegal = || IllegalMessage::Missing("a key");
    let mut rest = Rest(bytes);
    if rest.byte() != Some(THINGS) {
        return Err(illegal());
    }
    let key = match rest.byte() {
        Some(NAMESPACE) => rest.text().map(|id| AgreedKey::Namespace(id.into())),
        Some(SWITCH) => rest.byte().map(AgreedKey::Switch),
        Some(OF_SERVICE) => rest.of_service()?,
        _ => None,
    };
    key.filter(|_| rest.0.is_empty()).ok_or_else(illegal)
}

/// What is left of a key.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn of_service(&mut self) -> Result<Option<AgreedKey>, IllegalMessage> {
        let (Some(namespace), Some(group), Some(name)) = (self.text(), self.text(), self.text()) else {
            return Ok(None);
        };
        let service = ServiceKey::new(namespace, group, name)?;
        Ok(match self.byte() {
            Some(SETTINGS) => Some(AgreedKey::Service(service)),
            Some(CLUSTER) => self.text().map(|cluster| AgreedKey::Cluster(service, cluster.into())),
            Some(OVERRIDE) => match (self.text(), self.port(), self.text()) {
                (Some(ip), Some(port), Some(cluster)) => {
                    Some(AgreedKey::Override(service, Address { ip: ip.into(), port, cluster: cluster.into() }))
                }
                _ => None,
            },
            Some(INSTANCE) => {
                self.text().zip(self.port()).map(|(ip, port)| AgreedKey::Instance(service, ip.into(), port))
            }
            _ => None,
        })
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn port(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        std::str::from_utf8(self.take(usize::try_from(length).ok()?)?).ok()
    }
}

/// A thing in bytes; what names it is within.
pub fn encode_thing(thing: &Agreed) -> Bytes {
    let kind = match thing {
        Agreed::Service { service, ephemeral, metadata } => Kind::Service(proto::CreateService {
            service: Some(encode_service(service)),
            ephemeral: *ephemeral,
            metadata: Some(encode_service_settings(metadata)),
        }),
        Agreed::Cluster { service, cluster, metadata } => Kind::Cluster(encode_cluster(service, cluster, metadata)),
        Agreed::Override { service, address, value } => Kind::Override(proto::Override {
            service: Some(encode_service(service)),
            address: Some(encode_address(address)),
            weight: value.weight.to_bits(),
            enabled: value.enabled,
            metadata: encode_labels(&value.metadata),
        }),
        Agreed::Instance { service, published, instance } => Kind::Instance(proto::PersistentInstance {
            service: Some(encode_service(service)),
            published: published.0,
            instance: Some(encode_instance(instance)),
        }),
        Agreed::Namespace(namespace) => Kind::Namespace(encode_namespace(namespace)),
        Agreed::Switch(switch) => Kind::Switch(encode_switch(switch)),
    };
    proto::Thing { thing: Some(kind) }.encode_to_vec().into()
}

/// A thing.
pub fn decode_thing(bytes: &[u8]) -> Result<Agreed, IllegalMessage> {
    let thing = proto::Thing::decode(bytes).map_err(|_| IllegalMessage::Missing("a thing"))?;
    Ok(match thing.thing.ok_or(IllegalMessage::Missing("a thing"))? {
        Kind::Service(set) => Agreed::Service {
            service: decode_service(set.service.as_ref())?,
            ephemeral: set.ephemeral,
            metadata: decode_service_settings(set.metadata)?,
        },
        Kind::Cluster(set) => {
            let (service, cluster, metadata) = decode_cluster(set)?;
            Agreed::Cluster { service, cluster, metadata }
        }
        Kind::Override(set) => Agreed::Override {
            service: decode_service(set.service.as_ref())?,
            address: decode_address(set.address)?,
            value: Override {
                weight: finite(set.weight)?,
                enabled: set.enabled,
                metadata: decode_labels(&set.metadata)?,
            },
        },
        Kind::Instance(published) => Agreed::Instance {
            service: decode_service(published.service.as_ref())?,
            published: HybridTime(published.published),
            instance: Box::new(decode_instance(published.instance.ok_or(IllegalMessage::Missing("an instance"))?)?),
        },
        Kind::Namespace(namespace) => Agreed::Namespace(decode_namespace(namespace)?),
        Kind::Switch(switch) => Agreed::Switch(decode_switch(switch)?),
    })
}

/// An address by IP and port.
pub(super) fn decode_name(
    name: Option<proto::InstanceName>,
) -> Result<(ServiceKey, compact_str::CompactString, u16), IllegalMessage> {
    let name = name.ok_or(IllegalMessage::Missing("an instance"))?;
    Ok((decode_service(name.service.as_ref())?, text(&name.ip)?, port(name.port)?))
}
