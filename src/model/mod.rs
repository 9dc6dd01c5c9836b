//! The vocabulary of a registry: checked names, instances, client ids, time and limits.
//!
//! Owns the values every floor above speaks in. A value of these types is right by construction; what is wrong is
//! refused here, in the words a Nacos client knows. Never reads a clock, never knows a byte format.

mod agreed;
mod attributes;
mod client_id;
mod client_state;
mod cluster_filter;
mod consistency;
mod host_port;
mod instance;
pub mod limits;
mod metadata;
mod name;
mod namespace;
mod node_id;
mod proposal;
mod service_metadata;
mod switches;
mod time;

pub use agreed::{Agreed, AgreedChange, AgreedKey};
pub use attributes::Attributes;
pub use client_id::ClientId;
pub use client_state::{ClientState, Publication, Version};
pub use cluster_filter::ClusterFilter;
pub use consistency::{CONSISTENCY, Consistency, UnknownConsistency};
pub use host_port::{HostPort, IllegalHostPort};
pub use instance::{HeartBeat, IllegalInstance, Instance, InstanceId, Published, UnknownGenerator};
pub use metadata::Metadata;
pub use name::{
    DEFAULT_CLUSTER, DEFAULT_GROUP, DEFAULT_NAMESPACE, IllegalParam, Param, ServiceKey, check_param, check_port,
};
pub use namespace::{Namespace, NamespaceOperation, NamespaceRefused};
pub use node_id::{IllegalNodeId, Incarnation, NodeId};
pub use proposal::{Forgotten, MetadataOperation, Outcome, PersistentOperation, Proposal, ProposalId};
pub use service_metadata::{
    Address, Amended, AmendedMetadata, Amendment, ClusterMetadata, HealthChecker, Override, Selector, ServiceMetadata,
};
pub use switches::{Flag, Language, Probe, ProbePace, ServerStatus, Span, Switch, Switches};
pub use time::{HybridClock, HybridTime, Merged, Millis, Now, Tick};
