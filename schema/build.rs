//! Rust types for the messages of the stream: `proto/stream.proto`, compiled without protoc.

use std::error::Error;

const PROTO: &str = "proto/stream.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO}");
    prost_build::Config::new().compile_fds(protox::compile([PROTO], ["proto"])?)?;
    Ok(())
}
