//! YAML → immutable [`set::PolicySet`]: parse, compile, enforce are three kinds of types.

pub mod set;
