//! Instances as targets of Prometheus, which asks for them over HTTP (http.md 13.1).

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::Serialize;

use crate::{
    http::nacos::{
        Answer, Call, Fault,
        Generation::V1,
        Route, Step,
        operation::{
            Method::Get,
            Operation, Param,
            param::{NAMESPACE, SERVICE},
        },
        search::Search,
    },
    model::{Instance, ServiceKey},
    registry::Among,
};

/// How the paths of all begin.
pub(super) const ROOT: &str = "/prometheus";

pub(super) const ROUTES: &[Route] = &[
    Route::new(Get, ROOT, V1, &TARGETS),
    Route::new(Get, "/prometheus/namespaceId/{namespaceId}", V1, &TARGETS_OF_NAMESPACE),
    Route::new(Get, "/prometheus/namespaceId/{namespaceId}/service/{serviceName}", V1, &TARGETS_OF_SERVICE),
];

const TARGETS: Operation = Operation {
    name: "listTargets",
    summary: "Lists all instances as targets of Prometheus.",
    params: &[],
    faults: &[],
    run: |call| targets(call, None, None),
};

const TARGETS_OF_NAMESPACE: Operation = Operation {
    name: "listTargetsOfNamespace",
    summary: "Lists the instances of a namespace as targets of Prometheus.",
    params: &[NAMESPACE.required()],
    faults: &[],
    run: |call| targets(call, Some(namespace(call)?), None),
};

const TARGETS_OF_SERVICE: Operation = Operation {
    name: "listTargetsOfService",
    summary: "Lists the instances of the services of one name, in all groups, as targets of Prometheus.",
    params: &[NAMESPACE.required(), Param { about: "Name of the service, without a group.", ..SERVICE }],
    faults: &[],
    run: |call| targets(call, Some(namespace(call)?), Some(call.params.text(SERVICE.name))),
};

/// One target with its labels.
#[derive(Serialize)]
struct Target {
    targets: [String; 1],
    labels: BTreeMap<String, CompactString>,
}

impl Target {
    /// Labels whose names become equal: the last one stays, and no metadata replace the cluster.
    fn new(instance: &Instance) -> Self {
        let address = if instance.ip.contains(':') && !instance.ip.starts_with('[') {
            format!("[{}]:{}", instance.ip, instance.port)
        } else {
            format!("{}:{}", instance.ip, instance.port)
        };
        let labels = instance.metadata.iter().map(|(key, value)| (key.replace(['.', '-'], "_"), value.into()));
        let cluster = [("__meta_clusterName".to_owned(), instance.cluster.clone())];
        Self { targets: [address], labels: labels.chain(cluster).collect() }
    }
}

fn namespace(call: &Call<'_>) -> Result<CompactString, Fault> {
    Ok(ServiceKey::new(call.params.text(NAMESPACE.name), "", "")?.namespace)
}

/// The instances of these services, unhealthy and disabled ones too.
fn targets(call: &Call<'_>, namespace: Option<CompactString>, name: Option<&str>) -> Result<Step, Fault> {
    let mut targets = Vec::new();
    let search = Search { namespace, among: Among::Filled, group: "", name: "" };
    call.search(&search, |service| {
        if name.is_none_or(|name| service.name == name) {
            let all = call.publishers(&service)?.unwrap_or_default();
            targets.extend(all.iter().map(|it| Target::new(&it.instance)));
        }
        Ok(())
    })?;
    Ok(Answer::json(&targets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_names_that_prometheus_takes_each_once() {
        let metadata = [("a-b", "1"), ("a.b", "2"), ("zone", "z"), ("__meta_clusterName", "x")];
        let metadata = metadata.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let target = Target::new(&Instance { ip: "10.0.0.1".into(), port: 80, metadata, ..Instance::default() });
        let labels: Vec<_> = target.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(labels, [("__meta_clusterName", "DEFAULT"), ("a_b", "2"), ("zone", "z")]);
        assert_eq!(target.targets, ["10.0.0.1:80"]);
        let target = Target::new(&Instance { ip: "fe80::1".into(), port: 80, ..Instance::default() });
        assert_eq!(target.targets, ["[fe80::1]:80"]);
    }
}
