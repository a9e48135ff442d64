//! How long something takes: always the same, or drawn anew each time.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

/// A time that something takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Always the same.
    Fixed(Duration),
    /// Anything between the two, each as likely as the other.
    Uniform {
        /// The least.
        from: Duration,
        /// The most.
        to: Duration,
    },
    /// Mostly little more than `from`, now and then much more, never more than `to` (a bounded Pareto distribution of
    /// shape 1.5: half of all draws are below 1.6 times `from`, one in a hundred is above twenty times).
    LongTail {
        /// The least, and the usual.
        from: Duration,
        /// The most.
        to: Duration,
    },
}

impl Latency {
    /// No time at all.
    pub const NONE: Self = Self::Fixed(Duration::ZERO);

    /// One draw.
    pub(crate) fn draw(self, random: &mut StdRng) -> Duration {
        match self {
            Self::Fixed(time) => time,
            Self::Uniform { from, to } if from < to => {
                from + (to - from).mul_f64(random.random::<f64>()).min(to - from)
            }
            Self::LongTail { from, to } if Duration::ZERO < from && from < to => {
                const SHAPE: f64 = 1.5;
                let shrink = (from.as_secs_f64() / to.as_secs_f64()).powf(SHAPE);
                let left = 1.0 - random.random::<f64>() * (1.0 - shrink);
                from.mul_f64(left.powf(-1.0 / SHAPE)).clamp(from, to)
            }
            Self::Uniform { from, .. } | Self::LongTail { from, .. } => from,
        }
    }
}

impl From<Duration> for Latency {
    fn from(time: Duration) -> Self {
        Self::Fixed(time)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dice::draw;

    proptest! {
        #[test]
        fn a_draw_stays_within_its_bounds_and_is_the_same_again(
            seed: u64, from in 0_u64..10_000, more in 0_u64..1_000_000, nth in 0_u64..1000,
        ) {
            let (from, to) = (Duration::from_millis(from), Duration::from_millis(from + more));
            for latency in [Latency::Uniform { from, to }, Latency::LongTail { from, to }] {
                let time = latency.draw(&mut draw(seed, "it", nth));
                prop_assert!(from <= time && time <= to, "{time:?}");
                prop_assert_eq!(time, latency.draw(&mut draw(seed, "it", nth)));
            }
        }
    }

    #[test]
    fn a_long_tail_is_mostly_short_and_now_and_then_long() {
        let (from, to) = (Duration::from_secs(1), Duration::from_secs(1000));
        let latency = Latency::LongTail { from, to };
        let mut times: Vec<Duration> = (0..10_000).map(|nth| latency.draw(&mut draw(3, "it", nth))).collect();
        times.sort();
        let median = times[5000].as_secs_f64();
        assert!((1.5..1.7).contains(&median), "{median}");
        let long = times.iter().filter(|time| **time > Duration::from_secs(20)).count();
        assert!((60..200).contains(&long), "{long}");
    }
}
