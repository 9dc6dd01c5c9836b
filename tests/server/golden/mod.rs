//! The parts of the golden test.

mod compare;
mod decode;
mod deviations;
mod errors;
mod fixture;
mod registered;
mod setup;
mod special;
mod timed;
