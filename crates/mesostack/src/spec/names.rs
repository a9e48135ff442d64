//! Names that have to be legal somewhere: host names (RFC 1123, and CloudStack's rule on top), user names.

/// The longest a host name may be: a label of the domain name system.
pub(super) const LONGEST_HOST_NAME: usize = 63;

/// What a host name's label must be, in CloudStack's words for `deployVirtualMachine`: lower-case letters, digits and
/// hyphens, beginning with a letter, not ending with a hyphen.
pub(super) fn host_label(name: &str) -> Result<(), String> {
    let bad = name.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-'));
    match (bad, name.chars().next()) {
        (_, None) => Err("a host name cannot be empty".to_owned()),
        (Some(bad), _) => {
            Err(format!("a host name has lower-case letters, digits and hyphens only, not `{bad}`"))
        }
        (None, Some(first)) if !first.is_ascii_lowercase() => {
            Err(format!("a host name begins with a letter, not `{first}`"))
        }
        (None, Some(_)) if name.ends_with('-') => Err("a host name cannot end with a hyphen".to_owned()),
        (None, Some(_)) if name.len() > LONGEST_HOST_NAME => Err(format!(
            "a host name has at most {LONGEST_HOST_NAME} characters, and this has {}",
            name.len()
        )),
        _ => Ok(()),
    }
}

/// What a login name may be, as Debian's adduser has it.
pub(super) fn login(name: &str) -> Result<(), String> {
    let mut characters = name.chars();
    let first = characters.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    let rest = characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-');
    if first && rest && name.len() <= 32 {
        Ok(())
    } else {
        Err("a login name begins with a lower-case letter, and has up to 32 lower-case letters, digits, `-` and `_`"
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cloudstack_refuses_is_refused() {
        for name in ["", "Mesos", "1mesos", "-mesos", "mesos-", "me_sos", "me.sos", "mésos", &"m".repeat(64)]
        {
            assert!(host_label(name).is_err(), "{name}");
        }
        for name in ["m", "mesos", "m-1", &"m".repeat(63)] {
            assert_eq!(host_label(name), Ok(()), "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_rfc_1123_label_that_begins_with_a_letter_is_accepted(name in "[a-z]([a-z0-9-]{0,61}[a-z0-9])?") {
            prop_assert_eq!(host_label(&name), Ok(()));
        }

        #[test]
        fn what_is_accepted_is_a_label(name in "\\PC{0,70}") {
            if host_label(&name).is_ok() {
                prop_assert!((1..=63).contains(&name.len()));
                prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
                prop_assert!(!name.starts_with('-') && !name.ends_with('-'));
            }
        }
    }
}
