//! YAML → immutable [`set::PolicySet`]: parse, compile, enforce are three kinds of types.
//!
//! [`source`] finds the files, `document` mirrors their YAML, [`compile`](mod@compile) turns documents into the
//! [`set`] and says everything that is wrong with them at once in a [`report::Report`].

pub mod compile;
mod document;
pub mod presets;
pub mod report;
pub mod set;
pub mod source;
mod suggest;
pub mod vocabularies;
