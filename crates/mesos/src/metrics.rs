//! A Mesos daemon's `/metrics/snapshot`: one flat object of numbers.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::http::from_json;

/// A snapshot of a master's or agent's metrics, by the names Mesos gives them. The `master/slaves_*` ones are 0 on
/// a master that does not lead.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics {
    values: BTreeMap<String, f64>,
}

/// Anything but a number is of no use here, and no reason to lose the rest.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Number(f64),
    Other(serde::de::IgnoredAny),
}

impl Metrics {
    /// Reads the reply's body.
    ///
    /// # Errors
    /// The reason, when the body is not a JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let values = from_json::<BTreeMap<String, Value>>(body)?
            .into_iter()
            .filter_map(|(name, value)| match value {
                Value::Number(number) => Some((name, number)),
                Value::Other(_) => None,
            })
            .collect();
        Ok(Self { values })
    }

    /// The metric called `name` (`master/uptime_secs`).
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }

    /// Whether this master is the elected one.
    pub fn elected(&self) -> bool {
        self.is_one("master/elected")
    }

    /// Whether this master's replica of the registrar's log has recovered, i.e. votes.
    pub fn log_recovered(&self) -> bool {
        self.is_one("registrar/log/recovered")
    }

    /// How many masters the registrar's log counts, this one included.
    pub fn log_ensemble_size(&self) -> Option<u32> {
        self.count("registrar/log/ensemble_size")
    }

    /// Agents registered and connected, as the leading master counts them.
    pub fn active_agents(&self) -> Option<u32> {
        self.count("master/slaves_active")
    }

    /// Whether this agent is registered with a master.
    pub fn registered(&self) -> bool {
        self.is_one("slave/registered")
    }

    fn is_one(&self, name: &str) -> bool {
        self.get(name) == Some(1.0)
    }

    fn count(&self, name: &str) -> Option<u32> {
        // A saturating cast: a nonsensical metric becomes a nonsensical count, never a panic.
        self.get(name).map(|value| value as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_leaders_metrics_are_read_with_and_without_escaped_slashes() {
        for body in [
            r#"{"master/elected":1.0,"registrar/log/recovered":1,"registrar/log/ensemble_size":3.0,"master/slaves_active":2}"#,
            r#"{"master\/elected":1.0,"registrar\/log\/recovered":1.0,"registrar\/log\/ensemble_size":3.0,"master\/slaves_active":2.0,"x":"y"}"#,
        ] {
            let metrics = Metrics::parse(body.as_bytes()).unwrap();
            assert!(metrics.elected() && metrics.log_recovered());
            assert_eq!(metrics.log_ensemble_size(), Some(3));
            assert_eq!(metrics.active_agents(), Some(2));
            assert!(!metrics.registered());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Metrics::parse(&body);
        }

        #[test]
        fn every_number_is_found_by_its_name(values in proptest::collection::btree_map("[a-z/_]{1,20}", -1e9..1e9f64, 0..20)) {
            let metrics = Metrics::parse(&serde_json::to_vec(&values).unwrap()).unwrap();
            for (name, value) in &values {
                let read = metrics.get(name).unwrap();
                prop_assert!((read - value).abs() <= value.abs() * 1e-12);
            }
        }
    }
}
