//! One exchange, from the request's head to the journal's record. Read `exchange` first.

pub mod canonical;
pub mod coding;
pub mod cookies;
pub mod forwarded;
