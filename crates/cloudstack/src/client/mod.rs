//! The client: signs commands, sends them, reads what comes back.

mod builder;
mod call;
mod counts;
mod fence;
mod list;
mod pace;
mod retry;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use jiff::Timestamp;
use url::Url;

use crate::credentials::Credentials;
use crate::jobs::Jobs;
use crate::transport::Transport;

pub use builder::{BuildError, ClientBuilder};
pub use call::Started;
pub use counts::CallCounts;
pub use fence::{Fence, Until};
pub(crate) use list::Way;
pub(crate) use pace::Rank;

/// What time it is, for the expiry of signatures.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A client of one CloudStack endpoint under one pair of keys. Clones share connections, limits, counts and the one
/// poller of jobs.
///
/// ```no_run
/// use cloudstack::{Client, Credentials, Expect};
/// use cloudstack::resource::{DeployVirtualMachine, ListZones};
/// use std::time::Duration;
/// use tokio::time::Instant;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let endpoint = "https://cloud.example/client/api".parse()?;
/// let client = Client::builder(endpoint, Credentials::new("api key", "secret key")).build()?;
///
/// for zone in client.list(&ListZones::new()).await? {
///     println!("{} {}", zone.id, zone.name);
/// }
///
/// let deploy = DeployVirtualMachine::new("zone id", "service offering id")
///     .template_id("template id")
///     .name("master-1");
/// let machine = client.run(&deploy, Expect::Long, Instant::now() + Duration::from_secs(600)).await?;
/// println!("{} is {}", machine.name, machine.state);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    pub(crate) core: Arc<Core>,
    jobs: Jobs,
    fence: Option<Fence>,
    rank: Rank,
}

/// What clones of a client share, and what the poller of jobs needs.
pub(crate) struct Core {
    endpoint: Url,
    credentials: Credentials,
    transport: Arc<dyn Transport>,
    call_timeout: Duration,
    clock: Clock,
    signature_lifetime: Duration,
    retry: retry::Policy,
    pace: pace::Pace,
    counts: counts::Counter,
    page_size: AtomicU32,
}

impl Client {
    /// Begins to build a client of `endpoint`, such as `https://cloud.example/client/api`.
    pub fn builder(endpoint: Url, credentials: Credentials) -> ClientBuilder {
        ClientBuilder::new(endpoint, credentials)
    }

    /// The address of the API.
    #[must_use]
    pub fn endpoint(&self) -> &Url {
        &self.core.endpoint
    }

    /// The same client, whose calls wait for no others: neither for those that are under way nor for those that wait for their
    /// turn ([`ClientBuilder::calls_per_second`]). For the few that a whole run depends on.
    #[must_use]
    pub fn going_first(&self) -> Self {
        Self { rank: Rank::First, ..self.clone() }
    }

    /// The jobs that are being waited for.
    #[must_use]
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// How many calls were sent so far, by this client and its clones.
    #[must_use]
    pub fn counts(&self) -> CallCounts {
        self.core.counts.read()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.core.endpoint.as_str())
            .field("transport", &self.core.transport)
            .finish_non_exhaustive()
    }
}
