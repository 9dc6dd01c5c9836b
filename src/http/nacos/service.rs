//! Operations on services (http.md 8.2, 11, 12.2).

use serde_json::{Map, Value, json};

use crate::{
    http::nacos::{
        Answer, Call, Fault,
        Generation::{V1, V2, V3},
        Route, Step,
        operation::{
            Kind,
            Method::{Delete, Get, Post, Put},
            Operation, Param,
            param::{GROUP, METADATA, NAMESPACE, PAGE, PAGE_SIZE, SERVICE},
        },
    },
    model::{ClusterMetadata, MetadataOperation, Proposal, Selector, ServiceKey, ServiceMetadata},
    node::{Input, Reply},
    registry::ServiceDetail,
    wire::{self, CheckerJson, IllegalSelector, MetadataJson, SelectorJson},
};

pub(super) const ROUTES: &[Route] = &[
    Route::new(Get, "/v1/ns/service/list", V1, &NAMES),
    Route::new(Get, "/v2/ns/service/list", V2, &NAMES),
    Route::new(Post, "/v1/ns/service", V1, &CREATE),
    Route::new(Post, "/v2/ns/service", V2, &CREATE),
    Route::new(Post, "/v3/admin/ns/service", V3, &CREATE),
    Route::new(Post, "/v3/console/ns/service", V3, &CREATE),
    Route::new(Put, "/v1/ns/service", V1, &UPDATE),
    Route::new(Put, "/v2/ns/service", V2, &UPDATE),
    Route::new(Put, "/v3/admin/ns/service", V3, &UPDATE),
    Route::new(Put, "/v3/console/ns/service", V3, &CONSOLE_UPDATE),
    Route::new(Delete, "/v1/ns/service", V1, &REMOVE),
    Route::new(Delete, "/v2/ns/service", V2, &REMOVE),
    Route::new(Delete, "/v3/admin/ns/service", V3, &REMOVE),
    Route::new(Delete, "/v3/console/ns/service", V3, &REMOVE),
    Route::new(Get, "/v1/ns/service", V1, &DETAIL),
    Route::new(Get, "/v2/ns/service", V2, &DETAIL),
    Route::new(Get, "/v3/admin/ns/service", V3, &DETAIL),
    Route::new(Get, "/v3/console/ns/service", V3, &CONSOLE_DETAIL),
    Route::new(Get, "/v1/ns/service/selector/types", V1, &SELECTOR_TYPES),
    Route::new(Get, "/v3/admin/ns/service/selector/types", V3, &SELECTOR_TYPES),
    Route::new(Get, "/v3/console/ns/service/selector/types", V3, &SELECTOR_TYPES),
];

const NAMES: Operation = Operation {
    name: "listServiceNames",
    summary: "Names the services of a group, a page at a time, and counts all.",
    params: &[
        PAGE.required().only(&[V1]),
        PAGE_SIZE.required().only(&[V1]),
        PAGE.only(&[V2]),
        PAGE_SIZE.only(&[V2]),
        NAMESPACE,
        GROUP,
    ],
    faults: &[],
    run: names,
};

/// An example that nobody publishes to.
const EMPTY: Param = Param { example: "billing", ..SERVICE };
const THRESHOLD: Param = Param::new(
    Kind::Number,
    "protectThreshold",
    "0.5",
    "At this share of healthy instances or below, readers are shown all as healthy.",
);
const SELECTOR: Param = Param::new(
    Kind::Json,
    "selector",
    "{\"type\":\"none\"}",
    "Which instances a subscriber gets; kept and shown, without effect.",
);
const EPHEMERAL: Param =
    Param::new(Kind::Boolean, "ephemeral", "true", "Of which kind its instances are to be; absent is persistent.")
        .only(&[V2, V3]);

const CREATE: Operation = Operation {
    name: "createService",
    summary: "Makes a service before anybody publishes to it.",
    params: &[EMPTY, NAMESPACE, GROUP, THRESHOLD, METADATA, SELECTOR, EPHEMERAL],
    faults: &[500, 503, 504],
    run: create,
};

