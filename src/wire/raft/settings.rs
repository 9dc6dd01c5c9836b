//! What operators set, in bytes.

use compact_str::{CompactString, ToCompactString};

use crate::{
    model::{
        Address, ClusterMetadata, HealthChecker, Metadata, Namespace, Selector, ServiceKey, ServiceMetadata, limits,
    },
    proto::{
        peer::Label,
        raft::{self as proto, cluster_metadata::Checker},
    },
    wire::peer::{IllegalMessage, decode_service, encode_service},
};

/// A text that a client or an operator could have sent.
pub(super) fn text(text: &str) -> Result<CompactString, IllegalMessage> {
    if text.len() > limits::MESSAGE_BYTES {
        return Err(IllegalMessage::Length("a text", text.len()));
    }
    Ok(text.into())
}

fn optional(given: Option<&str>) -> Result<Option<CompactString>, IllegalMessage> {
    given.map(text).transpose()
}

fn own(text: &Option<CompactString>) -> Option<String> {
    text.as_deref().map(str::to_owned)
}

pub(super) fn finite(bits: u64) -> Result<f64, IllegalMessage> {
    Some(f64::from_bits(bits)).filter(|number| number.is_finite()).ok_or(IllegalMessage::Range("a number"))
}

pub(super) fn port(port: u32) -> Result<u16, IllegalMessage> {
    u16::try_from(port).map_err(|_| IllegalMessage::Range("a port"))
}

pub(super) fn encode_labels(labels: &Metadata) -> Vec<Label> {
    labels.iter().map(|(key, value)| Label { key: key.into(), value: value.into() }).collect()
}

pub(super) fn decode_labels(labels: &[Label]) -> Result<Metadata, IllegalMessage> {
    labels.iter().map(|label| Ok((text(&label.key)?, text(&label.value)?))).collect()
}

pub(super) fn encode_address(address: &Address) -> proto::Address {
    proto::Address {
        ip: address.ip.as_str().into(),
        port: address.port.into(),
        cluster: address.cluster.as_str().into(),
    }
}

pub(super) fn decode_address(address: Option<proto::Address>) -> Result<Address, IllegalMessage> {
    let address = address.ok_or(IllegalMessage::Missing("an address"))?;
    Ok(Address { ip: text(&address.ip)?, port: port(address.port)?, cluster: text(&address.cluster)? })
}

pub(super) fn encode_service_settings(set: &ServiceMetadata) -> proto::ServiceMetadata {
    proto::ServiceMetadata {
        protect_threshold: set.protect_threshold.map(f64::to_bits),
        selector: match &set.selector {
            Selector::None => None,
            Selector::Label { expression, labels } => Some(proto::LabelSelector {
                expression: own(expression),
                labels: labels.iter().map(|label| label.as_str().into()).collect(),
            }),
        },
        metadata: encode_labels(&set.metadata),
    }
}

pub(super) fn decode_service_settings(set: Option<proto::ServiceMetadata>) -> Result<ServiceMetadata, IllegalMessage> {
    let set = set.ok_or(IllegalMessage::Missing("settings of a service"))?;
    let selector = |by: proto::LabelSelector| -> Result<Selector, IllegalMessage> {
        let labels = by.labels.iter().map(|label| text(label)).collect::<Result<_, _>>()?;
        Ok(Selector::Label { expression: optional(by.expression.as_deref())?, labels })
    };
    Ok(ServiceMetadata {
        protect_threshold: set.protect_threshold.map(finite).transpose()?,
        selector: set.selector.map(selector).transpose()?.unwrap_or_default(),
        metadata: decode_labels(&set.metadata)?,
    })
}

pub(super) fn encode_cluster(service: &ServiceKey, name: &str, set: &ClusterMetadata) -> proto::Cluster {
    let checker = match &set.checker {
        HealthChecker::Tcp => Some(Checker::Tcp(proto::TcpChecker {})),
        HealthChecker::Http { path, headers, expected_response_code } => Some(Checker::Http(proto::HttpChecker {
            path: path.as_str().into(),
            headers: headers.as_str().into(),
            expected_response_code: u32::from(*expected_response_code),
        })),
        HealthChecker::Mysql { user, password, command } => Some(Checker::Mysql(proto::MysqlChecker {
            user: own(user),
            password: own(password),
            command: own(command),
        })),
        HealthChecker::None => None,
    };
    proto::Cluster {
        service: Some(encode_service(service)),
        name: name.into(),
        metadata: Some(proto::ClusterMetadata {
            checker,
            check_port: set.check_port.into(),
            use_instance_port: set.use_instance_port,
            metadata: encode_labels(&set.metadata),
        }),
    }
}

pub(super) fn decode_cluster(
    set: proto::Cluster,
) -> Result<(ServiceKey, CompactString, ClusterMetadata), IllegalMessage> {
    let metadata = set.metadata.ok_or(IllegalMessage::Missing("settings of a cluster"))?;
    let checker = match metadata.checker {
        None => HealthChecker::None,
        Some(Checker::Tcp(_)) => HealthChecker::Tcp,
        Some(Checker::Http(by)) => HealthChecker::Http {
            path: text(&by.path)?,
            headers: text(&by.headers)?,
            expected_response_code: port(by.expected_response_code)?,
        },
        Some(Checker::Mysql(by)) => HealthChecker::Mysql {
            user: optional(by.user.as_deref())?,
            password: optional(by.password.as_deref())?,
            command: optional(by.command.as_deref())?,
        },
    };
    let metadata = ClusterMetadata {
        checker,
        check_port: port(metadata.check_port)?,
        use_instance_port: metadata.use_instance_port,
        metadata: decode_labels(&metadata.metadata)?,
    };
    Ok((decode_service(set.service.as_ref())?, text(&set.name)?, metadata))
}

pub(super) fn encode_namespace(namespace: &Namespace) -> proto::Namespace {
    proto::Namespace {
        id: namespace.id.as_str().into(),
        name: namespace.name.as_str().into(),
        description: own(&namespace.description),
    }
}

pub(super) fn decode_namespace(namespace: proto::Namespace) -> Result<Namespace, IllegalMessage> {
    Ok(Namespace {
        id: text(&namespace.id)?,
        name: text(&namespace.name)?,
        description: namespace.description.map(|text| text.to_compact_string()),
    })
}
