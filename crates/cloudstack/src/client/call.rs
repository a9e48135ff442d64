//! One call: signed, sent, perhaps sent again, opened.

use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep, timeout};
use zeroize::Zeroizing;

use super::fence::UnderWay;
use super::{Client, Core, Fence, Rank, retry};
use crate::command::{AsyncCommand, Effect, SyncCommand};
use crate::envelope::{self, StartedBody};
use crate::error::{Error, Failure, TransportError, TransportFailure};
use crate::id::{Id, JobId};
use crate::jobs::{Expect, JobNews, Over, tell};
use crate::parameters::Parameters;
use crate::signature::{self, Encoding};
use crate::transport::{Method, RawReply, SignedRequest};

/// The longest form that goes into an address. Servers take 8 KiB of address; proxies on the way may take less.
const LONGEST_QUERY: usize = 2048;

/// What is known of a job as soon as it is started: keep it, then wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The thing that is being made; commands that make nothing give none.
    pub id: Option<Id>,
    /// The job that makes it.
    pub job: JobId,
}

/// What a client's calls are sent under.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms<'a> {
    fence: Option<&'a Fence>,
    rank: Rank,
}

impl Terms<'_> {
    /// Those of a call that changes nothing.
    pub(crate) fn reading(rank: Rank) -> Self {
        Self { fence: None, rank }
    }
}

impl Client {
    fn terms(&self) -> Terms<'_> {
        Terms { fence: self.fence.as_ref(), rank: self.rank }
    }

    /// Sends a command that is done when it answers.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn call<C: SyncCommand>(&self, command: &C) -> Result<C::Reply, Error> {
        let inner = self.core.send(C::NAME, C::EFFECT, &command.parameters(), self.terms()).await?;
        let (name, value) = envelope::content(inner);
        envelope::decode(C::NAME, C::EFFECT, &name, value)
    }

    /// Sends a command that this crate does not know, and gives what is inside its reply's only top-level member.
    ///
    /// A list comes as one page, as asked for; a job as its `jobid`, to be waited for by [`Client::jobs`].
    ///
    /// ```no_run
    /// # async fn example(client: &cloudstack::Client) -> Result<(), cloudstack::Error> {
    /// use cloudstack::Effect;
    ///
    /// let reply = client.raw("listEvents", Effect::Read, &[("level", "ERROR")]).await?;
    /// println!("{} events", reply["count"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn raw(&self, name: &str, effect: Effect, parameters: &[(&str, &str)]) -> Result<Value, Error> {
        let mut all = Parameters::new();
        for (name, value) in parameters {
            all.push((*name).to_owned(), *value);
        }
        self.core.send(name, effect, &all, self.terms()).await.map(Value::Object)
    }

    /// Starts a job, and does not wait for its end.
    ///
    /// # Errors
    /// See [`Error`]. Checks that the server makes beforehand (limits, conflicts, unknown ids) fail here already; an
    /// error here tells whether the job may have been started after all.
    pub async fn start<C: AsyncCommand>(&self, command: &C) -> Result<Started, Error> {
        let inner = self.core.send(C::NAME, C::EFFECT, &command.parameters(), self.terms()).await?;
        let body: StartedBody = envelope::decode(C::NAME, C::EFFECT, "", Value::Object(inner))?;
        let Some(job) = body.job.filter(|job| !job.is_empty()) else {
            return Err(Error::Decode {
                command: C::NAME.to_owned(),
                effect: C::EFFECT,
                path: "jobid".to_owned(),
                problem: "expected the id of a job, found none".to_owned(),
            });
        };
        self.core.counts.job();
        tell(JobNews::Started { command: C::NAME, job: &job });
        Ok(Started { id: body.id.filter(|id| !id.is_empty()), job })
    }

    /// Starts a job and waits for its end.
    ///
    /// When what the job makes must not get lost if this process ends in between, use [`Client::start`], write down
    /// what it gives, and wait by [`Jobs::wait`](crate::Jobs::wait).
    ///
    /// # Errors
    /// See [`Error`]. After [`Error::Deadline`] the job goes on in the cloud.
    pub async fn run<C: AsyncCommand>(
        &self,
        command: &C,
        expect: Expect,
        deadline: Instant,
    ) -> Result<C::Outcome, Error> {
        let started = self.start(command).await?;
        self.outcome::<C>(&started, expect, deadline).await
    }

    /// Waits for the end of a job of this command. Unlike [`Jobs::wait`](crate::Jobs::wait), it knows the command, so that
    /// errors are told by the name it was sent under and not by the server's own for its job.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn outcome<C: AsyncCommand>(
        &self,
        started: &Started,
        expect: Expect,
        deadline: Instant,
    ) -> Result<C::Outcome, Error> {
        self.jobs().wait_named(C::NAME, started.job.clone(), expect, deadline).await
    }

    /// Waits until a job of this command is over, and asks for its result only where that costs no call more than a list of
    /// what is pending. Of many jobs that end at once, all but a few are [`Over::Unlisted`](crate::Over::Unlisted): a look
    /// ([`Client::look`]) at what they were to make then tells of all of them how they ended.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn until_over<C: AsyncCommand>(
        &self,
        started: &Started,
        expect: Expect,
        deadline: Instant,
    ) -> Result<Over<C::Outcome>, Error> {
        self.jobs().wait_until_over(C::NAME, started.job.clone(), expect, deadline).await
    }
}

