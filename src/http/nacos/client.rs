//! The clients of this node, and what each publishes and subscribes to (http.md 11, 12.2).

use serde_json::{Value, json};

use crate::{
    http::nacos::{
        Answer, Call, Fault,
        Generation::{V1, V2, V3},
        Route, Step,
        operation::{
            Kind,
            Method::Get,
            Operation, Param,
            param::{EPHEMERAL, GROUP, IP, NAMESPACE, PORT, SERVICE},
        },
    },
    model::{Attributes, ClientId, Instance, Millis, ServiceKey},
    node::{Input, Reply},
    registry::ClientDetail,
};

pub(super) const ROUTES: &[Route] = &[
    Route::new(Get, "/v2/ns/client/list", V2, &CLIENTS),
    Route::new(Get, "/v3/admin/ns/client/list", V3, &CLIENTS),
    Route::new(Get, "/v2/ns/client", V2, &CLIENT),
    Route::new(Get, "/v3/admin/ns/client", V3, &CLIENT),
    Route::new(Get, "/v2/ns/client/publish/list", V2, &PUBLISHED),
    Route::new(Get, "/v3/admin/ns/client/publish/list", V3, &PUBLISHED),
    Route::new(Get, "/v2/ns/client/subscribe/list", V2, &SUBSCRIBED),
    Route::new(Get, "/v3/admin/ns/client/subscribe/list", V3, &SUBSCRIBED),
    Route::new(Get, "/v2/ns/client/service/publisher/list", V2, &PUBLISHERS),
    Route::new(Get, "/v3/admin/ns/client/service/publisher/list", V3, &PUBLISHERS),
    Route::new(Get, "/v2/ns/client/service/subscriber/list", V2, &SUBSCRIBERS),
    Route::new(Get, "/v3/admin/ns/client/service/subscriber/list", V3, &SUBSCRIBERS),
    Route::new(Get, "/v1/ns/operator/distro/client", V1, &RESPONSIBLE),
    Route::new(Get, "/v1/ns/ops/distro/client", V1, &RESPONSIBLE),
    Route::new(Get, "/v2/ns/client/distro", V2, &RESPONSIBLE),
    Route::new(Get, "/v3/admin/ns/client/distro", V3, &RESPONSIBLE),
];

const CLIENT_ID: Param =
    Param::new(Kind::Text, "clientId", "10.0.0.1:8080#true", "Id of a client, as the list of clients shows it.")
        .required();
const ANY_IP: Param = Param { required: false, about: "Only those at this address.", ..IP };
const ANY_PORT: Param = Param { required: false, about: "Only those at this port.", ..PORT };

const CLIENTS: Operation =
    Operation { name: "listClients", summary: "Lists the ids of all clients.", params: &[], faults: &[], run: clients };

const CLIENT: Operation = Operation {
    name: "getClient",
    summary: "Shows what a client is and when what it publishes changed last.",
    params: &[CLIENT_ID],
    faults: &[404],
    run: client,
};

const PUBLISHED: Operation = Operation {
    name: "listPublishedByClient",
    summary: "Lists the services a client publishes instances of, with each instance.",
    params: &[CLIENT_ID],
    faults: &[404],
    run: published,
};

const SUBSCRIBED: Operation = Operation {
    name: "listSubscribedByClient",
    summary: "Lists the services a client subscribes to.",
    params: &[CLIENT_ID],
    faults: &[404],
    run: subscribed,
};

const PUBLISHERS: Operation = Operation {
    name: "listPublishers",
    summary: "Lists the instances of a service with the clients that publish them.",
    params: &[SERVICE, NAMESPACE, GROUP, ANY_IP, ANY_PORT, EPHEMERAL.only(&[V2])],
    faults: &[],
    run: publishers,
};

const SUBSCRIBERS: Operation = Operation {
    name: "listSubscribingClients",
    summary: "Lists the clients that subscribe to a service.",
    params: &[SERVICE, NAMESPACE, GROUP, ANY_IP, ANY_PORT],
    faults: &[],
    run: subscribers,
};

const RESPONSIBLE: Operation = Operation {
    name: "getResponsibleNode",
    summary: "Names the node that is responsible for the client of an address.",
    params: &[IP, PORT],
    faults: &[],
    run: responsible,
};

fn clients(call: &Call<'_>) -> Result<Step, Fault> {
    let mut all: Vec<ClientId> = Vec::new();
    loop {
        let Reply::Clients(more) = call.handle(Input::Clients { after: all.last().cloned() })? else {
            unreachable!("clients are answered with some")
        };
        if more.is_empty() {
            break;
        }
        all.extend(more);
    }
    let ids: Vec<&str> = all.iter().map(ClientId::as_str).collect();
    Ok(Answer::json(&ids))
}

/// The client that is asked about.
fn found(call: &Call<'_>) -> Result<(ClientId, ClientDetail, Millis), Fault> {
    let given = call.params.get(CLIENT_ID.name).ok_or(Fault::MissingSingle { name: CLIENT_ID.name, kind: "String" })?;
    let id = ClientId::from(given);
    match call.handle(Input::Client(id.clone()))? {
        Reply::Client(Some((detail, updated))) => Ok((id, *detail, updated)),
        Reply::Client(None) => Err(Fault::not_found(format!("clientId [ {id} ] not exist"))),
        other => unreachable!("a client is answered with one, not {other:?}"),
    }
}

