//! `mesostack image build`.

use std::{fmt::Write, sync::Arc};

use async_trait::async_trait;
use mesostack::{
    cluster::refusal,
    image::{
        Builder, Built, Error,
        build::{Ask, OnError, Options, Ssh},
        manifest,
        recipe::Recipe,
    },
    spec::Source,
};
use serde_json::json;

use super::key_directory;
use crate::{
    cli::{
        arguments, cloud::connect, consent::question, holder::holder, journal::Journal, report::While,
        run::Run,
    },
    progress::{Progress, readable},
};

/// Asks on the terminal whether to keep what a failed build has made.
#[derive(Debug)]
struct Terminal {
    progress: Progress,
}

#[async_trait]
impl Ask for Terminal {
    async fn keep(&self, failure: &Error) -> bool {
        self.progress.finish();
        // Without an answer everything is removed.
        question(&format!("{failure}\nKeep what was made, to look into it?")).await.unwrap_or(false)
    }
}

pub(in crate::cli) async fn build(run: &Run, on_error: arguments::OnError) -> miette::Result<()> {
    let document = run.read_file()?;
    let spec = &document.spec;
    let recipe = Recipe::load(&spec.image, None).await.tried("the recipe cannot be made")?;
    let client = connect(&spec.cloud).await?;
    let journal = Journal::begin(run, "image build", spec, &client);
    let builder =
        Builder { client, access: Arc::new(Ssh), listener: journal.listener(), stop: run.stop.clone() };
    let mut options = Options::new(holder());
    options.lifetime = run.options.deadline.unwrap_or(options.lifetime);
    options.key_directory = key_directory(&run.options);
    options.on_error = match on_error {
        arguments::OnError::Cleanup => OnError::Cleanup,
        arguments::OnError::Keep => OnError::Keep,
        arguments::OnError::Ask => OnError::Ask(Arc::new(Terminal { progress: run.progress.clone() })),
    };
    let built = builder.build(spec, &recipe, &options).await;
    journal.end(run.outcome(&built));
    let built = at_the_line(built, &document.source)?.tried("the image could not be built")?;
    let result = json!({
        "template": built.template,
        "label": built.label,
        "manifest": built.manifest,
        "seconds": built.took.as_secs_f64(),
        "left": built.left,
    });
    run.conclude(&result, || text(&built))
}

/// What stands in the way of an image is told at the lines of the file that name it.
pub(super) fn at_the_line<T>(outcome: Result<T, Error>, source: &Source) -> miette::Result<Result<T, Error>> {
    match outcome {
        Err(Error::Obstacles { obstacles }) => match refusal(&obstacles, source) {
            Some(refused) => Err(refused.into()),
            None => Ok(Err(Error::Obstacles { obstacles })),
        },
        outcome => Ok(outcome),
    }
}

fn text(built: &Built) -> String {
    let head = &built.label.head;
    let mut text = format!(
        "image {}: template {}, built in {}\n  base      {}\n  packages  {}\n  recipe    {}\n",
        head.image,
        built.template,
        readable(built.took),
        head.base,
        head.source,
        head.recipe,
    );
    for (program, version) in &built.label.programs {
        let _ = writeln!(text, "  {program:9} {version}");
    }
    if built.manifest.is_none() {
        let _ = writeln!(
            text,
            "  manifest  inside only, at {}: nobody could reach the machine (image.access = \"none\")",
            manifest::PATH
        );
    }
    if let Some(left) = &built.left {
        let _ = writeln!(text, "! something temporary is still there: {left}");
    }
    text
}
