//! The command line of mesostack.
fn main() {}
