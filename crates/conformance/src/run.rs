//! A run: the ground is surveyed, every behaviour asked for is checked, and all that was made is taken away again, also
//! when the run is stopped.

use std::time::Duration;

use cloudstack::{BuildError, Credentials, HttpSettings};
use rand::RngExt;
use secrecy::SecretString;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::behaviour::{self, Behaviour};
use crate::caller::Caller;
use crate::door::Door;
use crate::finding::{Finding, differs, skipped};
use crate::ground::{Ground, Wishes};
use crate::made::PREFIX;
use crate::report::{Checked, Outcome, Report, Server};
use crate::stage::{Others, Stage};

/// Which server, as whom, and what of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The API's address.
    pub endpoint: Url,
    /// Whether to accept any certificate.
    pub insecure: bool,
    /// The keys of the account that is worked with.
    pub user: Credentials,
    /// The keys of another account, for what one account sees of another.
    pub other: Option<Credentials>,
    /// The keys of a root admin, who expunges for users who may not.
    pub admin: Option<Credentials>,
    /// The password of a user, for sessions.
    pub login: Option<Login>,
    /// What to build on.
    pub wishes: Wishes,
    /// Only behaviours with one of these in their names; all when empty.
    pub only: Vec<String>,
    /// No behaviours with one of these in their names.
    pub skip: Vec<String>,
    /// How long one job, or one state, is waited for.
    pub patience: Duration,
    /// How long the removal of what was made may take in the end.
    pub removal: Duration,
}

/// A user's way in by the page where people log in.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// Its password.
    pub password: SecretString,
    /// The path of its domain, such as `/`.
    pub domain: String,
}

/// The run could not even begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address or certificates cannot be used.
    #[error(transparent)]
    Address(#[from] BuildError),
    /// The server does not offer what every behaviour builds on.
    #[error("{expected} is needed of the server before anything can be checked; it gave: {came}")]
    Ground {
        /// What was asked for.
        expected: String,
        /// What came.
        came: String,
    },
}

impl From<Finding> for Error {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::Differs { expected, came } => Self::Ground { expected, came },
            Finding::Skipped(came) => Self::Ground { expected: "an answer".to_owned(), came },
        }
    }
}

fn caller(settings: &Settings, door: &Door, keys: &Credentials) -> Caller {
    Caller { door: door.clone(), keys: keys.clone(), patience: settings.patience }
}

fn door(settings: &Settings) -> Result<Door, BuildError> {
    let mut http = HttpSettings::default();
    http.accept_invalid_certificates = settings.insecure;
    Door::new(settings.endpoint.clone(), &http)
}

async fn stage(settings: &Settings, prefix: String) -> Result<Stage, Error> {
    let door = door(settings)?;
    let as_caller = |keys: &Credentials| caller(settings, &door, keys);
    let user = as_caller(&settings.user);
    let ground = Ground::survey(&user, &settings.wishes).await?;
    let admin = settings.admin.as_ref().map(as_caller);
    let others = Others {
        other: settings.other.as_ref().map(as_caller),
        admin: admin.or_else(|| ground.root_admin.then(|| user.clone())),
        login: settings.login.clone(),
    };
    Ok(Stage::new(user, others, ground, prefix))
}

/// Checks the behaviours that were asked for, one after another, telling each as it is known. When `stop` ends, the rest
/// is not checked; what was made is taken away all the same.
///
/// # Errors
/// When the server cannot be reached or offers nothing to build on. What differs is no error; it is in the report.
pub async fn run(
    settings: &Settings,
    mut tell: impl FnMut(&Behaviour, &Checked),
    stop: impl Future<Output = ()>,
) -> Result<Report, Error> {
    let mut random = rand::rng();
    let letters: String = (0..6).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect();
    let stage = stage(settings, format!("{PREFIX}{letters}-")).await?;
    let mut stop = std::pin::pin!(stop);
    let mut report = Report { server: server(&stage.ground), checked: Vec::new(), left: Vec::new() };
    for behaviour in behaviour::all().filter(|behaviour| settings.wants(behaviour)) {
        let began = Instant::now();
        let outcome = tokio::select! {
            () = &mut stop => break,
            outcome = check(behaviour, &stage, settings.patience) => outcome,
        };
        let checked = Checked {
            behaviour: behaviour.name.to_owned(),
            outcome,
            seconds: (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        };
        tell(behaviour, &checked);
        report.checked.push(checked);
        stage.clear().await;
    }
    // By their ids first: not all that is made carries the prefix as its name.
    stage.clear_all().await;
    report.left = take_away(&stage, settings.removal).await;
    Ok(report)
}

/// Takes away what earlier runs have left, under whatever name; what stays.
///
/// # Errors
/// As [`run`].
pub async fn clean(settings: &Settings) -> Result<Vec<String>, Error> {
    let stage = stage(settings, PREFIX.to_owned()).await?;
    Ok(take_away(&stage, settings.removal).await)
}

/// Takes away all that carries the stage's prefix; what stays.
async fn take_away(stage: &Stage, patience: Duration) -> Vec<String> {
    let mut left = Vec::new();
    for remover in [Some(stage.remover()), stage.other_remover()].into_iter().flatten() {
        left.extend(remover.sweep(&stage.prefix, patience).await);
    }
    left
}

impl Settings {
    fn wants(&self, behaviour: &Behaviour) -> bool {
        let named = |patterns: &[String]| patterns.iter().any(|pattern| behaviour.name.contains(pattern));
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }
}

fn server(ground: &Ground) -> Server {
    Server {
        version: ground.version.clone(),
        zone: ground.zone_name.clone(),
        account: ground.account.clone(),
        root_admin: ground.root_admin,
        commands: ground.commands.len(),
    }
}

async fn check(behaviour: &Behaviour, stage: &Stage, patience: Duration) -> Outcome {
    let missing = behaviour.needs.iter().find(|command| !stage.ground.commands.contains(**command));
    if let Some(command) = missing {
        return skipped(format!("not offered by this server: {command}")).into();
    }
    // Every wait inside has its own end; this is for a server that answers forever without getting anywhere.
    match timeout(patience * 6, (behaviour.check)(stage)).await {
        Ok(Ok(())) => Outcome::Passed,
        Ok(Err(finding)) => finding.into(),
        Err(_) => differs(format!("an end within {:?}", patience * 6), "none").into(),
    }
}
