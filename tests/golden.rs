//! What real Nacos servers said to real clients, against this one.
//!
//! `tests/golden/` holds recordings: what the SDKs of four languages said and were answered (`<server>-<client>/`), some
//! 400 hand-made requests with the exact answers of two server versions (`errors-*.jsonl`), and raw messages
//! (`payload-bytes.jsonl`). `tests/golden_suite/deviations.rs` lists what this server answers otherwise on purpose.

mod golden_suite;
mod support;
