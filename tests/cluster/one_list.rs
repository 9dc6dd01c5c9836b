//! Whichever node is asked, it is one registry: what is written on one is read on all, and on that one at once.

use serde_json::{Value, json};

use crate::support::{Cluster, Node, Ports, all_show, call, client, fleet, metric, register, shown};

/// Longest that a change may take from node to node: it takes milliseconds.
const SOON: std::time::Duration = std::time::Duration::from_secs(5);
/// The address of all that is registered over HTTP.
const IP: &str = "10.0.0.1";

/// A generation of the HTTP API: how it registers, beats, lists and deregisters.
struct Generation {
    name: &'static str,
    register: (&'static str, &'static str),
    list: &'static str,
    deregister: &'static str,
}

const GENERATIONS: [Generation; 4] = [
    Generation {
        name: "v1",
        register: ("POST", "/nacos/v1/ns/instance"),
        list: "/nacos/v1/ns/instance/list",
        deregister: "/nacos/v1/ns/instance",
    },
    Generation {
        name: "v2",
        register: ("POST", "/nacos/v2/ns/instance"),
        list: "/nacos/v2/ns/instance/list",
        deregister: "/nacos/v2/ns/instance",
    },
    Generation {
        name: "v3-admin",
        register: ("POST", "/nacos/v3/admin/ns/instance"),
        list: "/nacos/v3/admin/ns/instance/list",
        deregister: "/nacos/v3/admin/ns/instance",
    },
    Generation {
        name: "v3-client",
        register: ("POST", "/nacos/v3/client/ns/instance"),
        list: "/nacos/v3/client/ns/instance/list",
        deregister: "/nacos/v3/client/ns/instance",
    },
];

async fn done(node: &Node, method: &str, target: &str) -> String {
    let (status, body) = call(&node.address, method, target, "").await.expect("answered");
    assert_eq!(status, 200, "{method} {target} at {}: {body}", node.address);
    body
}

async fn listed(node: &Node, target: &str, service: &str) -> Ports {
    let target = format!("{target}?serviceName={service}");
    let (status, body) = call(&node.address, "GET", &target, "").await.expect("answered");
    // The list for operators knows no cluster without instances.
    assert!(status == 200 || (status == 404 && body.contains("is not found")), "{target}: {status}: {body}");
    shown(&serde_json::from_str::<Value>(&body).expect("JSON"))
}

/// The main address of the node that is responsible for this instance's client.
async fn responsible(node: &Node, port: u16) -> String {
    let body = done(node, "GET", &format!("/nacos/v1/ns/operator/distro/client?ip={IP}&port={port}")).await;
    let answer: Value = serde_json::from_str(&body).expect("JSON");
    answer["responsibleServer"].as_str().expect("an address").to_owned()
}

/// A node that is not responsible for this instance's client.
async fn another(cluster: &Cluster, port: u16) -> &Node {
    let responsible = responsible(&cluster.nodes[0], port).await;
    cluster.nodes.iter().find(|node| node.address != responsible).expect("three nodes")
}

async fn forwarded(node: &Node) -> f64 {
    metric(&node.metrics().await, "roster_forwards_total", "result=\"ok\"")
}

