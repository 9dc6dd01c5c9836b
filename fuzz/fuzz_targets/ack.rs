//! Any bytes as a datagram: what anybody may send to the socket that pushes leave by.
#![no_main]

use shared::check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    check::datagram(bytes);
});
