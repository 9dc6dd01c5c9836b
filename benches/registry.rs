//! What the operations of a node cost without sockets: registrations, reads, views built and encoded, pushes made.
//!
//! `cargo bench --bench registry`.

mod cluster;

use std::hint::black_box;

use cluster::{INSTANCES, SERVICES, instance, service};
use criterion::{BenchmarkId, Criterion, Throughput};
use roster::{
    model::{Attributes, ClientId, NodeId, Now, Published, Tick},
    node::{Input, Membership, Node, Output, Reply, Settings},
    push, registry,
    registry::Selection,
};

const NOW: Now = Now { tick: Tick(0), wall: 1_700_000_000_000 };

/// A node that pushes at once, so that no bench waits for a window. `encodings`: bytes of encoded lists it may keep.
fn settings(encodings: usize) -> Settings {
    Settings {
        registry: registry::Limits { empty_service_expiry: 60_000, encodings },
        push: push::Settings {
            window: 0,
            window_max: 0,
            storm_bytes: u64::MAX,
            ack_timeout: 5_000,
            retry: 1_000,
            retry_max: 30_000,
        },
        ..Settings::DEFAULT
    }
}

const KEEPS: usize = 64 << 20;
const KEEPS_NOTHING: usize = 0;

fn handle(node: &mut Node, input: Input) -> Reply {
    node.handle(NOW, input).expect("the client is there")
}

/// The client that publishes instance `place` of a service.
fn client(service: usize, place: usize) -> ClientId {
    format!("1700000000000_10.{}.{}.{place}_40123", service / 250, service % 250).as_str().into()
}

fn register(service: usize, place: usize, version: u64) -> Input {
    let content = Published::One(Box::new(instance(service, place, version)));
    Input::Register { client: client(service, place), service: cluster::service(service), content }
}

fn query(service: usize) -> Input {
    Input::Query { service: cluster::service(service), selection: Selection::default() }
}

/// The typical cluster, registered.
fn filled(encodings: usize) -> Node {
    let mut node = Node::new(settings(encodings), Membership::alone(NodeId(1), "n1:8848"), NOW, 0);
    handle(&mut node, Input::CeilingStored(u64::MAX / 2));
    for service in 0..SERVICES {
        for place in 0..INSTANCES {
            handle(&mut node, Input::Connect(client(service, place), Attributes::default()));
            handle(&mut node, register(service, place, 0));
        }
    }
    node
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    writes(&mut criterion);
    beats(&mut criterion);
    reads(&mut criterion);
    views(&mut criterion);
    pushes(&mut criterion);
    criterion.final_summary();
}

fn writes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write");
    let mut node = filled(KEEPS);
    let (subject, mut version) = (SERVICES / 2, 0);
    group.bench_function("register and deregister", |bencher| {
        bencher.iter(|| {
            handle(&mut node, Input::Deregister { client: client(subject, 0), service: service(subject) });
            handle(&mut node, register(subject, 0, 0))
        });
    });
    group.bench_function("register the same again", |bencher| {
        bencher.iter(|| handle(&mut node, register(subject, 1, 0)));
    });
    group.bench_function("register another content", |bencher| {
        bencher.iter(|| {
            version += 1;
            handle(&mut node, register(subject, 1, version))
        });
    });
    group.bench_function("connect and disconnect with one instance", |bencher| {
        bencher.iter(|| {
            handle(&mut node, Input::Disconnect(client(subject, 2)));
            handle(&mut node, Input::Connect(client(subject, 2), Attributes::default()));
            handle(&mut node, register(subject, 2, 0))
        });
    });
    group.finish();
}

/// Ten thousand instances that beat, each in turn, and nothing that comes of it.
fn beats(criterion: &mut Criterion) {
    let mut node = Node::new(settings(KEEPS), Membership::alone(NodeId(1), "n1:8848"), NOW, 0);
    handle(&mut node, Input::CeilingStored(u64::MAX / 2));
    let places: Vec<(ClientId, usize, usize)> = (0..10_000 / INSTANCES)
        .flat_map(|service| (0..INSTANCES).map(move |place| (service, place)))
        .map(|(service, place)| (ClientId::address(&format!("10.1.{service}.{place}"), 8080), service, place))
        .collect();
    for (client, at, place) in &places {
        let instance = Box::new(instance(*at, *place, 0));
        handle(&mut node, Input::RegisterBeating { client: client.clone(), service: service(*at), instance });
    }
    let services: Vec<_> = (0..10_000 / INSTANCES).map(service).collect();
    let mut turn = places.iter().cycle();
    criterion.bench_function("beat", |bencher| {
        bencher.iter(|| {
            let (client, at, _) = turn.next().expect("a cycle");
            handle(&mut node, Input::Beat { client: client.clone(), service: services[*at].clone(), instance: None })
        });
    });
}

fn reads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    let mut node = filled(KEEPS);
    group.bench_function("query an encoded list", |bencher| {
        bencher.iter(|| handle(&mut node, query(black_box(SERVICES / 2))));
    });
    group.bench_function("query a service nobody knows", |bencher| {
        bencher.iter(|| handle(&mut node, query(black_box(SERVICES))));
    });
    group.bench_function("list the last page of ten", |bencher| {
        bencher.iter(|| handle(&mut node, Input::List { group: service(0), page: SERVICES / 10, size: 10 }));
    });
    group.finish();
}

/// Selecting and encoding a list that is not kept.
fn views(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("build and encode a view");
    for hosts in [INSTANCES, 10 * INSTANCES] {
        let mut node = filled(KEEPS_NOTHING);
        for place in INSTANCES..hosts {
            handle(&mut node, Input::Connect(client(0, place), Attributes::default()));
            handle(&mut node, register(0, place, 0));
        }
        group.throughput(Throughput::Elements(hosts as u64));
        group.bench_function(BenchmarkId::from_parameter(hosts), |bencher| {
            bencher.iter(|| handle(&mut node, query(black_box(0))));
        });
    }
    group.finish();
}

/// One change until all subscribers have acknowledged it.
fn pushes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("change, push and ack");
    for subscribers in [1, 100] {
        let mut node = filled(KEEPS);
        for number in 0..subscribers {
            let client: ClientId = format!("subscriber-{number}").as_str().into();
            handle(&mut node, Input::Connect(client.clone(), Attributes::default()));
            handle(&mut node, Input::Subscribe { client, service: service(0), clusters: "".into() });
        }
        settle(&mut node);
        let mut version = 0;
        group.throughput(Throughput::Elements(subscribers));
        group.bench_function(BenchmarkId::new("subscribers", subscribers), |bencher| {
            bencher.iter(|| {
                version += 1;
                handle(&mut node, register(0, 0, version));
                assert_eq!(settle(&mut node), subscribers, "one push to each");
            });
        });
    }
    group.finish();
}

/// Makes and acknowledges all pushes that are due; returns how many.
fn settle(node: &mut Node) -> u64 {
    let (mut outputs, mut count) = (Vec::new(), 0);
    loop {
        node.poll(NOW, &mut outputs);
        if outputs.is_empty() {
            return count;
        }
        for output in outputs.drain(..) {
            let Output::Push(push) = output else { panic!("the lists are small") };
            count += 1;
            handle(node, Input::Acked { client: push.client, push: Some(push.number), success: true });
        }
    }
}
