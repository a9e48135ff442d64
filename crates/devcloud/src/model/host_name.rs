//! Which names a machine may have.

/// Whether this is a host name as the server wants it: 1 to 63 letters, digits and hyphens, a letter first, no hyphen
/// last.
pub(crate) fn is_host_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.last().is_some_and(|last| *last != b'-')
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::is_host_name;

    #[test]
    fn host_names_are_letters_digits_and_hyphens() {
        for good in ["a", "master-1", "M1", "a-b-c", &"a".repeat(63)] {
            assert!(is_host_name(good), "{good}");
        }
        for bad in ["", "1a", "-a", "a-", "a.b", "a_b", "ä", &"a".repeat(64), "7"] {
            assert!(!is_host_name(bad), "{bad}");
        }
    }
}
