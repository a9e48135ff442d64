//! `mesostack image list` and `delete`.

use mesostack::image::catalogue::{self, Image};
use serde_json::json;

use super::{QUESTION, REMOVAL};
use crate::cli::{arguments::Consent, cloud::connect, exit::Exit, report::While, run::Run, table::table};

pub(super) async fn list(run: &Run) -> miette::Result<Exit> {
    let cloud = run.read_file()?.spec.cloud;
    let images = run
        .ask(run.deadline(QUESTION), async {
            let client = connect(&cloud).await?;
            catalogue::list(&client, &cloud.zone).await.tried("could not list the images")
        })
        .await?;
    run.answer(&images, || text(&images))?;
    Ok(Exit::Done)
}

fn text(images: &[Image]) -> String {
    if images.is_empty() {
        return "no image yet; `mesostack image build` makes one".to_owned();
    }
    let rows: Vec<_> = images
        .iter()
        .map(|image| {
            let state = if image.ready { "ready" } else { "not ready" };
            [
                image.name.clone(),
                image.id.to_string(),
                image.label.head.built.strftime("%Y-%m-%d %H:%M").to_string(),
                image.label.head.source.clone(),
                state.to_owned(),
                image.machines.len().to_string(),
            ]
        })
        .collect();
    table(["NAME", "ID", "BUILT (UTC)", "PACKAGES", "STATE", "MACHINES"], &rows)
}

pub(super) async fn delete(run: &Run, wanted: &str, consent: Consent) -> miette::Result<Exit> {
    let cloud = run.read_file()?.spec.cloud;
    let deadline = run.deadline(REMOVAL);
    let client = connect(&cloud).await?;
    let images = catalogue::list(&client, &cloud.zone).await.tried("could not list the images")?;
    let image = catalogue::pick(&images, wanted, &cloud.zone).tried("nothing was deleted")?;
    let question = format!("Delete image {} ({})?", image.name, image.id);
    // Refused before anybody is asked.
    if image.machines.is_empty() && !consent.ask(run, &question).await? {
        run.remark("nothing was deleted");
        return Ok(Exit::Failed);
    }
    catalogue::delete(&client, image, deadline).await.tried("nothing was deleted")?;
    run.conclude(&json!({ "deleted": image.id }), || {
        format!("image {} ({}) is deleted", image.name, image.id)
    })?;
    Ok(Exit::Done)
}
