//! Whether an image can be built as described: first without the cloud, then against it, every problem in one report.

use cloudstack::Client;

use super::{
    error::{Error, Result},
    lookup::look_up,
    recipe::Recipe,
};
use crate::{
    cluster::Obstacle,
    spec::{BuildAccess, Spec},
};

/// Checks the recipe and how the machine is to be reached, without asking the cloud.
///
/// # Errors
/// [`Error::Obstacles`] with every problem.
pub fn recipe(spec: &Spec, recipe: &Recipe) -> Result<()> {
    let mut obstacles = Vec::new();
    let image = &spec.image;
    if image.access == BuildAccess::Guest && image.network.is_none() {
        let message = "access = \"guest\" reaches the build machine by its guest address";
        let help = "name the network that this machine is in (image.network)";
        obstacles.push(Obstacle::new("image.access", message).help(help));
    }
    if image.access == BuildAccess::None && recipe.carries_local_files() {
        let message = "access = \"none\" leaves no way to carry files of this machine (local .deb files, the stand-ins, a \
                       key file) into the build machine";
        let help = "publish them and name their URLs, or use another access";
        obstacles.push(Obstacle::new("image.packages", message).help(help));
    }
    if obstacles.is_empty() { Ok(()) } else { Err(Error::Obstacles { obstacles }) }
}

/// Checks everything: [`recipe`], and that zone, offering, base template, network or network offering exist.
///
/// # Errors
/// [`Error::Obstacles`] with every problem of both, or [`Error::Cloud`] when the cloud cannot be asked.
pub async fn against_cloud(client: &Client, spec: &Spec, of: &Recipe) -> Result<()> {
    let (offline, online) = (recipe(spec, of), look_up(client, spec).await.map(|_| ()));
    match (offline, online) {
        (Err(Error::Obstacles { obstacles: mut all }), Err(Error::Obstacles { obstacles })) => {
            all.extend(obstacles);
            Err(Error::Obstacles { obstacles: all })
        }
        (offline, online) => offline.and(online),
    }
}
