//! Who subscribes to services (http.md 8.2, 12.2, 12.4).

use serde::Serialize;

use crate::{
    http::nacos::{
        Answer, Call, Fault,
        Generation::{V1, V3},
        Route, Step,
        operation::{
            Kind,
            Method::Get,
            Operation, Param,
            param::{GROUP, NAMESPACE, PAGE, PAGE_SIZE, SERVICE},
        },
        page::{Page, Paged},
        search::Search,
    },
    model::ServiceKey,
    node::{Input, Reply},
    registry::{Among, SubscriberDetail},
};

pub(super) const ROUTES: &[Route] = &[
    Route::new(Get, "/v1/ns/service/subscribers", V1, &SUBSCRIBERS),
    Route::new(Get, "/v3/admin/ns/service/subscribers", V3, &SUBSCRIBERS),
    Route::new(Get, "/v3/console/ns/service/subscribers", V3, &SUBSCRIBERS),
];

const AGGREGATION: Param =
    Param::new(Kind::Boolean, "aggregation", "true", "Whether subscribers at all nodes are shown; always so here.");

const SUBSCRIBERS: Operation = Operation {
    name: "listSubscribers",
    summary: "Lists who subscribes to a service; the first generation, to all services with the name in theirs.",
    params: &[SERVICE, NAMESPACE, GROUP, PAGE, PAGE_SIZE, AGGREGATION],
    faults: &[],
    run: subscribers,
};

/// Subscribers a page of the first generation when it is not said.
const SIZE_V1: i32 = 1_000;

type Subscriber = (ServiceKey, SubscriberDetail);

fn subscribers(call: &Call<'_>) -> Result<Step, Fault> {
    let service = call.service()?;
    if call.generation == V3 {
        let page = call.page()?;
        let all: Vec<_> = call.subscribers_of(&service)?.into_iter().map(|one| (service.clone(), one)).collect();
        let count = all.len();
        let shown = page.of(all);
        return Ok(Answer::json(&Paged::new(page, count, shown.iter().map(Shown::new).collect())));
    }
    let number =
        |name, default| -> Result<usize, Fault> { Ok(usize::try_from(call.number(name, Some(default))?).unwrap_or(0)) };
    let page = Page { number: number("pageNo", 1)?, size: number("pageSize", SIZE_V1)? };
    let (count, shown) = fuzzy(call, &service, page)?;
    Ok(Answer::json(&List { subscribers: shown.iter().map(ShownV1::new).collect(), count }))
}

/// Those of all services that have the group in their group and the name in their name.
fn fuzzy(call: &Call<'_>, like: &ServiceKey, page: Page) -> Result<(usize, Vec<Subscriber>), Fault> {
    let search = Search {
        namespace: Some(like.namespace.clone()),
        among: Among::Subscribed,
        group: &like.group,
        name: &like.name,
    };
    let (mut count, mut shown) = (0, Vec::new());
    call.search(&search, |service| {
        for subscriber in call.subscribers_of(&service)? {
            if page.range().contains(&count) {
                shown.push((service.clone(), subscriber));
            }
            count += 1;
        }
        Ok(())
    })?;
    Ok((count, shown))
}

impl Call<'_> {
    /// The subscribers of a service.
    pub(super) fn subscribers_of(&self, service: &ServiceKey) -> Result<Vec<SubscriberDetail>, Fault> {
        match self.handle(Input::Subscribers { service: service.clone() })? {
            Reply::Subscribers(all) => Ok(all),
            other => unreachable!("subscribers are answered with some, not {other:?}"),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    namespace_id: &'a str,
    group_name: &'a str,
    service_name: &'a str,
    ip: &'a str,
    port: u16,
    agent: &'a str,
    app_name: &'a str,
    address: String,
}

impl<'a> Shown<'a> {
    fn new((service, subscriber): &'a Subscriber) -> Self {
        let (ip, port) = subscriber.client.host_port();
        Self {
            namespace_id: &service.namespace,
            group_name: &service.group,
            service_name: &service.name,
            ip,
            port,
            agent: &subscriber.attributes.agent,
            app_name: &subscriber.attributes.app,
            address: format!("{ip}:{port}"),
        }
    }
}

#[derive(Serialize)]
struct List<'a> {
    subscribers: Vec<ShownV1<'a>>,
    count: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownV1<'a> {
    addr_str: String,
    agent: &'a str,
    app: &'a str,
    ip: &'a str,
    port: u16,
    namespace_id: &'a str,
    service_name: String,
    cluster: &'a str,
}

impl<'a> ShownV1<'a> {
    fn new((service, subscriber): &'a Subscriber) -> Self {
        let (ip, port) = subscriber.client.host_port();
        Self {
            addr_str: format!("{ip}:{port}"),
            agent: &subscriber.attributes.agent,
            app: &subscriber.attributes.app,
            ip,
            port,
            namespace_id: &service.namespace,
            service_name: service.grouped().to_string(),
            cluster: &subscriber.clusters,
        }
    }
}
