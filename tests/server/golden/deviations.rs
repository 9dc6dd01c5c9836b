//! What this server answers otherwise than the recorded ones, and why.
//!
//! One list for both versions: an entry must be there in each in which the case is compared.

/// A case that is answered otherwise on purpose.
pub struct Deviation {
    /// Group and name of the case.
    pub id: &'static str,
    /// What is answered instead: every part that differs, numbers of five and more digits as `N`.
    pub ours: &'static str,
    /// Why.
    pub why: &'static str,
}

/// Cases of a feature that is not there yet.
pub struct Waiting {
    /// Which feature.
    pub feature: &'static str,
    /// The group of which all cases wait.
    pub group: &'static str,
    /// Cases of other groups that wait.
    pub ids: &'static [&'static str],
    /// Cases of the group that are answered as recorded without the feature.
    pub ready: &'static [&'static str],
    /// Cases that are several requests of the feature and say nothing without it.
    pub apart: &'static [&'static str],
}

/// Cases that wait for a feature.
pub const WAITING: &[Waiting] = &[Waiting {
    feature: "fuzzy watch",
    group: "NamingFuzzyWatchRequest",
    ids: &["connection without naming label / NamingFuzzyWatchRequest"],
    ready: &[],
    apart: &[
        "NamingFuzzyWatchRequest / service s6: registered, 0.8 s later re-registered, 0.8 s later deregistered: pushes",
        "NamingFuzzyWatchRequest / service s8: batch of one, then empty batch: pushes",
        "NamingFuzzyWatchRequest / many new patterns: [number, resultCode, errorCode]; last answer",
    ],
}];

/// Cases of the older version whose answer changed with the newer one, which is followed.
pub const SUPERSEDED: &[&str] = &[
    "before set-up (fresh transport) / NamingFuzzyWatchRequest",
    "before set-up (fresh transport) / LockOperationRequest",
    "registered connection / HealthCheckRequest, headers null",
    r#"InstanceRequest / weight string "NaN""#,
    "other modules / LockOperationRequest",
    "idle / no request after set-up, detection answered, 46 s: pushes (ms after set-up)",
];

const NAMING: &str = "Whoever is set up may publish and subscribe: a label that all clients send tells nothing \
                      (decision 6). The reference has no client for other labels and calls the connection closed.";
const STREAM: &str = "The stream is the client: without it nothing can be pushed, so its end is the connection's, told as an \
                      error so that SDKs connect again. The reference keeps what it published until the transport ends.";
const NAMESPACE: &str = "No namespace is the default one, for all requests alike (grpc.md 8.1). The reference breaks on a null \
                         pointer or keeps a second namespace without a name.";
const GROUP: &str = "No group is the default one, for all requests alike (grpc.md 8.1). The reference refuses to write and reads \
                     from a group without a name.";
const ADDRESS: &str = "One address is one instance to a reader: the newer hides the older (architecture.md 5.2), where the reference \
                       lists both.";
const MODULE: &str =
    "This server has no such module, and says so in the class the SDK waits for, with nothing of that module in it.";

