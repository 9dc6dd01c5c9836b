//! Any bytes as a message of a member to a node: the first says which member and how much time has passed, the rest is the
//! frame. From the reading to what the node makes of it.
#![no_main]

use std::cell::RefCell;

use shared::peer::Renewed;

thread_local! {
    static NODE: RefCell<Renewed> = RefCell::default();
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    NODE.with_borrow_mut(|node| node.hear(bytes));
});
