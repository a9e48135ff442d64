//! The journal of a run, beside what is shown of it.

use std::sync::Arc;

use cloudstack::{CallCounts, Client};
use mesostack::{
    events::{Both, Event, Listener, Outcome, Run as About},
    spec::Spec,
    timeline::{Figures, Journals},
};
use tokio::time::Instant;

use super::run::Run;

/// A run that is being written down.
#[derive(Debug)]
pub(crate) struct Journal {
    listener: Arc<dyn Listener>,
    client: Client,
    began: Instant,
    before: CallCounts,
}

impl Journal {
    /// Begins one. Where none can be written the run is shown all the same.
    pub(crate) fn begin(run: &Run, command: &str, spec: &Spec, client: &Client) -> Self {
        let shown = run.progress.listener();
        run.progress.expect(figures(spec, client));
        let cluster = &spec.cluster.name;
        let recorder = Journals::of(cluster).map(|journals| journals.begin());
        let listener: Arc<dyn Listener> = match recorder {
            Some(Ok(recorder)) => Arc::new(Both(shown, Arc::new(recorder))),
            Some(Err(error)) => {
                tracing::info!(%error, "no journal can be written: there will be no timeline of this run");
                shown
            }
            None => shown,
        };
        listener.hear(Event::RunStarted {
            run: About {
                command: command.to_owned(),
                cluster: cluster.clone(),
                zone: spec.cloud.zone.clone(),
                cloud: place(client),
                mesostack: env!("CARGO_PKG_VERSION").to_owned(),
            },
        });
        Self { listener, client: client.clone(), began: Instant::now(), before: client.counts() }
    }

    /// The one who hears the run's events.
    pub(crate) fn listener(&self) -> Arc<dyn Listener> {
        self.listener.clone()
    }

    /// Writes down how it ended.
    pub(crate) fn end(self, outcome: Outcome) {
        let calls = self.client.counts().since(&self.before).total();
        self.listener.hear(Event::RunEnded { outcome, took: self.began.elapsed(), calls });
    }
}

/// What earlier runs of the cluster took in this cloud.
pub(crate) fn figures(spec: &Spec, client: &Client) -> Figures {
    let records = Journals::of(&spec.cluster.name).map(|journals| journals.recent()).unwrap_or_default();
    Figures::of(&records, &place(client), &spec.cloud.zone)
}

/// The API's host and port; never what else may stand in its address.
fn place(client: &Client) -> String {
    let endpoint = client.endpoint();
    let host = endpoint.host_str().unwrap_or_default();
    endpoint.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
