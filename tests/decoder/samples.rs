//! Bodies as real clients write them, each with the type its envelope names: what tests mutate, fuzzing starts from and
//! benches measure.

/// Type and body.
pub const SAMPLES: &[(&str, &str)] = &[
    // Java leaves out what it was not given; Go sends zero values; Rust sends nulls; Python sends empty texts.
    ("ServerCheckRequest", r#"{"headers":{},"module":"internal"}"#),
    ("HealthCheckRequest", r#"{"headers":{},"requestId":null}"#),
    (
        "ConnectionSetupRequest",
        r#"{"headers":{},"clientVersion":"Nacos-Java-Client:v3.0.3","labels":{"source":"sdk","module":"naming","AppName":"unknown","tls.enable":"false"},"abilityTable":{"fuzzyWatch":true,"lock":true,"mcp":true},"module":"internal"}"#,
    ),
    (
        "ConnectionSetupRequest",
        r#"{"clientVersion":"Nacos-Rust-Client:0.8.3","abilities":{"namingAbility":{"supportDeltaPush":false}},"tenant":"public","labels":{"source":"sdk","module":"naming","AppName":"unknown"},"headers":{},"requestId":null}"#,
    ),
    ("InstanceRequest", REGISTER_JAVA),
    ("InstanceRequest", REGISTER_GO),
    (
        "InstanceRequest",
        r#"{"type":"registerInstance","instance":{"instanceId":null,"ip":"10.1.2.6","port":8080,"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"DEFAULT","serviceName":null,"metadata":{}},"headers":{},"requestId":"3","namespace":"public","serviceName":"orders","groupName":"DEFAULT_GROUP"}"#,
    ),
    (
        "InstanceRequest",
        r#"{"requestId":"","namespace":"public","serviceName":"orders","groupName":"DEFAULT_GROUP","module":"naming","type":"deregisterInstance","instance":{"instanceId":"","ip":"10.1.2.3","port":8080,"weight":0,"healthy":false,"enabled":false,"ephemeral":true,"clusterName":"","serviceName":"","metadata":null,"instanceHeartBeatInterval":0,"ipDeleteTimeout":0,"instanceHeartBeatTimeOut":0}}"#,
    ),
    (
        "BatchInstanceRequest",
        r#"{"headers":{},"namespace":"public","serviceName":"orders","groupName":"DEFAULT_GROUP","type":"batchRegisterInstance","instances":[{"ip":"10.1.2.3","port":8080,"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"c1","metadata":{"zone":"a"}},{"ip":"10.1.2.3","port":8081,"weight":2.5,"healthy":false,"enabled":true,"ephemeral":true,"metadata":{"preserved.instance.id.generator":"snowflake"}}],"module":"naming"}"#,
    ),
    ("SubscribeServiceRequest", SUBSCRIBE_PYTHON),
    (
        "SubscribeServiceRequest",
        r#"{"headers":{},"namespace":"public","serviceName":"orders","groupName":"DEFAULT_GROUP","subscribe":false,"clusters":"c1,c2","module":"naming"}"#,
    ),
    ("ServiceQueryRequest", QUERY_RUST),
    (
        "ServiceListRequest",
        r#"{"pageNo":1,"pageSize":10,"selector":null,"headers":{},"requestId":null,"namespace":"public","serviceName":null,"groupName":"DEFAULT_GROUP"}"#,
    ),
    ("NotifySubscriberResponse", ACK_JAVA),
    ("NotifySubscriberResponse", r#"{"__type":"NotifySubscriberResponse","resultCode":200,"message":"success"}"#),
    ("ConfigQueryRequest", r#"{"headers":{},"dataId":"x","group":"g","tenant":"","module":"config"}"#),
];

/// A registration by the Java SDK.
pub const REGISTER_JAVA: &str = r#"{"headers":{},"namespace":"public","serviceName":"orders","groupName":"DEFAULT_GROUP","type":"registerInstance","instance":{"ip":"10.1.2.3","port":8080,"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,"metadata":{"zone":"a","version":"1.4.2"},"instanceHeartBeatInterval":5000,"instanceHeartBeatTimeOut":15000,"ipDeleteTimeout":30000,"instanceIdGenerator":"simple"},"module":"naming"}"#;

/// A registration by the Go SDK.
pub const REGISTER_GO: &str = r#"{"requestId":"","namespace":"public","serviceName":"orders","groupName":"DEFAULT_GROUP","module":"naming","type":"registerInstance","instance":{"instanceId":"","ip":"10.1.2.4","port":8080,"weight":1,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"","serviceName":"","metadata":{},"instanceHeartBeatInterval":0,"ipDeleteTimeout":0,"instanceHeartBeatTimeOut":0}}"#;

/// A subscription by the Python SDK.
pub const SUBSCRIBE_PYTHON: &str = r#"{"headers":{"app":""},"requestId":"","module":"","namespace":"public","serviceName":"orders","groupName":"DEFAULT_GROUP","subscribe":true,"clusters":""}"#;

/// A query by the Rust SDK.
pub const QUERY_RUST: &str = r#"{"cluster":"","healthyOnly":false,"udpPort":0,"headers":{},"requestId":"5","namespace":"public","serviceName":"orders","groupName":"DEFAULT_GROUP"}"#;

/// The ack of a push by the Java SDK.
pub const ACK_JAVA: &str = r#"{"resultCode":200,"errorCode":0,"requestId":"12","success":true}"#;
