//! What the targets share with the property test of the decoder.

#[path = "../tests/decoder/check.rs"]
pub mod check;
#[path = "../tests/decoder/http.rs"]
pub mod http;
#[path = "../tests/decoder/peer.rs"]
pub mod peer;
#[path = "../tests/decoder/samples.rs"]
pub mod samples;
