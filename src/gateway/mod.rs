//! One exchange, start to finish.

pub mod connection;

pub use connection::Connection;
