//! A sample learning platform and all that it takes to show the gateway in front of it.
//!
//! The platform is built like the real ones that the gateway is for: it knows who signed in and yet hands every field of
//! everybody to whoever asks, sets trackers' cookies, compresses when asked not to and sends event streams. Everybody
//! in it is made up. `rempart demo` runs it; the end-to-end tests use it as one of their upstreams.

pub mod accounts;
mod body;
pub mod certificates;
mod endpoints;
pub mod folder;
pub mod people;
pub mod platform;
pub mod tokens;
mod trackers;
