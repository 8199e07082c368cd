//! What the gate promises of a request's head and of cookies, as properties that the tests and the fuzz targets share.
//!
//! Each law takes bytes and reads from them what a client or a platform sends; it panics if the gate breaks its word. The
//! readers that the gate is held against are written here a second time, on purpose: in the most permissive way of the
//! servers behind it. Not part of the product's interface.

mod cookies;
mod fields;
mod targets;
#[cfg(test)]
mod tests;

pub use cookies::{only_listed_cookies_are_set, only_listed_cookies_pass};
pub use fields::{nobody_names_themselves, what_vouches_for_a_client_stands_to_the_right};
pub use targets::{every_spelling_goes_one_way, what_was_matched_is_what_is_forwarded};
