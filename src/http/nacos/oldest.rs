//! What the oldest clients and scripts ask (http.md 8.1, 8.2).

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    http::nacos::{
        Answer, Call, Fault,
        Generation::{V1, V2},
        Route, Step,
        operation::{Kind, Method::Get, Operation, Param, param::NAMESPACE},
        search::{Search, matches},
    },
    model::ServiceKey,
    registry::Among,
};

pub(super) const ROUTES: &[Route] = &[
    Route::new(Get, "/v1/ns/instance/statuses", V1, &STATUSES),
    Route::new(Get, "/v2/ns/instance/statuses/{key}", V2, &STATUSES),
    Route::new(Get, "/v1/ns/service/names", V1, &NAMES),
];

const STATUSES: Operation = Operation {
    name: "listStatuses",
    summary: "Lists the addresses of a service with whether each is healthy.",
    params: &[Param::new(
        Kind::Text,
        "key",
        "public##DEFAULT_GROUP@@orders",
        "The service: namespace, `##`, group, `@@`, name.",
    )
    .required()],
    faults: &[],
    run: statuses,
};

const NAMES: Operation = Operation {
    name: "listAllServiceNames",
    summary: "Names the services of each namespace.",
    params: &[
        Param { about: "Namespace; all when absent.", ..NAMESPACE },
        Param::new(Kind::Text, "expr", "orders", "Only services with this in their name; `*` stands for anything."),
    ],
    faults: &[],
    run: names,
};

fn statuses(call: &Call<'_>) -> Result<Step, Fault> {
    let key = call.required_single("key", "String")?;
    let (namespace, grouped) = key.split_once("##").unwrap_or(("", key));
    let (group, name) = grouped.split_once("@@").unwrap_or(("", grouped));
    let all = call.publishers(&ServiceKey::new(namespace, group, name)?)?.unwrap_or_default();
    let ips: Vec<_> =
        all.iter().map(|it| format!("{}:{}_{}", it.instance.ip, it.instance.port, it.instance.healthy)).collect();
    Ok(Answer::bare(&json!({"ips": ips})).into())
}

fn names(call: &Call<'_>) -> Result<Step, Fault> {
    let given = call.params.text("namespaceId").trim();
    let namespace = if given.is_empty() { None } else { Some(ServiceKey::new(given, "", "")?.namespace) };
    let pattern = call.params.text("expr").trim();
    let mut names = BTreeMap::new();
    names.extend(namespace.clone().map(|namespace| (namespace, Vec::new())));
    let search = Search { namespace, among: Among::Listed, group: "", name: "" };
    let mut count = 0;
    call.search(&search, |service| {
        let grouped = service.grouped().to_string();
        if matches(pattern, &grouped) {
            names.entry(service.namespace).or_default().push(grouped);
            count += 1;
        }
        Ok(())
    })?;
    Ok(Answer::json(&json!({"META-INF/services": names, "count": count})))
}
