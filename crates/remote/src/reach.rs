//! Waiting for a machine that is just booting.

use std::time::Duration;

use tokio::time::Instant;

use crate::{Error, Identity, Session, Target};

/// How long one attempt may take: a packet that nobody answers must not eat the whole wait.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How long a refused key is tried again: sshd can answer before the machine has its authorized keys, and turns users away
/// while the system still boots.
const AUTHENTICATION_GRACE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Connects as soon as the machine answers.
///
/// # Errors
/// [`Error::HostKeyMismatch`] at once; a refused key when it stays refused for half a minute; [`Error::Unreachable`], with
/// the last attempt's failure, at `deadline`.
pub async fn wait_until_reachable(
    target: &Target,
    identity: &Identity,
    deadline: Instant,
) -> Result<Session, Error> {
    wait(target, deadline, |_| Session::connect(target, identity, soon(deadline))).await
}

/// Connects through another machine as soon as the machine answers. `jump` gives the session to go through, for each
/// attempt anew: it is told how many were made before, so that it can offer another machine when one may be the reason.
///
/// # Errors
/// As [`wait_until_reachable`], and whatever `jump` fails with, unless that is transient.
pub async fn wait_until_reachable_through<F, Jump>(
    jump: F,
    target: &Target,
    identity: &Identity,
    deadline: Instant,
) -> Result<Session, Error>
where
    F: Fn(usize) -> Jump,
    Jump: Future<Output = Result<Session, Error>>,
{
    wait(target, deadline, |attempts| {
        let jump = jump(attempts);
        async move {
            // Its time does not count: there may be nothing to go through yet.
            let through = jump.await?;
            Session::connect_through(&through, target, identity, soon(deadline)).await
        }
    })
    .await
}

/// When an attempt that begins now has taken long enough.
fn soon(deadline: Instant) -> Instant {
    deadline.min(Instant::now() + ATTEMPT)
}

async fn wait<F, Attempt, T>(target: &Target, deadline: Instant, mut attempt: F) -> Result<T, Error>
where
    F: FnMut(usize) -> Attempt,
    Attempt: Future<Output = Result<T, Error>>,
{
    let began = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut refused_since = None;
    let mut attempts = 0;
    loop {
        let failure = match attempt(attempts).await {
            Ok(reached) => return Ok(reached),
            Err(failure) => failure,
        };
        attempts += 1;
        tracing::debug!(%target, %failure, "not reached yet");
        if failure.is_authentication() {
            let since = *refused_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= AUTHENTICATION_GRACE {
                return Err(failure);
            }
        } else if !failure.is_transient() {
            return Err(failure);
        } else {
            refused_since = None;
        }
        // A little off the beat, so that many waiters do not knock at the same instant.
        let rest = pause.mul_f64(rand::random_range(0.8..1.2));
        if Instant::now() + rest >= deadline {
            let last = Box::new(failure);
            return Err(Error::Unreachable { target: target.to_string(), waited: began.elapsed(), last });
        }
        tokio::time::sleep(rest).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::HostKeyPair;

    fn target() -> Target {
        Target {
            host: "192.0.2.1".to_owned(),
            port: 22,
            user: "debian".to_owned(),
            host_key: HostKeyPair::generate().public,
        }
    }

    fn refused() -> Error {
        Error::Connect {
            target: "debian@192.0.2.1:22".to_owned(),
            source: std::io::ErrorKind::ConnectionRefused.into(),
        }
    }

    fn key_refused() -> Error {
        Error::Authentication { target: "debian@192.0.2.1:22".to_owned(), identity: "SHA256:x".to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_answers_late_is_waited_for() {
        let tries = AtomicU32::new(0);
        let deadline = Instant::now() + Duration::from_secs(60);
        let reached = wait(&target(), deadline, |_| async {
            if tries.fetch_add(1, Ordering::Relaxed) < 7 { Err(refused()) } else { Ok(42) }
        })
        .await;
        assert_eq!(reached.unwrap(), 42);
        assert_eq!(tries.into_inner(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_never_answers_is_given_up_at_the_deadline_and_the_reason_kept() {
        let began = Instant::now();
        let error =
            wait::<_, _, ()>(&target(), began + Duration::from_secs(60), |_| async { Err(refused()) })
                .await
                .unwrap_err();
        assert!(began.elapsed() <= Duration::from_secs(60));
        assert!(began.elapsed() >= Duration::from_secs(58));
        assert!(error.to_string().contains("connection refused"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn another_host_key_ends_the_wait_at_once() {
        let began = Instant::now();
        let error = wait::<_, _, ()>(&target(), began + Duration::from_secs(60), |_| async {
            Err(Error::HostKeyMismatch {
                target: "debian@192.0.2.1:22".to_owned(),
                expected: "SHA256:a".to_owned(),
                found: "SHA256:b".to_owned(),
            })
        })
        .await
        .unwrap_err();
        assert!(matches!(error, Error::HostKeyMismatch { .. }));
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_accepted_only_when_the_boot_is_over_is_enough() {
        let began = Instant::now();
        let reached = wait(&target(), began + Duration::from_secs(60), |_| async {
            if began.elapsed() < Duration::from_secs(10) { Err(key_refused()) } else { Ok(()) }
        })
        .await;
        assert!(reached.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_stays_refused_is_told_before_the_deadline() {
        let began = Instant::now();
        let error =
            wait::<_, _, ()>(&target(), began + Duration::from_secs(600), |_| async { Err(key_refused()) })
                .await
                .unwrap_err();
        assert!(error.is_authentication());
        assert!(began.elapsed() < Duration::from_secs(40));
    }
}
