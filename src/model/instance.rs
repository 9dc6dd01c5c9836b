//! One published address of a service, and what a client publishes at once.

use std::fmt;

use compact_str::CompactString;
use thiserror::Error;

use crate::model::{DEFAULT_CLUSTER, Metadata, Millis, ServiceKey};

const HEART_BEAT_INTERVAL: &str = "preserved.heart.beat.interval";
const HEART_BEAT_TIMEOUT: &str = "preserved.heart.beat.timeout";
const IP_DELETE_TIMEOUT: &str = "preserved.ip.delete.timeout";
const ENABLE_CLIENT_BEAT: &str = "enableClientBeat";
/// What Nacos reads as yes, in any case (`ConvertUtils.toBoolean`).
const YES: [&str; 5] = ["true", "on", "yes", "y", "t"];
/// Metadata key that names how the id of an instance is made.
const ID_GENERATOR: &str = "preserved.instance.id.generator";

/// One address of a service (Nacos `InstancePublishInfo`).
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// An IP or a host name; may be empty, the protocol allows it.
    pub ip: CompactString,
    /// Zero is legal.
    pub port: u16,
    /// Never blank.
    pub cluster: CompactString,
    /// Finite; not limited to a range, as on the gRPC side of Nacos.
    pub weight: f64,
    /// As the client said: a gRPC client has no heart beat, its connection is.
    pub healthy: bool,
    /// A disabled instance is never shown to readers.
    pub enabled: bool,
    /// Labels.
    pub metadata: Metadata,
    /// The id readers see.
    pub id: InstanceId,
}

/// Where the id of an instance comes from. Most are derived, so most cost nothing to keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum InstanceId {
    /// `<ip>#<port>#<cluster>#<group>@@<service>`, rendered when asked (Nacos generator `simple`).
    #[default]
    Derived,
    /// To be minted when published (Nacos generator `snowflake`).
    Snowflake,
    /// Given by the client, or minted.
    Given(Box<str>),
}

/// The heart beat times of an instance, from its `preserved.*` metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartBeat {
    /// How often a client that beats is to beat.
    pub interval: Millis,
    /// Silence after which it counts as unhealthy.
    pub timeout: Millis,
    /// Silence after which it is removed.
    pub delete_timeout: Millis,
    /// Whether silence counts at all. Metadata `enableClientBeat=true` switches that off: the name says the opposite,
    /// but so does Nacos (`InstanceEnableBeatCheckInterceptor`), and callers rely on it.
    pub expires: bool,
}

/// Why an instance may not be registered (Nacos `NamingUtils.checkInstanceIsLegal` and the id generators).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IllegalInstance {
    /// The beat interval exceeds one of the time-outs.
    #[error("Instance 'heart beat interval' must less than 'heart beat timeout' and 'ip delete timeout'.")]
    HeartBeat,
    /// A cluster name that reads but may not be registered.
    #[error("Instance 'clusterName' should be characters with only 0-9a-zA-Z-. (current: {0})")]
    ClusterName(CompactString),
}

/// An id generator that there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("The InstanceIdGenerator type is not found ")]
pub struct UnknownGenerator;

impl InstanceId {
    /// The id of an instance that names its generator in its metadata, or none.
    pub fn generated(metadata: &Metadata) -> Result<Self, UnknownGenerator> {
        match metadata.get(ID_GENERATOR) {
            None | Some("simple" | "") => Ok(Self::Derived),
            Some("snowflake") => Ok(Self::Snowflake),
            Some(_) => Err(UnknownGenerator),
        }
    }
}

impl Instance {
    /// The times after which a silent instance is unhealthy and removed.
    pub fn heart_beat(&self) -> HeartBeat {
        HeartBeat {
            interval: self.own_beat_interval().unwrap_or(5_000),
            timeout: self.metadata.number(HEART_BEAT_TIMEOUT).unwrap_or(15_000),
            delete_timeout: self.metadata.number(IP_DELETE_TIMEOUT).unwrap_or(30_000),
            expires: !self
                .metadata
                .get(ENABLE_CLIENT_BEAT)
                .is_some_and(|value| YES.iter().any(|yes| yes.eq_ignore_ascii_case(value))),
        }
    }

    /// How often the instance says that it beats, if it does.
    pub fn own_beat_interval(&self) -> Option<Millis> {
        self.metadata.number(HEART_BEAT_INTERVAL)
    }

    /// The id generator readers are told of: the one asked for, or `simple` for an instance without metadata.
    pub fn id_generator(&self) -> Option<&str> {
        if self.metadata.is_empty() { Some("simple") } else { self.metadata.get(ID_GENERATOR) }
    }