const UPDATE: Operation = Operation {
    name: "updateService",
    summary: "Replaces what is set on a service: threshold, labels and selector together.",
    params: &[EMPTY, THRESHOLD.required().only(&[V1]), THRESHOLD.only(&[V2, V3]), NAMESPACE, GROUP, METADATA, SELECTOR],
    faults: &[500, 503, 504],
    run: update,
};

const CONSOLE_UPDATE: Operation = Operation { faults: &[404, 500, 503, 504], run: console_update, ..UPDATE };

const REMOVE: Operation = Operation {
    name: "removeService",
    summary: "Removes a service without instances, with all that is set on it.",
    params: &[EMPTY, NAMESPACE, GROUP],
    faults: &[503, 504],
    run: remove,
};

const DETAIL: Operation = Operation {
    name: "getService",
    summary: "Shows what is set on a service, and its clusters.",
    params: &[SERVICE, NAMESPACE, GROUP],
    faults: &[],
    run: detail,
};

const CONSOLE_DETAIL: Operation = Operation { faults: &[404], run: console_detail, ..DETAIL };

const SELECTOR_TYPES: Operation = Operation {
    name: "listSelectorTypes",
    summary: "Names the types of selectors there are.",
    params: &[],
    faults: &[],
    run: selector_types,
};

fn names(call: &Call<'_>) -> Result<Step, Fault> {
    let (names, page, size) = match call.generation {
        V1 => ("doms", call.number("pageNo", None)?, call.number("pageSize", None)?),
        _ => ("services", call.number("pageNo", Some(1))?, call.number("pageSize", Some(20))?.min(500)),
    };
    let page = usize::try_from(page).unwrap_or(1).max(1);
    let size = usize::try_from(size).map_err(|_| Fault::validation(format!("fromIndex(0) > toIndex({size})")))?;
    let group = call.group()?;
    let Reply::Names(count, page) = call.handle(Input::List { group, page, size })? else {
        unreachable!("a list is answered with names")
    };
    Ok(Answer::json(&json!({"count": count, names: page})))
}

fn create(call: &Call<'_>) -> Result<Step, Fault> {
    let service = if call.generation == V1 { call.single_service()? } else { call.service()? };
    let ephemeral = call.generation != V1 && call.flag("ephemeral", false)?;
    let threshold = call.threshold(true)?;
    let metadata = call.service_metadata(threshold)?;
    Ok(propose(MetadataOperation::Create { service, ephemeral, metadata }))
}

fn update(call: &Call<'_>) -> Result<Step, Fault> {
    let service = call.service()?;
    if call.generation == V1 {
        call.required("protectThreshold", "float")?;
    }
    let threshold = call.threshold(call.generation != V1)?;
    let metadata = call.service_metadata(threshold)?;
    Ok(propose(MetadataOperation::Update { service, metadata }))
}

fn console_update(call: &Call<'_>) -> Result<Step, Fault> {
    let service = call.service()?;
    match call.detail(&service)? {
        Some(_) => update(call),
        None => Err(Fault::no_service_to_see(format!("service {} not found!", service.grouped()))),
    }
}

fn remove(call: &Call<'_>) -> Result<Step, Fault> {
    let service = call.single_service()?;
    Ok(propose(MetadataOperation::Remove { service }))
}

fn detail(call: &Call<'_>) -> Result<Step, Fault> {
    let service = call.single_service()?;
    let Some(detail) = call.detail(&service)? else {
        let (namespace, name) = (&service.namespace, service.grouped());
        return Err(Fault::no_service(format!("service not found, namespace: {namespace}, serviceName: {name}")));
    };
    Ok(shown(call, &service, &detail))
}

fn console_detail(call: &Call<'_>) -> Result<Step, Fault> {
    let service = call.service()?;
    match call.detail(&service)? {
        Some(detail) => Ok(shown(call, &service, &detail)),
        None => Err(Fault::absent(format!("service {} is not found!", service.grouped()))),
    }
}

fn selector_types(call: &Call<'_>) -> Result<Step, Fault> {
    Ok(match call.generation {
        V1 => Answer::rest(&json!(wire::SELECTOR_TYPES)),
        _ => Answer::json(&json!(wire::SELECTOR_TYPES)),
    })
}

