//! How the things of replies are declared: a struct with wire names, an enum of words.

/// Writes a struct of a reply: every field may be missing, and is decoded leniently under its wire name.
macro_rules! item {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$field_meta:meta])* $wire:literal $field:ident: $type:ty,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(rename = $wire, deserialize_with = "crate::lenient::field")]
                pub $field: $type,
            )*
        }
    };
}

/// Writes an enum of words, with `Other` for words that this version does not know.
macro_rules! words {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$word_meta:meta])* $word:ident = $wire:literal,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$word_meta])* $word,)*
            /// A word that this version of the crate does not know; empty when the server sent none.
            Other(String),
        }

        impl $name {
            /// The word as CloudStack writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$word => $wire,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::Other(String::new())
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                $(if word.eq_ignore_ascii_case($wire) { return Self::$word; })*
                Self::Other(word.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::lenient::FromScalar for $name {
            const EXPECTED: &'static str = "a word";
            fn from_scalar(text: &str) -> Option<Self> {
                Some(Self::from(text))
            }
        }

        impl $crate::lenient::Lenient for $name {
            fn lenient<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(<Option<Self> as $crate::lenient::Lenient>::lenient(deserializer)?.unwrap_or_default())
            }
        }

        impl $crate::parameters::Parameter for $name {
            fn add(&self, name: std::borrow::Cow<'static, str>, to: &mut $crate::parameters::Parameters) {
                to.push(name, self.as_str());
            }
        }
    };
}

pub(crate) use {item, words};
