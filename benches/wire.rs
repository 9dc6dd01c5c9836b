//! What reading requests and writing answers and pushes costs, on messages as SDKs write them and lists of the typical
//! cluster.
//!
//! `cargo bench --bench wire`.

mod cluster;
#[path = "../tests/decoder/samples.rs"]
mod samples;

use std::hint::black_box;

use bytes::Bytes;
use cluster::{INSTANCES, SERVICES, instance, service};
use criterion::{BenchmarkId, Criterion, Throughput};
use prost::Message;
use roster::{
    proto::{Metadata, Payload, google::protobuf::Any},
    wire::{self, RequestType, ServiceInfo},
};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    decode(&mut criterion);
    encode(&mut criterion);
    criterion.final_summary();
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for (place, (name, body)) in samples::SAMPLES.iter().enumerate() {
        let Some(kind) = RequestType::of(name) else { continue };
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("{name} {place}"), |bencher| {
            bencher.iter(|| wire::decode(kind, black_box(body.as_bytes())).expect("a legal request"));
        });
    }
    group.throughput(Throughput::Bytes(samples::ACK_JAVA.len() as u64));
    group.bench_function("ack, Java", |bencher| {
        bencher.iter(|| wire::ack(black_box(samples::ACK_JAVA.as_bytes())).expect("an ack"));
    });
    let metadata = Metadata { r#type: "InstanceRequest".to_owned(), ..Metadata::default() };
    let body = Any { type_url: String::new(), value: Bytes::from_static(samples::REGISTER_JAVA.as_bytes()) };
    let envelope = Bytes::from(Payload { metadata: Some(metadata), body: Some(body) }.encode_to_vec());
    group.throughput(Throughput::Bytes(envelope.len() as u64));
    group.bench_function("envelope", |bencher| {
        bencher.iter(|| Payload::decode(black_box(envelope.clone())).expect("an envelope"));
    });
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    let key = service(SERVICES / 2);
    for hosts in [INSTANCES, 10 * INSTANCES] {
        let instances: Vec<_> = (0..hosts).map(|place| instance(SERVICES / 2, place, 1)).collect();
        let array = || {
            let mut out = vec![b'['];
            for (place, instance) in instances.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                wire::encode_host(&mut out, &key, instance, true, true);
            }
            out.push(b']');
            Bytes::from(out)
        };
        let encoded = array();
        let info = ServiceInfo {
            service: &key,
            clusters: "",
            hosts: &encoded,
            stamp: 1_700_000_000_000,
            protected: false,
            cache: 10_000,
        };
        group.throughput(Throughput::Bytes(encoded.len() as u64));
        group.bench_function(BenchmarkId::new("hosts", hosts), |bencher| bencher.iter(array));
        group.bench_function(BenchmarkId::new("answer around encoded hosts", hosts), |bencher| {
            bencher.iter(|| wire::service_view(black_box(&info), Some("success")));
        });
        group.bench_function(BenchmarkId::new("push around encoded hosts", hosts), |bencher| {
            bencher.iter(|| wire::notify_subscriber(black_box(4_711), black_box(&info)));
        });
    }
    group.finish();
    criterion.bench_function("encode/answer to a registration", |bencher| {
        bencher.iter(wire::registered);
    });
}
