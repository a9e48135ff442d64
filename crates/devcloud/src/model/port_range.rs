//! Ranges of ports, and when two rules want the same ones.

use serde::{Deserialize, Serialize};

use crate::driver::Ports;

/// An inclusive range of ports. CloudStack takes port 0 in forwards, so it is legal here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PortRange {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

impl PortRange {
    /// A range, unless it runs backwards.
    pub(crate) fn new(first: u16, last: u16) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// Whether any port is in both.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Number of ports.
    pub(crate) fn len(self) -> u32 {
        u32::from(self.last - self.first) + 1
    }
}

impl From<PortRange> for Ports {
    fn from(range: PortRange) -> Self {
        Self { first: range.first, last: range.last }
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range() -> impl Strategy<Value = PortRange> {
        (any::<u16>(), any::<u16>())
            .prop_map(|(one, other)| PortRange { first: one.min(other), last: one.max(other) })
    }

    proptest! {
        #[test]
        fn overlap_means_a_common_port(one in range(), other in range()) {
            let common = one.first.max(other.first) <= one.last.min(other.last);
            prop_assert_eq!(one.overlaps(other), common);
            prop_assert_eq!(one.overlaps(other), other.overlaps(one));
        }

        #[test]
        fn a_range_overlaps_itself_and_its_ends(range in range()) {
            prop_assert!(range.overlaps(range));
            for port in [range.first, range.last] {
                let end = PortRange { first: port, last: port };
                prop_assert!(range.overlaps(end));
            }
        }

        #[test]
        fn a_range_that_runs_backwards_is_none(first in 1_u16.., back in 1_u16..) {
            let last = first.saturating_sub(back);
            prop_assert_eq!(PortRange::new(first, last), None);
        }
    }
}
