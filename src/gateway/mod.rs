//! One exchange, from the client's request to the record of it.

pub mod canonical;
pub mod cookies;
pub mod forwarded;