fn client(call: &Call<'_>) -> Result<Step, Fault> {
    let (id, detail, updated) = found(call)?;
    let (ip, port) = id.host_port();
    let connected = !id.is_address();
    let mut shown = json!({
        "clientId": id.as_str(),
        "ephemeral": !id.is_persistent(),
        "lastUpdatedTime": updated,
        "clientType": if connected { "connection" } else { "ipPort" },
        "clientIp": ip,
        "clientPort": if call.generation == V2 { port.to_string().into() } else { Value::from(port) },
    });
    let of_connection = [
        ("connectType", "GRPC"),
        ("appName", detail.attributes.app.as_str()),
        ("version", detail.attributes.agent.as_str()),
    ];
    for (name, value) in of_connection {
        if connected {
            shown[name] = value.into();
        } else if call.generation == V3 {
            shown[name] = Value::Null;
        }
    }
    Ok(Answer::json(&shown))
}

/// One service of a client, with what the client does there.
fn service_of(call: &Call<'_>, service: &ServiceKey, publisher: Value, subscriber: Value) -> Value {
    if call.generation == V3 {
        return json!({
            "namespaceId": service.namespace,
            "groupName": service.group,
            "serviceName": service.name,
            "publisherInfo": publisher,
            "subscriberInfo": subscriber,
        });
    }
    let mut shown = json!({"namespace": service.namespace, "group": service.group, "serviceName": service.name});
    for (name, value) in [("registeredInstance", publisher), ("subscriberInfo", subscriber)] {
        if !value.is_null() {
            shown[name] = value;
        }
    }
    shown
}

fn published(call: &Call<'_>) -> Result<Step, Fault> {
    let (_, detail, _) = found(call)?;
    let instances = detail.publishes.iter().flat_map(|(service, content)| {
        content.instances().iter().map(move |instance| service_of(call, service, place(call, instance), Value::Null))
    });
    Ok(Answer::json(&instances.collect::<Vec<_>>()))
}

/// Where an instance is, of a client that is known.
fn place(call: &Call<'_>, instance: &Instance) -> Value {
    let Instance { ip, port, cluster, .. } = instance;
    if call.generation == V3 {
        return json!({"clientId": null, "ip": ip, "port": port, "clusterName": cluster});
    }
    json!({"ip": ip, "port": port, "cluster": cluster})
}

fn subscribed(call: &Call<'_>) -> Result<Step, Fault> {
    let (id, ClientDetail { subscribes, .. }, _) = found(call)?;
    let (ip, port) = id.host_port();
    let address = format!("{ip}:{port}");
    let subscriber = |of: &Attributes| match call.generation {
        V3 => json!({"clientId": null, "appName": of.app, "agent": of.agent, "address": address}),
        _ => json!({"app": of.app, "agent": of.agent, "addr": address}),
    };
    let services =
        subscribes.iter().map(|(service, attributes)| service_of(call, service, Value::Null, subscriber(attributes)));
    Ok(Answer::json(&services.collect::<Vec<_>>()))
}

fn publishers(call: &Call<'_>) -> Result<Step, Fault> {
    let service = call.service()?;
    let (ip, port) = call.any_address()?;
    // The third generation does not ask for the kind.
    let ephemeral = if call.generation == V2 { Some(call.flag("ephemeral", true)?) } else { None };
    let mut all = call.publishers(&service)?.unwrap_or_default();
    all.retain(|it| {
        ip.is_none_or(|ip| it.instance.ip == ip)
            && port.is_none_or(|port| it.instance.port == port)
            && ephemeral.is_none_or(|ephemeral| it.is_ephemeral() == ephemeral)
    });
    let shown = all.iter().map(|it| {
        let mut shown = place(call, &it.instance);
        shown["clientId"] = it.client.as_str().into();
        shown
    });
    Ok(Answer::json(&shown.collect::<Vec<_>>()))
}

fn subscribers(call: &Call<'_>) -> Result<Step, Fault> {
    let service = call.service()?;
    let (wanted_ip, wanted_port) = call.any_address()?;
    let all = call.subscribers_of(&service)?;
    let shown = all.iter().filter_map(|subscriber| {
        let (ip, port) = subscriber.client.host_port();
        if wanted_ip.is_some_and(|wanted| wanted != ip) || wanted_port.is_some_and(|wanted| wanted != port) {
            return None;
        }
        let (id, attributes) = (subscriber.client.as_str(), &subscriber.attributes);
        Some(if call.generation == V3 {
            let address = format!("{ip}:{port}");
            json!({"clientId": id, "appName": attributes.app, "agent": attributes.agent, "address": address})
        } else {
            json!({"clientId": id, "ip": ip, "port": port})
        })
    });
    Ok(Answer::json(&shown.collect::<Vec<_>>()))
}

fn responsible(call: &Call<'_>) -> Result<Step, Fault> {
    call.required_single("ip", "String")?;
    call.required_single("port", "String")?;
    let (ip, port) = call.address()?;
    let cluster = call.api.cluster();
    let peer = cluster.peer(cluster.responsible(&ClientId::address(ip, port)));
    let address = peer.map_or(&cluster.address, |peer| &peer.address);
    Ok(Answer::json(&json!({"responsibleServer": address})))
}
