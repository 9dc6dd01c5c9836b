//! Any bytes as a request to the HTTP API: the first chooses the operation, the second what the body is said to be, and the
//! first line of the rest is the query. From the reading of parameters to the answer, with a node behind it.
#![no_main]

use std::cell::RefCell;

use shared::http::Renewed;

thread_local! {
    static SERVER: RefCell<Renewed> = RefCell::default();
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    SERVER.with_borrow_mut(|server| server.ask(bytes));
});
