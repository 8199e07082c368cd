//! Rempart, the command: exit codes only.

fn main() {}
