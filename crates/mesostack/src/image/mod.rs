//! The image: recipe, build, manifest, and what becomes of old ones.
