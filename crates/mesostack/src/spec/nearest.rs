//! The nearest right name for a wrong one.

/// The name most like `wrong`, if one is like it at all.
pub(crate) fn nearest<'a>(wrong: &str, right: &[&'a str]) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    right
        .iter()
        .map(|name| (strsim::jaro_winkler(&wrong, &name.to_lowercase()), *name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_finger_finds_its_name() {
        assert_eq!(nearest("mastres", &["masters", "agents"]), Some("masters"));
        assert_eq!(nearest("T1.Medum", &["t1.small", "t1.medium"]), Some("t1.medium"));
    }

    #[test]
    fn something_else_altogether_finds_none() {
        assert_eq!(nearest("colour", &["masters", "agents"]), None);
        assert_eq!(nearest("anything", &[]), None);
    }
}