    /// Checks what a single registration is checked for; batches are not, as in Nacos.
    pub fn check_legal(&self) -> Result<(), IllegalInstance> {
        let beat = self.heart_beat();
        if beat.timeout < beat.interval || beat.delete_timeout < beat.interval {
            return Err(IllegalInstance::HeartBeat);
        }
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if self.cluster.is_empty() || !self.cluster.bytes().all(legal) {
            return Err(IllegalInstance::ClusterName(self.cluster.clone()));
        }
        Ok(())
    }

    /// The id readers see, for an instance of `service`.
    pub fn display_id<'a>(&'a self, service: &'a ServiceKey) -> impl fmt::Display + 'a {
        fmt::from_fn(move |out| match &self.id {
            InstanceId::Given(id) => out.write_str(id),
            InstanceId::Derived | InstanceId::Snowflake => {
                write!(out, "{}#{}#{}#{}", self.ip, self.port, self.cluster, service.grouped())
            }
        })
    }

    /// What makes two instances of one service the same address. The newer of two that share it hides the older.
    pub fn address(&self) -> (&str, u16, &str) {
        (&self.ip, self.port, &self.cluster)
    }
}

impl Default for Instance {
    fn default() -> Self {
        Self {
            ip: CompactString::default(),
            port: 0,
            cluster: DEFAULT_CLUSTER.into(),
            weight: 1.0,
            healthy: true,
            enabled: true,
            metadata: Metadata::default(),
            id: InstanceId::Derived,
        }
    }
}

/// What one client publishes for one service: the whole of it, replaced as a whole.
#[derive(Clone, Debug, PartialEq)]
pub enum Published {
    /// A single instance.
    One(Box<Instance>),
    /// A batch; an empty one still owns the service (Nacos `BatchInstancePublishInfo`).
    Batch(Box<[Instance]>),
}

impl Published {
    /// The instances, in the order given.
    pub fn instances(&self) -> &[Instance] {
        match self {
            Published::One(instance) => std::slice::from_ref(instance),
            Published::Batch(instances) => instances,
        }
    }

    /// The instances, to be completed before they are published.
    pub fn instances_mut(&mut self) -> &mut [Instance] {
        match self {
            Published::One(instance) => std::slice::from_mut(instance),
            Published::Batch(instances) => instances,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_metadata(pairs: &[(&str, &str)]) -> Instance {
        let metadata = pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        Instance { ip: "10.0.0.1".into(), port: 80, metadata, ..Instance::default() }
    }

    #[test]
    fn heart_beat_times_are_ordered_or_refused() {
        let refused = |pairs: &[(&str, &str)]| with_metadata(pairs).check_legal() == Err(IllegalInstance::HeartBeat);
        assert!(!refused(&[]));
        assert!(refused(&[(HEART_BEAT_INTERVAL, "20000")]));
        assert!(refused(&[(HEART_BEAT_TIMEOUT, "6000"), (IP_DELETE_TIMEOUT, "4000")]));
        assert!(!refused(&[(HEART_BEAT_INTERVAL, "1000"), (HEART_BEAT_TIMEOUT, "6000"), (IP_DELETE_TIMEOUT, "4000")]));
        assert!(!refused(&[(HEART_BEAT_INTERVAL, "abc")]), "text is ignored");
    }

    #[test]
    fn an_instance_expires_unless_its_client_beat_is_enabled() {
        assert!(with_metadata(&[]).heart_beat().expires);
        for (value, expires) in [("true", false), ("Yes", false), ("false", true), ("", true), ("1", true)] {
            assert_eq!(with_metadata(&[(ENABLE_CLIENT_BEAT, value)]).heart_beat().expires, expires, "{value}");
        }
    }

    #[test]
    fn a_cluster_with_an_underscore_reads_but_does_not_register() {
        let instance = Instance { cluster: "c_1".into(), ..Instance::default() };
        assert_eq!(
            instance.check_legal().expect_err("refused").to_string(),
            "Instance 'clusterName' should be characters with only 0-9a-zA-Z-. (current: c_1)"
        );
    }

    #[test]
    fn the_derived_id_has_nacos_form() {
        let key = ServiceKey::new("", "", "orders").expect("legal");
        assert_eq!(with_metadata(&[]).display_id(&key).to_string(), "10.0.0.1#80#DEFAULT#DEFAULT_GROUP@@orders");
    }

    #[test]
    fn the_generator_is_named_as_nacos_names_it() {
        assert_eq!(with_metadata(&[]).id_generator(), Some("simple"));
        assert_eq!(with_metadata(&[("a", "b")]).id_generator(), None);
        assert_eq!(with_metadata(&[(ID_GENERATOR, "snowflake")]).id_generator(), Some("snowflake"));
    }
}
