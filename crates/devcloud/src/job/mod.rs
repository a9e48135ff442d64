//! Jobs: whom they queue behind, and their way from the answer that begins them to their result.

mod lane;
mod run;

pub(crate) use self::lane::{Lane, Lanes};
