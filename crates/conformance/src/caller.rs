//! An account's calls, signed as the server computes signatures, and its jobs.

use std::time::Duration;

use cloudstack::Credentials;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::answer::{Answer, Refusal};
use crate::door::{Door, Pairs, Way, call, signed};
use crate::finding::{Verdict, differs, hold, text};

/// Longer forms travel in the body.
const LONGEST_QUERY: usize = 2000;

/// How often a call that came too early for a throttling server is sent.
const ATTEMPTS: u32 = 20;

/// Somebody with keys.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) door: Door,
    pub(crate) keys: Credentials,
    /// How long one job, or one state, is waited for.
    pub(crate) patience: Duration,
}

/// What a job's command answers at once.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    /// What is being made, for commands that make something.
    pub(crate) id: Option<String>,
    pub(crate) job: String,
}

impl Caller {
    /// Sends a call; whatever came, but for a throttling server's "too many", which is waited out.
    pub(crate) async fn send(&self, command: &str, parameters: &[(&str, &str)]) -> Verdict<Answer> {
        let pairs = signed(&self.keys, call(&self.keys, command, parameters));
        let length: usize = pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        let way = if length > LONGEST_QUERY { Way::Post } else { Way::Get };
        self.send_pairs(way, &pairs).await
    }

    /// Sends pairs as they are, with the same patience.
    pub(crate) async fn send_pairs(&self, way: Way, pairs: &Pairs) -> Verdict<Answer> {
        for _ in 1..ATTEMPTS {
            let answer = self.door.send(way, pairs).await?;
            if answer.status != 429 {
                return Ok(answer);
            }
            sleep(Duration::from_millis(500)).await;
        }
        self.door.send(way, pairs).await
    }

    /// Sends a call that has to succeed; what is inside its answer.
    pub(crate) async fn ask(&self, command: &str, parameters: &[(&str, &str)]) -> Verdict<Value> {
        self.send(command, parameters).await?.inside().map_err(|finding| about(command, finding))
    }

    /// Sends a call that has to be refused so; the text.
    pub(crate) async fn refused(
        &self,
        command: &str,
        parameters: &[(&str, &str)],
        refusal: Refusal,
    ) -> Verdict<String> {
        let answer = self.send(command, parameters).await?;
        answer.refused(refusal).map_err(|finding| about(command, finding))
    }

    /// A list's things; the count has to be theirs when all of them fit.
    pub(crate) async fn list(
        &self,
        command: &str,
        key: &str,
        parameters: &[(&str, &str)],
    ) -> Verdict<Vec<Value>> {
        let inside = self.ask(command, parameters).await?;
        let things = inside[key].as_array().cloned().unwrap_or_default();
        let count = inside.get("count").map_or(Some(0), Value::as_u64);
        let paged = parameters.iter().any(|(name, _)| name.eq_ignore_ascii_case("pagesize"));
        hold(
            paged || count == Some(things.len() as u64) || things.len() >= 500,
            format!("{command}: a count of its {} things under `{key}`", things.len()),
            &inside,
        )?;
        Ok(things)
    }

    /// The one thing of a list.
    pub(crate) async fn only(&self, command: &str, key: &str, parameters: &[(&str, &str)]) -> Verdict<Value> {
        let mut things = self.list(command, key, parameters).await?;
        match things.len() {
            1 => Ok(things.remove(0)),
            count => Err(differs(format!("{command}: one thing for {parameters:?}"), format!("{count}"))),
        }
    }

    /// Sends a job's command; its ids.
    pub(crate) async fn begin(&self, command: &str, parameters: &[(&str, &str)]) -> Verdict<Begun> {
        let inside = self.ask(command, parameters).await?;
        let job = text(&inside, "jobid")?.to_owned();
        Ok(Begun { id: inside["id"].as_str().map(str::to_owned), job })
    }

    /// Waits for a job's end; the whole last look at it.
    pub(crate) async fn outcome(&self, job: &str) -> Verdict<Value> {
        let deadline = Instant::now() + self.patience;
        let mut pause = Duration::from_millis(20);
        loop {
            let look = self.ask("queryAsyncJobResult", &[("jobid", job)]).await?;
            if look["jobstatus"] != 0 {
                return Ok(look);
            }
            if Instant::now() >= deadline {
                return Err(differs(format!("the job's end within {:?}", self.patience), look));
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Runs a job that has to end well; its result.
    pub(crate) async fn run(&self, command: &str, parameters: &[(&str, &str)]) -> Verdict<Value> {
        let begun = self.begin(command, parameters).await?;
        let end = self.outcome(&begun.job).await?;
        hold(end["jobstatus"] == 1, format!("{command} ends well"), &end)?;
        Ok(end["jobresult"].clone())
    }

    /// Runs a job that has to fail with this code and text; the text.
    pub(crate) async fn fails(
        &self,
        command: &str,
        parameters: &[(&str, &str)],
        code: u16,
        with: &str,
    ) -> Verdict<String> {
        let begun = self.begin(command, parameters).await?;
        let end = self.outcome(&begun.job).await?;
        let result = &end["jobresult"];
        let said = result["errortext"].as_str().unwrap_or_default();
        let right = end["jobstatus"] == 2
            && end["jobresultcode"] == code
            && result["errorcode"] == code
            && said.contains(with);
        hold(right, format!("{command}: its job fails with {code} and a text with \"{with}\""), &end)?;
        Ok(said.to_owned())
    }

    /// Waits until a thing that is listed alone is so.
    pub(crate) async fn until(
        &self,
        command: &str,
        key: &str,
        id: &str,
        (name, value): (&str, &str),
    ) -> Verdict<Value> {
        let deadline = Instant::now() + self.patience;
        loop {
            let thing = self.only(command, key, &[("id", id)]).await?;
            if thing[name] == value {
                return Ok(thing);
            }
            if Instant::now() >= deadline {
                return Err(differs(format!("`{name}` becomes {value} within {:?}", self.patience), thing));
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Says which call a finding is about.
fn about(command: &str, finding: crate::finding::Finding) -> crate::finding::Finding {
    match finding {
        crate::finding::Finding::Differs { expected, came } => {
            differs(format!("{command}: {expected}"), came)
        }
        other => other,
    }
}
