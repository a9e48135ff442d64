//! `mesostack image …`: build an image, look at those there are, be rid of them.

mod build;
mod gc;
mod list;

use std::{path::PathBuf, time::Duration};

use mesostack::{
    events::Event,
    image::{recipe::Recipe, validate},
};
use serde_json::json;

use super::{
    arguments::{Global, Image},
    cloud::connect,
    exit::Exit,
    report::While,
    run::Run,
};

pub(super) use self::build::build;

/// How long questions may take.
const QUESTION: Duration = Duration::from_secs(120);
/// How long removing may take.
const REMOVAL: Duration = Duration::from_secs(10 * 60);

pub(super) async fn image(run: &Run, command: Image) -> miette::Result<Exit> {
    match command {
        Image::Build { on_error } => build(run, on_error).await.map(|()| Exit::Done),
        Image::Validate => check(run).await,
        Image::List => list::list(run).await,
        Image::Delete { image, consent } => list::delete(run, &image, consent).await,
        Image::Gc { build, consent } => gc::gc(run, build, consent).await,
    }
}

/// Where the key of a build that is kept lies: beside the file.
fn key_directory(options: &Global) -> PathBuf {
    options.file.parent().map(PathBuf::from).unwrap_or_default()
}

async fn check(run: &Run) -> miette::Result<Exit> {
    let document = run.read_file()?;
    let spec = &document.spec;
    run.ask(run.deadline(QUESTION), async {
        let recipe = Recipe::load(&spec.image, None).await.tried("the recipe cannot be made")?;
        if let Some(message) = recipe.warning() {
            run.progress.listener().hear(Event::Warning { message });
        }
        let client = connect(&spec.cloud).await?;
        let checked = validate::against_cloud(&client, spec, &recipe).await;
        build::at_the_line(checked, &document.source)?.tried("the image could not be checked")?;
        run.answer(&json!({ "image": spec.image.name, "recipe": recipe.digest() }), || {
            format!("image {} can be built; recipe {}", spec.image.name, recipe.digest())
        })
    })
    .await?;
    Ok(Exit::Done)
}
