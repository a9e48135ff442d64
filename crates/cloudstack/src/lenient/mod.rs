//! Decoding that forgives what servers do: numbers as text and text as numbers, `"true"`, missing fields, `null`, an
//! empty text where a number was meant. Versions of CloudStack differ in all of these, and one odd field should not
//! cost a whole reply. A value that really cannot be meant (an object for a number) is still an error.

mod container;
mod declare;
mod scalar;

use serde::de::Deserializer;

pub use container::TextList;
pub(crate) use declare::{item, words};
pub(crate) use scalar::FromScalar;
pub use scalar::Secret;

/// Decodes one field; named by every field of [`item!`].
pub(crate) fn field<'de, D: Deserializer<'de>, T: Lenient>(deserializer: D) -> Result<T, D::Error> {
    T::lenient(deserializer)
}

/// A type that a field can have.
pub(crate) trait Lenient: Sized {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}
