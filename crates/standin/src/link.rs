//! A master's hold on a peer (an agent, or a framework): one connection kept open, a ping over it now and then. When
//! the connection closes the peer is disconnected at once; when pings stay unanswered for long enough it is lost.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use crate::http;
use crate::protocol::{PING, Ping};

/// What becomes of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// It answered.
    Answered,
    /// Its connection closed, or it did not answer this ping.
    Silent,
    /// It has been silent for too long.
    Lost,
}

/// How often a peer is asked, and how often in vain until it is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    pub(crate) interval: Duration,
    pub(crate) unanswered: u64,
}

impl Patience {
    pub(crate) fn total(self) -> Duration {
        self.interval.saturating_mul(u32::try_from(self.unanswered).unwrap_or(u32::MAX))
    }
}

/// Holds on to the peer until it is lost. `ping` makes each ping, or none when the hold is no longer wanted; `tell`
/// hears what becomes of the peer, and says whether to go on.
pub(crate) async fn hold(
    peer: SocketAddr,
    patience: Patience,
    ping: impl Fn() -> Option<Ping>,
    tell: impl Fn(News) -> bool,
) {
    let mut unanswered = 0;
    // The first ping comes late: the peer may not have read yet that it is registered, and under which id.
    let mut next = Instant::now() + patience.interval;
    loop {
        let round = Instant::now() + patience.interval;
        if let Ok((mut sender, connection)) = http::connect(peer, patience.interval).await {
            let mut connection = Box::pin(connection);
            loop {
                let asked = async {
                    sleep_until(next).await;
                    let ping = ping()?;
                    Some(timeout(patience.interval, http::send(&mut sender, peer, PING, &ping)).await)
                };
                let answer = tokio::select! {
                    answer = asked => answer,
                    () = &mut connection => break,
                };
                match answer {
                    None => return,
                    Some(Ok(Ok((status, _)))) if status.is_success() => {}
                    Some(_) => break,
                }
                unanswered = 0;
                if !tell(News::Answered) {
                    return;
                }
                next = Instant::now() + patience.interval;
            }
        }
        unanswered += 1;
        let news = if unanswered >= patience.unanswered { News::Lost } else { News::Silent };
        if !tell(news) || news == News::Lost {
            return;
        }
        // Over a new connection it is told at once how it stands.
        next = Instant::now();
        sleep_until(round.max(Instant::now() + patience.interval / 4)).await;
    }
}
