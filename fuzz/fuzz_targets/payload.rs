//! Any bytes as an envelope: what a connection may send before anything is known of it.
#![no_main]

#[path = "../../tests/decoder/check.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    check::payload(bytes);
});
