//! The base template: a small Debian 12 with cloud-init, as a CloudStack image for it would be.
//!
//! It is built once a recipe and kept in the host's cache; a zone takes it as a layer by hard links, so that emptying the
//! cache harms no zone. The recipe carries over how the host itself reaches its packages (mirrors, proxies, authorities),
//! or apt would find nothing on a closed network.

mod build;
mod host_packages;
mod recipe;

use std::path::Path;

pub use self::build::BaseError;
use self::host_packages::HostPackages;
pub use self::host_packages::reachable;
use self::recipe::Recipe;
use crate::driver::{BaseTemplate, LayerId};

/// The base template's name in the zone.
pub const NAME: &str = "Debian 12";

/// Makes the base template ready as a layer in `layers`: builds it into `cache` when it is not there yet, and says on
/// `progress` what it does, line by line. May take a minute; blocks.
///
/// # Errors
/// When mmdebstrap fails (the error ends with what it said last) or a directory cannot be written.
pub fn prepare(cache: &Path, layers: &Path, progress: &dyn Fn(&str)) -> Result<BaseTemplate, BaseError> {
    let recipe = Recipe::new(HostPackages::find());
    let layer = LayerId(format!("debian-12-{}", recipe.digest()));
    let bytes = build::layer(&recipe, cache, &layer, layers, progress)?;
    Ok(BaseTemplate {
        name: NAME.to_owned(),
        os_type: "Debian GNU/Linux 12 (64-bit)".to_owned(),
        layers: vec![layer],
        bytes,
    })
}

/// The base template without building it, if it lies in `layers` already.
pub fn present(layers: &Path) -> Option<BaseTemplate> {
    let recipe = Recipe::new(HostPackages::find());
    let layer = LayerId(format!("debian-12-{}", recipe.digest()));
    let bytes = build::size_of(&layers.join(&layer.0))?;
    Some(BaseTemplate {
        name: NAME.to_owned(),
        os_type: "Debian GNU/Linux 12 (64-bit)".to_owned(),
        layers: vec![layer],
        bytes,
    })
}
