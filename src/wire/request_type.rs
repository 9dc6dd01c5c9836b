//! The closed set of request types a Nacos client may send, and which response class answers each.

/// A request type by its simple class name, the only dispatch key of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestType {
    /// Answered on any transport, whatever its body.
    ServerCheck,
    /// Keeps a connection alive.
    HealthCheck,
    /// Register or deregister one ephemeral instance.
    Instance,
    /// Replace all that the connection publishes for a service.
    BatchInstance,
    /// Register or deregister one persistent instance.
    PersistentInstance,
    /// Read a service without subscribing.
    ServiceQuery,
    /// Page through service names.
    ServiceList,
    /// Subscribe or unsubscribe.
    SubscribeService,
    /// A type of another module or of a feature that is not there: its name and its response class.
    NotImplemented(&'static str, &'static str),
    /// A type that only servers send each other.
    ClusterOnly(&'static str),
}

/// Types of clients that expect more than naming, each with the response class its SDK waits for (grpc.md 9.2 and 11).
const NOT_IMPLEMENTED: [(&str, &str); 14] = [
    ("NamingFuzzyWatchRequest", "NamingFuzzyWatchResponse"),
    ("ConfigQueryRequest", "ConfigQueryResponse"),
    ("ConfigPublishRequest", "ConfigPublishResponse"),
    ("ConfigRemoveRequest", "ConfigRemoveResponse"),
    ("ConfigBatchListenRequest", "ConfigChangeBatchListenResponse"),
    ("ConfigFuzzyWatchRequest", "ConfigFuzzyWatchResponse"),
    ("LockOperationRequest", "LockOperationResponse"),
    ("QueryMcpServerRequest", "QueryMcpServerResponse"),
    ("ReleaseMcpServerRequest", "ReleaseMcpServerResponse"),
    ("McpServerEndpointRequest", "McpServerEndpointResponse"),
    ("QueryAgentCardRequest", "QueryAgentCardResponse"),
    ("ReleaseAgentCardRequest", "ReleaseAgentCardResponse"),
    ("AgentEndpointRequest", "AgentEndpointResponse"),
    ("QueryPromptRequest", "QueryPromptResponse"),
];

/// Types that are for the cluster port only (grpc.md 10).
const CLUSTER_ONLY: [&str; 5] = [
    "DistroDataRequest",
    "MemberReportRequest",
    "ServerLoaderInfoRequest",
    "ServerReloadRequest",
    "ConfigChangeClusterSyncRequest",
];

impl RequestType {
    /// The type of that name; none for whatever no handler of a Nacos server exists for.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "ServerCheckRequest" => Self::ServerCheck,
            "HealthCheckRequest" => Self::HealthCheck,
            "InstanceRequest" => Self::Instance,
            "BatchInstanceRequest" => Self::BatchInstance,
            "PersistentInstanceRequest" => Self::PersistentInstance,
            "ServiceQueryRequest" => Self::ServiceQuery,
            "ServiceListRequest" => Self::ServiceList,
            "SubscribeServiceRequest" => Self::SubscribeService,
            _ => {
                let foreign = NOT_IMPLEMENTED.iter().find(|(request, _)| *request == name);
                if let Some((request, response)) = foreign {
                    return Some(Self::NotImplemented(request, response));
                }
                Self::ClusterOnly(CLUSTER_ONLY.into_iter().find(|request| *request == name)?)
            }
        })
    }

    /// The class name of the request.
    pub fn name(self) -> &'static str {
        match self {
            Self::ServerCheck => "ServerCheckRequest",
            Self::HealthCheck => "HealthCheckRequest",
            Self::Instance => "InstanceRequest",
            Self::BatchInstance => "BatchInstanceRequest",
            Self::PersistentInstance => "PersistentInstanceRequest",
            Self::ServiceQuery => "ServiceQueryRequest",
            Self::ServiceList => "ServiceListRequest",
            Self::SubscribeService => "SubscribeServiceRequest",
            Self::NotImplemented(request, _) | Self::ClusterOnly(request) => request,
        }
    }

    /// The class name of its response.
    pub fn response(self) -> &'static str {
        match self {
            Self::ServerCheck => "ServerCheckResponse",
            Self::HealthCheck => "HealthCheckResponse",
            Self::Instance | Self::PersistentInstance => "InstanceResponse",
            Self::BatchInstance => "BatchInstanceResponse",
            Self::ServiceQuery => "QueryServiceResponse",
            Self::ServiceList => "ServiceListResponse",
            Self::SubscribeService => "SubscribeServiceResponse",
            Self::NotImplemented(_, response) => response,
            Self::ClusterOnly(_) => "ErrorResponse",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_case_sensitive_and_responses_are_no_requests() {
        assert_eq!(RequestType::of("serverCheckRequest"), None);
        assert_eq!(RequestType::of("HealthCheckResponse"), None);
        assert_eq!(RequestType::of("ConnectionSetupRequest"), None, "travels on the stream only");
        assert_eq!(RequestType::of("NotifySubscriberRequest"), None);
    }

    #[test]
    fn every_name_leads_back_to_its_type() {
        for (request, response) in NOT_IMPLEMENTED {
            let found = RequestType::of(request).expect("known");
            assert_eq!((found.name(), found.response()), (request, response));
        }
        for request in CLUSTER_ONLY {
            assert_eq!(RequestType::of(request), Some(RequestType::ClusterOnly(request)));
        }
        for request in ["ServerCheckRequest", "InstanceRequest", "SubscribeServiceRequest"] {
            assert_eq!(RequestType::of(request).expect("known").name(), request);
        }
    }
}
