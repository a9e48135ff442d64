//! The stand-ins' one program.
fn main() {}
