//! The answer of commands that have nothing to give.

use crate::lenient::item;

item! {
    /// Whether a command did what it was asked to.
    ///
    /// A server says no by an error, so `success` is true in practice.
    Success {
        /// Whether it was done.
        "success" success: bool,
        /// More about it, seldom given.
        "displaytext" display_text: Option<String>,
    }
}
