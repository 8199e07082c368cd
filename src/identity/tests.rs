//! The room as the gateway uses it.

mod attacks;
mod certificates;
mod keys;
mod order;
mod relations;
mod reload;
mod sessions;
