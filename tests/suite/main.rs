//! Everything that is tested from outside, as one program: linked once, so that a fresh machine has its answer sooner.
//!
//! `cargo test --test suite login` runs one module of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests state their expectations by panicking"
)]
#![allow(unreachable_pub, reason = "a program's modules are public to each other only")]

mod support;

mod accounts;
mod attack_gateway;
mod balancers;
mod canary;
mod catalogue;
mod certificates;
mod deploy;
mod docs;
mod examples;
mod forwarding;
mod framing;
mod graphql;
mod grpc;
mod harness;
mod hostility;
mod layering;
mod login;
mod markup;
mod memory;
mod multiplexed;
mod oidc;
mod pages;
mod policy;
mod presets;
mod quotas;
mod redaction;
mod relations;
mod reload;
mod resumption;
mod sockets;
mod stores;
mod streams;
mod tables;
mod transports;
mod upstreams;
mod way_back;