impl Core {
    /// Sends a command, again where that is safe and may help, and opens the reply.
    pub(crate) async fn send(
        &self,
        command: &str,
        effect: Effect,
        parameters: &Parameters,
        terms: Terms<'_>,
    ) -> Result<Map<String, Value>, Error> {
        let mut attempt = 1;
        loop {
            let outcome = {
                let _permit = self.pace.admit(terms.rank).await;
                self.send_once(command, effect, parameters, terms).await
            };
            let error = match outcome {
                Ok(inner) => return Ok(inner),
                Err(error) => error,
            };
            let Some(wait) = self.retry.wait(effect, attempt, &error) else { return Err(error) };
            tracing::debug!(command, attempt, %error, ?wait, "sending again");
            sleep(wait).await;
            attempt += 1;
        }
    }

    /// Looks at a job, once: whoever looks decides when to look again. Calls that take their time do not hold it up.
    pub(crate) async fn look(
        &self,
        command: &str,
        parameters: &Parameters,
    ) -> Result<Map<String, Value>, Error> {
        let _permit = self.pace.admit_look().await;
        self.counts.look(command);
        self.send_once(command, Effect::Read, parameters, Terms::default()).await
    }

    async fn send_once(
        &self,
        command: &str,
        effect: Effect,
        parameters: &Parameters,
        terms: Terms<'_>,
    ) -> Result<Map<String, Value>, Error> {
        self.pace.begin(terms.rank).await;
        // Last of all: the wait for a turn may have outlasted the fence.
        let fence = terms.fence.filter(|_| effect == Effect::Write);
        if fence.is_some_and(Fence::is_closed) {
            return Err(Error::Fenced { command: command.to_owned() });
        }
        let latest = fence.map(|fence| fence.until().there);
        let request = self.sign(command, effect, parameters, latest);
        let under_way = UnderWay::new(fence);
        self.counts.call(command);
        let sent = Instant::now();
        let reply = timeout(self.call_timeout, self.transport.send(request))
            .await
            .unwrap_or_else(|_| Err(TransportError::bare(TransportFailure::TimedOut)));
        // One that took too long may wait anywhere on its way.
        if !matches!(&reply, Err(error) if error.kind == TransportFailure::TimedOut) {
            under_way.answered();
        }
        let outcome = self.understand(command, effect, reply);
        match &outcome {
            Ok(_) => tracing::debug!(command, elapsed = ?sent.elapsed(), "answered"),
            Err(error) => {
                tracing::debug!(command, elapsed = ?sent.elapsed(), %error, "failed");
                if let Some(window) = retry::throttled(error) {
                    self.pace.too_many(window);
                }
            }
        }
        outcome
    }

    /// A number from 0 to 1.
    pub(crate) fn jitter(&self) -> f64 {
        self.retry.jitter()
    }

    fn understand(
        &self,
        command: &str,
        effect: Effect,
        reply: Result<RawReply, TransportError>,
    ) -> Result<Map<String, Value>, Error> {
        let opened = match reply {
            Ok(reply) => envelope::open(command, effect, &reply),
            Err(source) => Err(match effect {
                Effect::Write if source.kind != TransportFailure::NotSent => {
                    Error::UnknownOutcome { command: command.to_owned(), cause: Failure::Transport(source) }
                }
                _ => Error::Transport { command: command.to_owned(), source },
            }),
        };
        opened.map_err(|error| self.without_keys(error))
    }

    /// An error page may repeat the request; keys must not get into an error that way.
    fn without_keys(&self, mut error: Error) -> Error {
        match &mut error {
            Error::NotTheApi { excerpt, .. }
            | Error::UnknownOutcome { cause: Failure::NotTheApi { excerpt, .. }, .. } => {
                *excerpt = self.credentials.redact(excerpt);
            }
            Error::Decode { problem, .. } => *problem = self.credentials.redact(problem),
            Error::Api(api) => api.text = self.credentials.redact(&api.text),
            _ => {}
        }
        error
    }

    fn sign(
        &self,
        command: &str,
        effect: Effect,
        parameters: &Parameters,
        latest: Option<jiff::Timestamp>,
    ) -> SignedRequest {
        let lifetime = jiff::SignedDuration::try_from(self.signature_lifetime).unwrap_or_default();
        let expires = (self.clock)().saturating_add(lifetime).unwrap_or(jiff::Timestamp::MAX);
        let expires = latest.map_or(expires, |latest| latest.min(expires));
        let expires = expires.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string();
        let mut pairs: Vec<(&str, &str)> = vec![
            ("command", command),
            ("response", "json"),
            ("signatureVersion", "3"),
            ("expires", &expires),
            ("apiKey", self.credentials.api_key.expose_secret()),
        ];
        pairs.extend(parameters.iter());
        let signature =
            signature::signature(&pairs, self.credentials.secret_key.expose_secret(), Encoding::Java);
        pairs.push(("signature", &signature));
        let form = Zeroizing::new(signature::form(&pairs));
        let method = match effect {
            Effect::Read if form.len() <= LONGEST_QUERY => Method::Get,
            _ => Method::Post,
        };
        SignedRequest { method, command: command.to_owned(), form }
    }
}
