//! A group: the ephemeral, numbered nodes below one directory, one for every live member. Masters and Marathons are
//! such groups; the member with the lowest number leads.

use tokio::sync::watch;

use super::{Session, SessionLost};

/// One member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// The node's name in the directory.
    pub(crate) name: String,
    pub(crate) sequence: u64,
    pub(crate) data: Vec<u8>,
}

/// A group of nodes with one label (`json.info_`, `-latch-`) in a directory.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    directory: String,
    label: &'static str,
}

impl Group {
    pub(crate) fn new(directory: impl Into<String>, label: &'static str) -> Self {
        Self { directory: directory.into(), label }
    }

    /// Joins: a node named `prefix` + label + number. Returns the number.
    pub(crate) async fn join(
        &self,
        session: &Session,
        prefix: &str,
        data: &[u8],
    ) -> Result<u64, SessionLost> {
        session.make_directory(&self.directory).await?;
        session.make_member(&format!("{}/{prefix}{}", self.directory, self.label), data).await
    }

    /// Keeps `members` up to date, in their order, until the session is lost.
    pub(crate) async fn watch(&self, session: &Session, members: &watch::Sender<Vec<Member>>) -> SessionLost {
        let lost = match session.make_directory(&self.directory).await {
            Ok(()) => loop {
                match self.look(session, members).await {
                    Ok(()) => {}
                    Err(lost) => break lost,
                }
            },
            Err(lost) => lost,
        };
        members.send_replace(Vec::new());
        lost
    }

    /// Reads the members once, then waits until the directory changes.
    async fn look(&self, session: &Session, members: &watch::Sender<Vec<Member>>) -> Result<(), SessionLost> {
        let directory = self.directory.as_str();
        let client = session.client();
        let (names, changed) = session.persist(|| client.list_and_watch_children(directory)).await?;
        let mut numbered: Vec<(u64, &String)> =
            names.iter().filter_map(|name| Some((sequence(name, self.label)?, name))).collect();
        numbered.sort_unstable();
        let mut found = Vec::with_capacity(numbered.len());
        for (sequence, name) in numbered {
            if let Some(data) = session.read(&format!("{directory}/{name}")).await? {
                found.push(Member { name: name.clone(), sequence, data });
            }
        }
        members.send_if_modified(|known| {
            let differs = *known != found;
            *known = found;
            differs
        });
        changed.changed().await;
        Ok(())
    }
}

/// Who leads.
pub(crate) fn leader(members: &[Member]) -> Option<&Member> {
    members.iter().min_by_key(|member| member.sequence)
}

/// The number of a member's node; none for other nodes in the directory.
fn sequence(name: &str, label: &str) -> Option<u64> {
    let digits = match label {
        "" => name,
        _ => name.rsplit_once(label)?.1,
    };
    (digits.len() >= 10 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_nodes_with_label_and_number_are_members() {
        assert_eq!(sequence("json.info_0000000012", "json.info_"), Some(12));
        assert_eq!(sequence("info_0000000012", "json.info_"), None);
        assert_eq!(sequence("log_replicas", "json.info_"), None);
        assert_eq!(sequence("json.info_12", "json.info_"), None);
        assert_eq!(sequence("_c_8a7f-latch-0000000003", "-latch-"), Some(3));
        assert_eq!(sequence("0000000003", ""), Some(3));
    }

    proptest! {
        #[test]
        fn the_lowest_number_leads_whatever_the_order(numbers in proptest::collection::vec(0u64..1000, 0..10)) {
            let members: Vec<_> = numbers.iter().map(|sequence| Member { name: String::new(), sequence: *sequence, data: vec![] }).collect();
            prop_assert_eq!(leader(&members).map(|member| member.sequence), numbers.iter().min().copied());
        }

        #[test]
        fn a_number_is_read_back(number in 0u64..2_147_483_648) {
            prop_assert_eq!(sequence(&format!("json.info_{number:010}"), "json.info_"), Some(number));
        }
    }
}