/// A change of what operators set, answered by `ok`.
pub(super) fn propose(operation: MetadataOperation) -> Step {
    Step::propose(Proposal::Metadata(operation))
}

impl Call<'_> {
    /// What is set on a listed service.
    pub(super) fn detail(&self, service: &ServiceKey) -> Result<Option<Box<ServiceDetail>>, Fault> {
        match self.handle(Input::Service { service: service.clone() })? {
            Reply::Service(detail) => Ok(detail),
            other => unreachable!("a service is answered with a service, not {other:?}"),
        }
    }

    /// The protection threshold, 0 when absent. It may be out of range, as in Nacos, but is a number; where the first
    /// generation is not `strict`, what does not read is 0.
    fn threshold(&self, strict: bool) -> Result<f64, Fault> {
        match self.given("protectThreshold").map_or(Ok(0.0), Fault::parsed::<f64>) {
            Ok(threshold) if threshold.is_finite() => Ok(threshold),
            Ok(_) => Err(Fault::validation("protectThreshold is not a finite number")),
            Err(_) if !strict => Ok(0.0),
            Err(fault) => Err(fault),
        }
    }

    fn service_metadata(&self, threshold: f64) -> Result<ServiceMetadata, Fault> {
        Ok(ServiceMetadata {
            protect_threshold: Some(threshold),
            selector: self.selector()?,
            metadata: self.metadata.clone(),
        })
    }

    /// The selector, which may be percent-encoded once more. The text `null` is none: consoles send it for nothing.
    fn selector(&self) -> Result<Selector, Fault> {
        let given = self.params.text("selector").trim();
        if matches!(given, "" | "null") {
            return Ok(Selector::None);
        }
        let decoded = percent_encoding::percent_decode_str(given).decode_utf8_lossy();
        wire::decode_selector(&decoded).map_err(Fault::from)
    }
}

impl From<IllegalSelector> for Fault {
    fn from(illegal: IllegalSelector) -> Self {
        match illegal {
            IllegalSelector::Unreadable | IllegalSelector::Type => Self::selector(illegal.to_string()),
            IllegalSelector::Expression => Self::server_error(illegal.to_string()),
        }
    }
}

fn shown(call: &Call<'_>, service: &ServiceKey, detail: &ServiceDetail) -> Step {
    let (set, clusters) = (&detail.metadata, &detail.clusters);
    let threshold = set.protect_threshold.unwrap_or(0.0);
    let (metadata, selector) = (MetadataJson(&set.metadata), SelectorJson(&set.selector));
    if call.generation == V1 {
        let clusters: Vec<Value> = clusters
            .iter()
            .map(|(name, set)| {
                json!({"name": name, "healthChecker": CheckerJson(&set.checker), "metadata": MetadataJson(&set.metadata)})
            })
            .collect();
        return Answer::json(&json!({
            "namespaceId": service.namespace,
            "groupName": service.group,
            "name": service.name,
            "protectThreshold": threshold,
            "metadata": metadata,
            "selector": selector,
            "clusters": clusters,
        }));
    }
    let namespace = if call.generation == V2 { "namespace" } else { "namespaceId" };
    let clusters: Map<String, Value> =
        clusters.iter().map(|(name, set)| (name.to_string(), cluster(call, name, set))).collect();
    Answer::json(&json!({
        namespace: service.namespace,
        "serviceName": service.name,
        "groupName": service.group,
        "clusterMap": clusters,
        "metadata": metadata,
        "protectThreshold": threshold,
        "selector": selector,
        "ephemeral": detail.ephemeral,
    }))
}

fn cluster(call: &Call<'_>, name: &str, set: &ClusterMetadata) -> Value {
    let mut cluster = json!({
        "clusterName": name,
        "healthChecker": CheckerJson(&set.checker),
        "metadata": MetadataJson(&set.metadata),
        "hosts": null,
    });
    if call.generation == V3 {
        cluster["healthyCheckPort"] = set.check_port.into();
        cluster["useInstancePortForCheck"] = set.use_instance_port.into();
    }
    cluster
}
