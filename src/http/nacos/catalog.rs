//! What operators see of services and their instances (http.md 8.5, 11, 12.2, 12.4).
//!
//! A page is as large as it is asked for, so that whoever copies everything misses nothing. Services are found a stretch
//! at a time and read one by one: the node is never held for a whole page.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use crate::{
    http::nacos::{
        Answer, Call, Fault,
        Generation::{V1, V2, V3},
        Route, Step,
        instance::{self, Publisher},
        operation::{
            Kind,
            Method::{Any, Get},
            Operation, Param,
            param::{CLUSTER, GROUP, HEALTHY_ONLY, NAMESPACE, PAGE, PAGE_SIZE, SERVICE, STRONG},
        },
        page::{Page, Paged},
        search::Search,
    },
    model::{ClusterMetadata, Instance, ServiceKey},
    node::{Input, Reply},
    registry::{Among, ServiceDetail, ServiceSummary},
    wire::{self, CheckerJson, MetadataJson, SelectorJson},
};

pub(super) const ROUTES: &[Route] = &[
    Route::new(Get, "/v1/ns/catalog/services", V1, &SERVICES),
    Route::new(Get, "/v3/admin/ns/service/list", V3, &SERVICES),
    Route::new(Get, "/v3/console/ns/service/list", V3, &SERVICES),
    Route::new(Get, "/v1/ns/catalog/service", V1, &CATALOG_SERVICE),
    Route::new(Get, "/v1/ns/catalog/instances", V1, &CATALOG_INSTANCES),
    Route::new(Any, "/v2/ns/catalog/instances", V2, &CATALOG_INSTANCES),
    Route::new(Any, "/v3/console/ns/instance/list", V3, &CONSOLE_INSTANCES),
];

const NAME_PATTERN: Param = Param::new(
    Kind::Text,
    "serviceNameParam",
    "ord*rs",
    "Only services with this in their name; `*` stands for anything.",
);
const GROUP_PATTERN: Param = Param::new(
    Kind::Text,
    "groupNameParam",
    "DEFAULT",
    "Only services with this in their group; `*` stands for anything.",
);
const WITH_INSTANCES: Param =
    Param::new(Kind::Boolean, "withInstances", "false", "Shows the instances of each service instead of their number.");
const HIDE_EMPTY: Param = Param::new(Kind::Boolean, "hasIpCount", "false", "Leaves out services without instances.");
const HIDE_EMPTY_3: Param = Param { name: "ignoreEmptyService", ..HIDE_EMPTY };

const SERVICES: Operation = Operation {
    name: "listServices",
    summary: "Lists the services of a namespace by group and name, with the number of instances of each or with all.",
    params: &[
        NAMESPACE,
        NAME_PATTERN,
        GROUP_PATTERN,
        WITH_INSTANCES.reshaping().only(&[V1]),
        WITH_INSTANCES.only(&[V3]),
        HIDE_EMPTY.only(&[V1]),
        HIDE_EMPTY_3.only(&[V3]),
        PAGE.required().only(&[V1]),
        PAGE_SIZE.required().only(&[V1]),
        PAGE.only(&[V3]),
        PAGE_SIZE.only(&[V3]),
    ],
    faults: &[],
    run: services,
};

const CATALOG_SERVICE: Operation = Operation {
    name: "getCatalogService",
    summary: "Shows what is set on a service and on its clusters.",
    params: &[SERVICE, NAMESPACE, GROUP],
    faults: &[404],
    run: service,
};

const ENABLED_ONLY: Param =
    Param::new(Kind::Boolean, "enabledOnly", "true", "Only enabled instances; with `false` only disabled ones.");
const HEALTHY_IS: Param =
    Param { example: "true", about: "Only healthy instances; with `false` only unhealthy ones.", ..HEALTHY_ONLY };

const CATALOG_INSTANCES: Operation = Operation {
    name: "listCatalogInstances",
    summary: "Lists the instances of a service, disabled ones too, a page at a time.",
    params: &[
        SERVICE,
        CLUSTER.required().only(&[V1]),
        PAGE.required(),
        PAGE_SIZE.required(),
        NAMESPACE,
        GROUP,
        HEALTHY_IS.only(&[V2]),
        ENABLED_ONLY.only(&[V2]),
        STRONG,
    ],
    faults: &[404, 503],
    run: instances,
};

const CONSOLE_INSTANCES: Operation = Operation {
    name: "listConsoleInstances",
    summary: "Lists the instances of one cluster of a service, disabled ones too, a page at a time.",
    params: &[SERVICE, NAMESPACE, GROUP, CLUSTER, HEALTHY_ONLY, PAGE, PAGE_SIZE, STRONG],
    faults: &[404, 503],
    run: console_instances,
};

