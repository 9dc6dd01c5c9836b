//! What operators set on a service, on its clusters and on its instances, beside what clients publish (Nacos
//! `ServiceMetadata`, `ClusterMetadata`, `InstanceMetadata`).

use compact_str::CompactString;

use crate::model::Metadata;

/// Settings of a service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceMetadata {
    /// At this share of healthy instances or below, readers are shown all as healthy; none for never. Not limited to
    /// 0 to 1, as in Nacos.
    pub protect_threshold: Option<f64>,
    /// Which instances a subscriber gets. Kept and shown; without a CMDB, which Roster has not, all instances match.
    pub selector: Selector,
    /// Labels of the service.
    pub metadata: Metadata,
}

/// A rule for who gets which instances (Nacos `Selector`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selector {
    /// All get all.
    #[default]
    None,
    /// By equal labels in a CMDB.
    Label {
        /// Terms joined by `&`, as given.
        expression: Option<CompactString>,
        /// The labels that must be equal, from the expression.
        labels: Vec<CompactString>,
    },
}

/// Settings of one cluster of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterMetadata {
    /// How its persistent instances are found healthy.
    pub checker: HealthChecker,
    /// The port to check when it is not the instance's own.
    pub check_port: u16,
    /// Whether the instance's own port is checked.
    pub use_instance_port: bool,
    /// Labels of the cluster.
    pub metadata: Metadata,
}

impl Default for ClusterMetadata {
    fn default() -> Self {
        Self { checker: HealthChecker::Tcp, check_port: 80, use_instance_port: true, metadata: Metadata::default() }
    }
}

/// How a server finds an instance healthy (Nacos `AbstractHealthChecker`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthChecker {
    /// By a connection.
    Tcp,
    /// By a GET.
    Http {
        /// Path and query.
        path: CompactString,
        /// Headers, `name:value` joined by `|`.
        headers: CompactString,
        /// Kept and shown; only 200 counts, as in Nacos.
        expected_response_code: u16,
    },
    /// By a query.
    Mysql {
        /// Who asks.
        user: Option<CompactString>,
        /// Their password.
        password: Option<CompactString>,
        /// What is asked.
        command: Option<CompactString>,
    },
    /// Not by a server: somebody tells it.
    None,
}

/// What makes an instance's address within its service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// An IP or a host name.
    pub ip: CompactString,
    /// Zero is legal.
    pub port: u16,
    /// Its cluster.
    pub cluster: CompactString,
}

/// What an operator set on one instance; it wins over what the instance's client publishes (Nacos `InstanceMetadata`).
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// In place of the published weight.
    pub weight: f64,
    /// In place of the published flag.
    pub enabled: bool,
    /// Added to the published labels, in place of those with the same key.
    pub metadata: Metadata,
}

/// How an operator changes an override. What is kept needs a value for when there is none yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Amendment {
    /// The weight.
    pub weight: Amended<f64>,
    /// Whether readers see the instance.
    pub enabled: Amended<bool>,
    /// The labels.
    pub metadata: AmendedMetadata,
}

/// One value of an amendment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amended<T> {
    /// What was set before, or else this.
    Keep(T),
    /// This.
    Set(T),
}

/// The labels of an amendment.
#[derive(Clone, Debug, PartialEq)]
pub enum AmendedMetadata {
    /// Those set before.
    Keep,
    /// These alone.
    Replace(Metadata),
    /// These beside those set before.
    Merge(Metadata),
    /// Those set before without the keys of these.
    Remove(Metadata),
}

impl Amendment {
    /// What an override becomes.
    pub fn amend(&self, before: Option<Override>) -> Override {
        let (weight, enabled, metadata) = match before {
            Some(before) => (Some(before.weight), Some(before.enabled), before.metadata),
            None => (None, None, Metadata::default()),
        };
        Override {
            weight: self.weight.amend(weight),
            enabled: self.enabled.amend(enabled),
            metadata: match &self.metadata {
                AmendedMetadata::Keep => metadata,
                AmendedMetadata::Replace(these) => these.clone(),
                AmendedMetadata::Merge(these) => metadata.merged(these),
                AmendedMetadata::Remove(these) => metadata.without(these),
            },
        }
    }
}

impl<T: Copy> Amended<T> {
    fn amend(self, before: Option<T>) -> T {
        match self {
            Amended::Keep(value) => before.unwrap_or(value),
            Amended::Set(value) => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(pairs: &[(&str, &str)]) -> Metadata {
        pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    }

    #[test]
    fn an_amendment_keeps_what_it_does_not_set() {
        let labels = AmendedMetadata::Merge(metadata(&[("b", "2")]));
        let amendment = Amendment { weight: Amended::Set(3.0), enabled: Amended::Keep(true), metadata: labels };
        let first = amendment.amend(None);
        assert_eq!(first, Override { weight: 3.0, enabled: true, metadata: metadata(&[("b", "2")]) });
        let labels = AmendedMetadata::Merge(metadata(&[("a", "1")]));
        let amendment = Amendment { weight: Amended::Keep(9.0), enabled: Amended::Set(false), metadata: labels };
        let second = amendment.amend(Some(first));
        assert_eq!(second, Override { weight: 3.0, enabled: false, metadata: metadata(&[("a", "1"), ("b", "2")]) });
        let labels = AmendedMetadata::Remove(metadata(&[("a", "whatever")]));
        let amendment = Amendment { weight: Amended::Keep(9.0), enabled: Amended::Keep(true), metadata: labels };
        assert_eq!(amendment.amend(Some(second)).metadata, metadata(&[("b", "2")]));
    }
}
