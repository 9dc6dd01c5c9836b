//! Compiles `proto/` without a `protoc` on the machine: protox parses, tonic generates.

use std::{env, error::Error, path::PathBuf};

/// What clients speak, what nodes of a cluster speak, and what they agree on.
const PROTOCOLS: [&str; 3] = ["proto/nacos.proto", "proto/peer.proto", "proto/raft.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    for file in PROTOCOLS {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(PROTOCOLS, ["proto"])?;
    tonic_prost_build::configure()
        // The JSON body is then a shared slice of what arrived, and a push body is shared, not copied.
        .bytes(".")
        .compile_well_known_types(true)
        .out_dir(PathBuf::from(env::var("OUT_DIR")?))
        .include_file("proto.rs")
        .compile_fds(descriptors)?;
    Ok(())
}