/// Cases answered otherwise on purpose.
pub const DEVIATIONS: &[Deviation] = &[
    Deviation {
        id: "set-up / labels null",
        ours: "health check: HealthCheckResponse 200/0; registration: InstanceResponse 200/0; pushes: SetupAckRequest; stream: open",
        why: "No labels are no labels. The reference breaks on them: its stream ends in a null pointer.",
    },
    Deviation { id: "set-up / labels missing", ours: "registration: InstanceResponse 200/0", why: NAMING },
    Deviation { id: "set-up / body {}", ours: "registration: InstanceResponse 200/0", why: NAMING },
    Deviation { id: "set-up / label module=config", ours: "registration: InstanceResponse 200/0", why: NAMING },
    Deviation { id: "set-up / label module missing", ours: "registration: InstanceResponse 200/0", why: NAMING },
    Deviation {
        id: "set-up / client half-closes the stream after registering; health check; other client queries; then this client subscribes (a push becomes due)",
        ours: "stream: UNAVAILABLE; health check: gone; hosts seen by another: 0",
        why: STREAM,
    },
    Deviation {
        id: "set-up / client cancels the stream (RST_STREAM) after registering; health check; other client queries",
        ours: "health check: gone; hosts seen by another: 0",
        why: STREAM,
    },
    Deviation {
        id: "set-up / health check sent right after the set-up without waiting, 10 transports: errorCodes",
        ours: "error codes: [0,0,0,0,0,0,0,0,0,0]",
        why: "A request that overtakes the set-up waits for it. The reference answers some with 301 (grpc.md 4.3).",
    },
    Deviation {
        id: "registered connection / HealthCheckRequest, headers null",
        ours: "answer: HealthCheckResponse 200/0",
        why: "Headers are not used, so none are as good as empty ones, as in 2.5.1. 3.0.3 breaks on a null pointer.",
    },
    Deviation {
        id: "InstanceRequest / namespace missing",
        ours: "answer: InstanceResponse 200/0; query: QueryServiceResponse 200/0",
        why: NAMESPACE,
    },
    Deviation { id: "InstanceRequest / namespace null", ours: "answer: InstanceResponse 200/0", why: NAMESPACE },
    Deviation { id: "InstanceRequest / groupName missing", ours: "answer: InstanceResponse 200/0", why: GROUP },
    Deviation { id: "InstanceRequest / groupName null", ours: "answer: InstanceResponse 200/0", why: GROUP },
    Deviation { id: r#"InstanceRequest / groupName """#, ours: "answer: InstanceResponse 200/0", why: GROUP },
    Deviation {
        id: r#"InstanceRequest / weight string "Infinity""#,
        ours: r#"query list: DEFAULT_GROUP@@errN-73 [] ["10.9.9.9:8080@DEFAULT w1.0 {}"]"#,
        why: "Not a number in JSON: Go and Rust clients cannot read the text that the reference answers with.",
    },
    Deviation {
        id: r#"InstanceRequest / metadata {"a":null}"#,
        ours: r#"query keys: with [".serviceInfo.hosts[].instanceIdGenerator"]"#,
        why: "A label that is null is none, so the instance has no labels and the id generator of those is named.",
    },
    Deviation {
        id: "InstanceRequest / deregister with a foreign address: query at once and after 0.9 s",
        ours: "query at once: []",
        why: "What was deregistered is gone for the next query; in the reference it takes until its index has caught up.",
    },
    Deviation {
        id: "InstanceRequest / deregister, namespace missing",
        ours: "answer: InstanceResponse 200/0",
        why: NAMESPACE,
    },
    Deviation {
        id: "InstanceRequest / two connections publish the same address, query",
        ours: r#"answer list: DEFAULT_GROUP@@ownN [] ["10.9.9.9:8080@DEFAULT w3.0 {}"]"#,
        why: ADDRESS,
    },
    Deviation {
        id: "InstanceRequest / read your write: query every 10 ms after register of a new service, then after re-register with port 8081; [ms, hosts]",
        ours: "at once: 1 host, ports [8081]",
        why: "What was acknowledged is in the next query; in the reference it takes until its index has caught up.",
    },
    Deviation {
        id: "BatchInstanceRequest / duplicate address, other weight",
        ours: r#"query list: DEFAULT_GROUP@@batN-150 [] ["10.9.9.9:1@DEFAULT w2.0 {}"]"#,
        why: ADDRESS,
    },
    Deviation {
        id: "BatchInstanceRequest / namespace missing",
        ours: "answer: BatchInstanceResponse 200/0",
        why: NAMESPACE,
    },
    Deviation {
        id: "PersistentInstanceRequest / namespace missing",
        ours: "answer: InstanceResponse 200/0",
        why: NAMESPACE,
    },
    Deviation {
        id: r#"ServiceQueryRequest / groupName """#,
        ours: r#"answer list: DEFAULT_GROUP@@qN [] ["10.9.9.9:1@c1 w1.0 {}", "10.9.9.9:2@c2 w1.0 {}", "10.9.9.9:3@c2 w1.0 {} sick", "10.9.9.9:5@DEFAULT w0.0 {}"]"#,
        why: GROUP,
    },
    Deviation {
        id: "ServiceQueryRequest / groupName missing",
        ours: r#"answer list: DEFAULT_GROUP@@qN [] ["10.9.9.9:1@c1 w1.0 {}", "10.9.9.9:2@c2 w1.0 {}", "10.9.9.9:3@c2 w1.0 {} sick", "10.9.9.9:5@DEFAULT w0.0 {}"]"#,
        why: GROUP,
    },
    Deviation {
        id: r#"ServiceQueryRequest / namespace """#,
        ours: r#"answer list: DEFAULT_GROUP@@qN [] ["10.9.9.9:1@c1 w1.0 {}", "10.9.9.9:2@c2 w1.0 {}", "10.9.9.9:3@c2 w1.0 {} sick", "10.9.9.9:5@DEFAULT w0.0 {}"]"#,
        why: NAMESPACE,
    },
    Deviation {
        id: "ServiceQueryRequest / namespace missing",
        ours: r#"answer list: DEFAULT_GROUP@@qN [] ["10.9.9.9:1@c1 w1.0 {}", "10.9.9.9:2@c2 w1.0 {}", "10.9.9.9:3@c2 w1.0 {} sick", "10.9.9.9:5@DEFAULT w0.0 {}"]"#,
        why: NAMESPACE,
    },
    Deviation {
        id: "SubscribeServiceRequest / identical re-register: pushes",
        ours: "pushes: ",
        why: "Nothing changed, so nothing is pushed. The reference pushes the same list again.",
    },
    Deviation {
        id: r#"SubscribeServiceRequest / groupName """#,
        ours: r#"answer: SubscribeServiceResponse 200/0 success; pushes: NotifySubscriberRequest DEFAULT_GROUP@@qN [] ["10.9.9.9:1@c1 w2.0 {}", "10.9.9.9:2@c2 w1.0 {}"]"#,
        why: GROUP,
    },
    Deviation {
        id: "SubscribeServiceRequest / groupName missing",
        ours: "answer: SubscribeServiceResponse 200/0 success",
        why: GROUP,
    },
    Deviation {
        id: "SubscribeServiceRequest / namespace missing",
        ours: r#"answer list: DEFAULT_GROUP@@qN [] ["10.9.9.9:1@c1 w2.0 {}", "10.9.9.9:2@c2 w1.0 {}"]; pushes: "#,
        why: NAMESPACE,
    },
    Deviation {
        id: r#"SubscribeServiceRequest / namespace """#,
        ours: r#"answer list: DEFAULT_GROUP@@qN [] ["10.9.9.9:1@c1 w2.0 {}", "10.9.9.9:2@c2 w1.0 {}"]; pushes: "#,
        why: NAMESPACE,
    },
    Deviation {
        id: r#"ServiceListRequest / groupName """#,
        ours: r#"answer names: 5 ["s1", "s2", "s3", "s4", "s5"]"#,
        why: GROUP,
    },
    Deviation {
        id: "ServiceListRequest / groupName missing",
        ours: r#"answer names: 5 ["s1", "s2", "s3", "s4", "s5"]"#,
        why: GROUP,
    },
    Deviation {
        id: "ServiceListRequest / namespace missing",
        ours: "answer: ServiceListResponse 200/0",
        why: NAMESPACE,
    },
    Deviation { id: r#"ServiceListRequest / namespace """#, ours: "answer names: 10 of many", why: NAMESPACE },
    Deviation {
        id: "other modules / ConfigQueryRequest, absent",
        ours: r#"answer: ConfigQueryResponse 500/501 ConfigQueryRequest is not supported by this server; answer keys: without [".beta", ".lastModified"]"#,
        why: MODULE,
    },
    Deviation {
        id: "other modules / LockOperationRequest",
        ours: r#"answer: LockOperationResponse 500/501 LockOperationRequest is not supported by this server; answer keys: without [".result"]"#,
        why: MODULE,
    },
    Deviation {
        id: "connection without naming label / InstanceRequest register",
        ours: "answer: InstanceResponse 200/0",
        why: NAMING,
    },
    Deviation {
        id: "connection without naming label / InstanceRequest deregister",
        ours: "answer: InstanceResponse 200/0",
        why: NAMING,
    },
    Deviation {
        id: "connection without naming label / BatchInstanceRequest",
        ours: "answer: BatchInstanceResponse 200/0",
        why: NAMING,
    },
    Deviation {
        id: "connection without naming label / SubscribeServiceRequest",
        ours: "answer: SubscribeServiceResponse 200/0 success",
        why: NAMING,
    },
    Deviation {
        id: "connection without naming label / unsubscribe",
        ours: "answer: SubscribeServiceResponse 200/0 success",
        why: NAMING,
    },
    Deviation {
        id: "connection without naming label / ServiceQueryRequest",
        ours: r#"answer list: DEFAULT_GROUP@@cfgN [] ["1.1.1.1:1@DEFAULT w1.0 {}"]"#,
        why: NAMING,
    },
    Deviation {
        id: "idle / no request after set-up, detection not answered: pushes and stream end (ms after set-up)",
        ours: "stream: UNAVAILABLE",
        why: "The silent client is told by an error: the Python SDK takes no notice of an orderly end (grpc.md 4.6).",
    },
    Deviation {
        id: "stream gone, transport alive / half-close by the client, then a push becomes due: [ms, errorCode of health check, hosts seen by another client]",
        ours: "stream: UNAVAILABLE; health check: gone; hosts seen by another: 0",
        why: STREAM,
    },
    Deviation {
        id: "stream gone, transport alive / cancel by the client, then a push becomes due: [ms, errorCode of health check, hosts seen by another client]",
        ours: "health check: gone; hosts seen by another: 0",
        why: STREAM,
    },
    Deviation {
        id: "detection / six idle connections that answer every ClientDetectionRequest at once, after 30 s: [detections at ms, stream end, at ms]",
        ours: "streams left: 6",
        why: "Each answered its probe, so each stays. The reference drops the last to answer, a race of its own (semantics.md W12).",
    },
];
