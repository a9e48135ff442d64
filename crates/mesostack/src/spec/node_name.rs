//! What nodes are called within the cluster: `master-1`, `agent-12`.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

use super::Role;

/// A node's name within the cluster: what it does, and its number within its role, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeName {
    /// What it does.
    pub role: Role,
    /// Its number within its role, from 1.
    pub number: u16,
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Master => write!(f, "master-{}", self.number),
            Role::Agent => write!(f, "agent-{}", self.number),
        }
    }
}

impl Serialize for NodeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that names no node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no node's name; nodes are called master-1, agent-1 and so on")]
pub struct NoNode(String);

impl FromStr for NodeName {
    type Err = NoNode;

    /// Only what [`Display`](fmt::Display) writes: no leading zeros, no number 0.
    fn from_str(text: &str) -> Result<Self, NoNode> {
        let no_node = || NoNode(text.to_owned());
        let (role, number) = match (text.strip_prefix("master-"), text.strip_prefix("agent-")) {
            (Some(number), _) => (Role::Master, number),
            (_, Some(number)) => (Role::Agent, number),
            _ => return Err(no_node()),
        };
        let parsed = number.parse().ok().filter(|parsed: &u16| *parsed > 0 && parsed.to_string() == number);
        Ok(Self { role, number: parsed.ok_or_else(no_node)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_written_as_we_write_it_is_no_name() {
        for text in
            ["", "agent", "agent-", "agent-0", "agent-01", "agent-+1", "agent-65536", "Agent-1", "master-1 "]
        {
            assert!(text.parse::<NodeName>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_read_as_it_was_written(number in 1u16.., master in any::<bool>()) {
            let name = NodeName { role: if master { Role::Master } else { Role::Agent }, number };
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }
    }
}