fn services(call: &Call<'_>) -> Result<Step, Fault> {
    let v1 = call.generation == V1;
    // The first generation takes less than one for one.
    let page = if v1 { call.required_page(1)? } else { call.page()? };
    let filled = call.read_flag(if v1 { HIDE_EMPTY.name } else { HIDE_EMPTY_3.name })?;
    let search = Search {
        namespace: Some(call.group()?.namespace),
        among: if filled { Among::Filled } else { Among::Listed },
        group: call.params.text(GROUP_PATTERN.name).trim(),
        name: call.params.text(NAME_PATTERN.name).trim(),
    };
    let (count, mut found) = call.found(&search, page)?;
    // And a page behind the end for the first.
    if v1 && found.is_empty() && count > 0 {
        found = call.found(&search, Page { number: 1, ..page })?.1;
    }
    let found = found.into_iter();
    Ok(if call.read_flag(WITH_INSTANCES.name)? {
        let read: Vec<Whole> = found.filter_map(|key| Whole::read(call, key).transpose()).collect::<Result<_, _>>()?;
        let shown: Vec<_> = read.iter().map(|whole| whole.shown(v1)).collect();
        if v1 { Answer::json(&shown) } else { Answer::json(&Paged::new(page, count, shown)) }
    } else {
        let shown = found.filter_map(|key| Summary::read(call, key).transpose()).collect::<Result<Vec<_>, _>>()?;
        if v1 {
            Answer::json(&SummaryList { count, service_list: shown })
        } else {
            Answer::json(&Paged::new(page, count, shown))
        }
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SummaryList {
    count: usize,
    service_list: Vec<Summary>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    name: String,
    group_name: String,
    cluster_count: usize,
    ip_count: usize,
    healthy_instance_count: usize,
    /// Whether protection would be on, as a text; without a threshold as if it were 0.
    trigger_flag: String,
}

impl Summary {
    /// None when the service went after it was found.
    fn read(call: &Call<'_>, service: ServiceKey) -> Result<Option<Self>, Fault> {
        let Reply::Summary(found) = call.handle(Input::Summary { service: service.clone() })? else {
            unreachable!("a summary is answered with one")
        };
        Ok(found.map(|ServiceSummary { clusters, instances, healthy, threshold }| {
            let protects = instances > 0 && healthy as f64 / instances as f64 <= threshold.unwrap_or(0.0);
            Self {
                name: service.name.into(),
                group_name: service.group.into(),
                cluster_count: clusters,
                ip_count: instances,
                healthy_instance_count: healthy,
                trigger_flag: protects.to_string(),
            }
        }))
    }
}

/// A service with its instances.
struct Whole {
    service: ServiceKey,
    detail: Box<ServiceDetail>,
    instances: Vec<Publisher>,
}

/// How it is shown. What a list leaves empty is null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WholeView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace_id: Option<()>,
    service_name: &'a str,
    group_name: &'a str,
    cluster_map: BTreeMap<&'a str, ClusterView<'a>>,
    metadata: MetadataJson<'a>,
    protect_threshold: f64,
    selector: (),
    ephemeral: (),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterView<'a> {
    cluster_name: (),
    health_checker: (),
    #[serde(skip_serializing_if = "Option::is_none")]
    healthy_check_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    use_instance_port_for_check: Option<bool>,
    metadata: (),
    hosts: Vec<HostView<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum HostView<'a> {
    Short { ip: &'a str, port: u16, weight: f64, enabled: bool, valid: bool, metadata: MetadataJson<'a> },
    Full(wire::Host<'a>),
}

impl Whole {
    /// None when the service went after it was found.
    fn read(call: &Call<'_>, service: ServiceKey) -> Result<Option<Self>, Fault> {
        let (detail, instances) = (call.detail(&service)?, call.publishers(&service)?);
        Ok(detail.zip(instances).map(|(detail, instances)| Self { service, detail, instances }))
    }

    fn shown(&self, v1: bool) -> WholeView<'_> {
        let empty = |settings: &ClusterMetadata| ClusterView {
            cluster_name: (),
            health_checker: (),
            healthy_check_port: (!v1).then_some(settings.check_port),
            use_instance_port_for_check: (!v1).then_some(settings.use_instance_port),
            metadata: (),
            hosts: Vec::new(),
        };
        let settings = |cluster: &str| self.detail.cluster(cluster);
        let mut clusters = BTreeMap::new();
        for it in &self.instances {
            let instance = &it.instance;
            let cluster = clusters.entry(&*instance.cluster).or_insert_with(|| match settings(&instance.cluster) {
                Some(settings) => empty(settings),
                None => empty(&ClusterMetadata::default()),
            });
            cluster.hosts.push(if v1 { HostView::short(instance) } else { HostView::Full(it.host(&self.service)) });
        }
        WholeView {
            namespace: v1.then_some(()),
            namespace_id: (!v1).then_some(()),
            service_name: &self.service.name,
            group_name: &self.service.group,
            cluster_map: clusters,
            metadata: MetadataJson(&self.detail.metadata.metadata),
            protect_threshold: self.detail.metadata.protect_threshold.unwrap_or(0.0),
            selector: (),
            ephemeral: (),
        }
    }
}

impl<'a> HostView<'a> {
    fn short(instance: &'a Instance) -> Self {
        let Instance { ip, port, weight, enabled, healthy, metadata, .. } = instance;
        Self::Short {
            ip,
            port: *port,
            weight: *weight,
            enabled: *enabled,
            valid: *healthy,
            metadata: MetadataJson(metadata),
        }
    }
}

fn service(call: &Call<'_>) -> Result<Step, Fault> {
    if call.given("serviceName").is_none() {
        return Err(Fault::absent("service @@ is not found!"));
    }
    let service = call.service()?;
    let detail = call.detail(&service)?.ok_or_else(|| absent(&service))?;
    let cluster = |(name, settings): &(compact_str::CompactString, ClusterMetadata)| {
        json!({
            "serviceName": service.grouped().to_string(),
            "name": name,
            "healthChecker": CheckerJson(&settings.checker),
            "defaultPort": 80,
            "defaultCheckPort": settings.check_port,
            // The spelling of one version, and that of another.
            "useIPPort4Check": settings.use_instance_port,
            "useIpPort4Check": settings.use_instance_port,
            "metadata": MetadataJson(&settings.metadata),
        })
    };
    Ok(Answer::json(&json!({
        "service": {
            "name": service.name,
            "groupName": service.group,
            "protectThreshold": detail.metadata.protect_threshold.unwrap_or(0.0),
            "selector": SelectorJson(&detail.metadata.selector),
            "metadata": MetadataJson(&detail.metadata.metadata),
        },
        "clusters": detail.clusters.iter().map(cluster).collect::<Vec<_>>(),
    })))
}

fn absent(service: &ServiceKey) -> Fault {
    Fault::absent(format!("service {} is not found!", service.grouped()))
}

fn instances(call: &Call<'_>) -> Result<Step, Fault> {
    call.required_single("serviceName", "String")?;
    if call.generation == V1 {
        call.required_single("clusterName", "String")?;
    }
    let page = call.required_page(0)?;
    if call.integer(PAGE_SIZE.name)?.is_some_and(|size| size < 0) {
        return Err(Fault::validation("pageSize is negative"));
    }
    let service = call.service()?;
    if call.generation == V1 {
        return instances_of_cluster(call, page);
    }
    let is = |wanted: Option<bool>, value: bool| wanted.is_none_or(|wanted| wanted == value);
    let (healthy, enabled) = (call.optional_flag("healthyOnly")?, call.optional_flag("enabledOnly")?);
    let mut chosen = call.publishers(&service)?.unwrap_or_default();
    chosen.retain(|it| is(healthy, it.instance.healthy) && is(enabled, it.instance.enabled));
    chosen.sort_by(|a, b| a.instance.cluster.cmp(&b.instance.cluster));
    let count = chosen.len();
    let chosen = page.of(chosen);
    if chosen.is_empty() {
        return Ok(Answer::json(&json!({"count": count})));
    }
    Ok(Answer::json(&Instances { instances: hosts(&service, &chosen), count }))
}

/// As the second generation shows them.
#[derive(Serialize)]
struct Instances<'a> {
    instances: Vec<wire::Host<'a>>,
    count: usize,
}

fn hosts<'a>(service: &'a ServiceKey, instances: &'a [Publisher]) -> Vec<wire::Host<'a>> {
    instances.iter().map(|it| it.host(service)).collect()
}

fn instances_of_cluster(call: &Call<'_>, page: Page) -> Result<Step, Fault> {
    #[derive(Serialize)]
    struct List<'a> {
        list: Vec<wire::Host<'a>>,
        count: usize,
    }
    let (service, mut chosen) = instance::of_cluster(call)?;
    let count = chosen.len();
    // Here the first page is not page 0 too.
    if page.number == 0 {
        chosen.clear();
    }
    Ok(Answer::json(&List { list: hosts(&service, &page.of(chosen)), count }))
}

fn console_instances(call: &Call<'_>) -> Result<Step, Fault> {
    let page = call.console_page()?;
    let (service, chosen) = instance::of_cluster(call)?;
    let count = chosen.len();
    let chosen = page.of(chosen);
    let items = hosts(&service, &chosen);
    // Unlike all other lists, this one is divided rightly.
    let pages_available = count.div_ceil(page.size);
    Ok(Answer::json(&Paged { pages_available, ..Paged::new(page, count, items) }))
}
