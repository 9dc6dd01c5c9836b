//! What real servers and unmodified clients said to each other, said again to a node: the answers must be the same.

mod compare;
mod decode;
mod deviations;
mod errors;
mod fixture;
mod peer;
mod registered;
mod replay;
mod setup;
mod special;
mod timed;
mod verdict;
