//! The room as the gateway uses it.

mod attacks;
mod introspection;
mod keys;
mod order;
mod reload;
mod rotation;
mod sessions;
