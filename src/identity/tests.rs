//! The room as the gateway uses it.

mod attacks;
mod keys;
mod order;
mod reload;
mod sessions;
