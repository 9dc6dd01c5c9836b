//! Any bytes as an envelope: what a connection may send before anything is known of it.
#![no_main]

use shared::check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    check::payload(bytes);
});
