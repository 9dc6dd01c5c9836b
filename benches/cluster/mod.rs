//! The typical cluster that benches measure: services with instances as SDKs publish them.
//! Fixed: the same in every run and every bench.

use roster::model::{Instance, ServiceKey};

/// Services.
pub const SERVICES: usize = 200;
/// Instances of each.
pub const INSTANCES: usize = 10;

/// The key of service number `service`.
pub fn service(service: usize) -> ServiceKey {
    ServiceKey::new("public", "DEFAULT_GROUP", &format!("shop-order-service-{service:03}")).expect("a legal name")
}

/// Instance `place` of a service, with the labels that Spring Cloud and Dubbo write; `version` tells its states apart.
pub fn instance(service: usize, place: usize, version: u64) -> Instance {
    let labels = [
        ("preserved.register.source", "SPRING_CLOUD".to_owned()),
        ("version", format!("1.4.{version}")),
        ("zone", format!("eu-west-1{}", ["a", "b", "c"][place % 3])),
        ("dubbo.metadata-service.url-params", r#"{"dubbo":"2.0.2","port":"20880"}"#.to_owned()),
    ];
    Instance {
        ip: format!("10.{}.{}.{place}", service / 250, service % 250).into(),
        port: 8080,
        metadata: labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
        ..Instance::default()
    }
}
