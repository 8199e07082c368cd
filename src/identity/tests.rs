//! The room as the gateway uses it.

mod attacks;
