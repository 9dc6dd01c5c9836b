//! Two ends of the cluster port over real sockets, each with a node, and what no node would send.

mod forward;
mod link;
mod members;
mod raw;
mod refuse;
mod support;
