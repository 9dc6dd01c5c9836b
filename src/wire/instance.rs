//! The instance object of requests.

use compact_str::CompactString;
use serde::Deserialize;

use crate::{
    model::{DEFAULT_CLUSTER, Instance, InstanceId, Metadata, Param, ServiceKey, check_param, check_port},
    wire::{Refusal, json},
};

/// An instance as clients write it. Unknown fields, among them `ephemeral` and the heart beat times, are ignored: the
/// first follows from the request, the others from the metadata.
#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct InstanceForm {
    #[serde(deserialize_with = "json::optional_text")]
    instance_id: Option<CompactString>,
    #[serde(deserialize_with = "json::text")]
    ip: CompactString,
    #[serde(deserialize_with = "json::integer")]
    port: i32,
    #[serde(deserialize_with = "json::number")]
    weight: f64,
    #[serde(deserialize_with = "json::boolean")]
    healthy: bool,
    #[serde(deserialize_with = "json::boolean")]
    enabled: bool,
    #[serde(deserialize_with = "json::text")]
    cluster_name: CompactString,
    #[serde(deserialize_with = "json::text")]
    service_name: CompactString,
    #[serde(deserialize_with = "json::text_map")]
    metadata: Metadata,
}

impl Default for InstanceForm {
    fn default() -> Self {
        Self {
            instance_id: None,
            ip: CompactString::default(),
            port: 0,
            weight: 1.0,
            healthy: true,
            enabled: true,
            cluster_name: CompactString::default(),
            service_name: CompactString::default(),
            metadata: Metadata::default(),
        }
    }
}

impl InstanceForm {
    /// The parameter check of Nacos, in its order.
    pub(super) fn check_params(&self) -> Result<(), Refusal> {
        check_param(Param::Cluster, &self.cluster_name).map_err(Refusal::param)?;
        check_param(Param::Ip, &self.ip).map_err(Refusal::param)?;
        check_port(self.port.into()).map_err(Refusal::param)?;
        self.metadata.check_length().map_err(Refusal::param)
    }

    /// Completes the instance for `service`.
    pub(super) fn into_instance(self, service: &ServiceKey) -> Result<Instance, Refusal> {
        let port = check_port(self.port.into()).map_err(Refusal::param)?;
        let id = self.id()?;
        let cluster = if self.cluster_name.is_empty() { DEFAULT_CLUSTER.into() } else { self.cluster_name };
        let mut instance = Instance {
            ip: self.ip,
            port,
            cluster,
            weight: self.weight,
            healthy: self.healthy,
            enabled: self.enabled,
            metadata: self.metadata,
            id,
        };
        // A name of its own stands in the id instead of the service's; Nacos keeps this quirk and so do ids made by it.
        if instance.id == InstanceId::Derived && !self.service_name.trim().is_empty() {
            let (ip, port, cluster) = instance.address();
            instance.id = InstanceId::Given(format!("{ip}#{port}#{cluster}#{}", self.service_name).into());
        }
        // The id that a client read and sends back is the derived one: not worth keeping.
        if let InstanceId::Given(given) = &instance.id {
            let derived = Instance { id: InstanceId::Derived, ..instance.clone() };
            if derived.display_id(service).to_string() == **given {
                instance = derived;
            }
        }
        Ok(instance)
    }

    /// The same for what is not checked further: a single registration is refused for a blank cluster, but nobody is in one.
    pub(super) fn into_lenient_instance(self, service: &ServiceKey) -> Result<Instance, Refusal> {
        let mut instance = self.into_instance(service)?;
        if instance.cluster.trim().is_empty() {
            instance.cluster = DEFAULT_CLUSTER.into();
        }
        Ok(instance)
    }

    /// Where the instance is; nothing else of it need be legal to be taken back.
    pub(super) fn into_address(self) -> Result<(CompactString, u16), Refusal> {
        let port = check_port(self.port.into()).map_err(Refusal::param)?;
        Ok((self.ip, port))
    }

    fn id(&self) -> Result<InstanceId, Refusal> {
        if let Some(given) = self.instance_id.as_ref().filter(|id| !id.is_empty()) {
            return Ok(InstanceId::Given(given.as_str().into()));
        }
        InstanceId::generated(&self.metadata).map_err(|unknown| Refusal::thrown(500, unknown.to_string()))
    }

    /// A batch is also checked for the service names inside its members, as in Nacos.
    pub(super) fn check_service_name(&self) -> Result<(), Refusal> {
        check_param(Param::Service, &self.service_name).map_err(Refusal::param)
    }
}
