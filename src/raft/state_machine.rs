//! STUB
pub use super::store::Machine;
