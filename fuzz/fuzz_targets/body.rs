//! Any bytes as the JSON of each request: the first byte chooses the type, so that mutations stay in the body.
#![no_main]

use shared::check;

const KINDS: [&str; 8] = [
    "InstanceRequest",
    "BatchInstanceRequest",
    "SubscribeServiceRequest",
    "ServiceQueryRequest",
    "ServiceListRequest",
    "PersistentInstanceRequest",
    "HealthCheckRequest",
    "ConnectionSetupRequest",
];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((kind, body)) = bytes.split_first() {
        check::body(KINDS[usize::from(*kind) % KINDS.len()], body);
    }
});
