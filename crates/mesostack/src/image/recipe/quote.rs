//! Text as one word of a shell script, whatever is in it.

/// `text` between single quotes, so that a POSIX shell reads exactly `text` as one word. The text must hold no NUL: no
/// shell word can.
pub(super) fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::quote;

    #[test]
    fn plain_words_stay_readable() {
        assert_eq!(quote("/var/lib/mesos-1.11_x"), "/var/lib/mesos-1.11_x");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn bash_reads_back_exactly_the_words_that_were_quoted(words in prop::collection::vec("[^\0]{0,40}", 1..6)) {
            let script = format!("printf '%s\\0' {}", words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "));
            let output = Command::new("bash").args(["--noprofile", "--norc", "-c", &script]).output().unwrap();
            let read: Vec<&[u8]> = output.stdout.split(|byte| *byte == 0).collect();
            let expected: Vec<&[u8]> = words.iter().map(String::as_bytes).chain([&b""[..]]).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