/// How many clients a node owns, as another node knows it.
async fn owns(node: &Node, owner: &str) -> u64 {
    let cluster = node.cluster().await.expect("an answer");
    let members = cluster["members"].as_array().expect("members");
    let member = members.iter().find(|member| member["address"] == owner).expect("a member");
    member["owns"].as_u64().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_sdk_registers_on_one_node_is_on_all_and_so_is_its_end() {
    let cluster = Cluster::start().await;
    let clients = fleet(&cluster, 1).await;
    for (place, clients) in clients.iter().enumerate() {
        register(&clients[0], "orders", 1 + place as u16).await;
    }
    all_show(&cluster.all(), "orders", &Ports::from([1, 2, 3]), SOON).await;
    let one = crate::support::instance(2);
    clients[1][0].deregister_instance("orders".to_owned(), None, one).await.expect("deregisters");
    all_show(&cluster.all(), "orders", &Ports::from([1, 3]), SOON).await;
    for node in &cluster.nodes {
        let only = client(&node.address).await;
        let found = only.get_all_instances("orders".to_owned(), None, Vec::new(), false).await.expect("queries");
        assert_eq!(found.len(), 2, "{}", node.address);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_at_a_node_that_is_not_responsible_is_forwarded_and_read_there_at_once() {
    let cluster = Cluster::start().await;
    for (number, generation) in GENERATIONS.iter().enumerate() {
        let service = generation.name;
        let ports: Vec<u16> = (0..4).map(|port| 100 + 10 * number as u16 + port).collect();
        for port in &ports {
            let entry = another(&cluster, *port).await;
            let owner = responsible(entry, *port).await;
            let (before, owned) = (forwarded(entry).await, owns(entry, &owner).await);
            let (method, path) = generation.register;
            done(entry, method, &format!("{path}?serviceName={service}&ip={IP}&port={port}")).await;
            let read = listed(entry, generation.list, service).await;
            assert!(read.contains(port), "{service}: {} does not show {port}: {read:?}", entry.address);
            assert_eq!(forwarded(entry).await, before + 1.0, "{service} {port}");
            assert_eq!(owns(entry, &owner).await, owned + 1, "{service} {port}: it belongs to the responsible node");
        }
        all_show(&cluster.all(), service, &ports.iter().copied().collect(), SOON).await;
        for port in &ports {
            let entry = another(&cluster, *port).await;
            let path = generation.deregister;
            done(entry, "DELETE", &format!("{path}?serviceName={service}&ip={IP}&port={port}")).await;
            let read = listed(entry, generation.list, service).await;
            assert!(!read.contains(port), "{service}: {} still shows {port}", entry.address);
        }
        all_show(&cluster.all(), service, &Ports::new(), SOON).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_beat_at_a_node_that_is_not_responsible_is_forwarded() {
    let cluster = Cluster::start().await;
    for (service, port, path) in [("one", 70, "/nacos/v1/ns/instance/beat"), ("two", 71, "/nacos/v2/ns/instance/beat")]
    {
        let entry = another(&cluster, port).await;
        let before = forwarded(entry).await;
        let light =
            done(entry, "PUT", &format!("{path}?serviceName=DEFAULT_GROUP@@{service}&ip={IP}&port={port}")).await;
        assert!(light.contains("20404"), "nobody knows it: {light}");
        let beat = json!({"ip": IP, "port": port, "cluster": "DEFAULT", "weight": 1.0, "metadata": {}}).to_string();
        let beat = beat.replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
        done(entry, "PUT", &format!("{path}?serviceName=DEFAULT_GROUP@@{service}&beat={beat}")).await;
        assert_eq!(
            entry.ports(service).await,
            Some(Ports::from([port])),
            "a full beat registers, and it is read at once"
        );
        let light =
            done(entry, "PUT", &format!("{path}?serviceName=DEFAULT_GROUP@@{service}&ip={IP}&port={port}")).await;
        assert!(light.contains("10200"), "{light}");
        assert_eq!(forwarded(entry).await, before + 3.0, "{service}");
        all_show(&cluster.all(), service, &Ports::from([port]), SOON).await;
    }
    let entry = another(&cluster, 72).await;
    let before = forwarded(entry).await;
    let target = format!("/nacos/v3/client/ns/instance?serviceName=three&ip={IP}&port=72");
    done(entry, "POST", &target).await;
    done(entry, "POST", &format!("{target}&heartBeat=true")).await;
    assert_eq!(forwarded(entry).await, before + 2.0);
    all_show(&cluster.all(), "three", &Ports::from([72]), SOON).await;
}
