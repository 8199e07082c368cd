//! The room as the gateway uses it.

mod attacks;
mod certificates;
mod introspection;
mod keys;
mod order;
mod relations;
mod reload;
mod rotation;
mod sessions;
