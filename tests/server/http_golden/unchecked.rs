//! Recorded cases in which the server itself finds out that a persistent instance is dead, which nobody does yet.

/// Their ids. An entry goes when its case passes.
pub const UNCHECKED: &[&str] = &[
    "timing/v1-persistent-instance-on-a-dead-port-unhealthy-at-20-s-and-stays",
    "timing/v2-persistent-instance-on-a-dead-port-unhealthy-at-20-s-and-stays",
    "timing/v3-persistent-instance-on-a-dead-port-unhealthy-at-20-s-and-stays",
];
