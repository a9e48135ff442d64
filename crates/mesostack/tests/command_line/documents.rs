//! What the documents promise: the example can be used, its comments show the defaults, the reference names every key.

use std::path::Path;

use mesostack::spec::Spec;

const EXAMPLE: &str = include_str!("../../../../examples/mesostack.toml");
const REFERENCE: &str = include_str!("../../../../docs/mesostack.toml.md");

/// `# key = value  # remark`: a key that is commented out, as it would be written.
fn commented(line: &str) -> Option<&str> {
    let written = line.strip_prefix("# ")?;
    let (key, _) = written.split_once(" = ")?;
    key.chars().all(|character| character.is_ascii_lowercase() || character == '_').then_some(written)
}

fn parse(text: &str) -> Spec {
    let (spec, warnings) = Spec::parse(text, "mesostack.toml", Path::new("/nowhere")).unwrap();
    assert_eq!(warnings, []);
    spec
}

#[test]
fn the_example_s_comments_show_the_defaults() {
    // These two have no default that could be written.
    let without_default = ["ca_file", "network"];
    let written: String = EXAMPLE
        .lines()
        .map(|line| match commented(line) {
            Some(written) if !without_default.iter().any(|key| written.starts_with(key)) => {
                format!("{written}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(written.lines().count() == EXAMPLE.lines().count() && written != EXAMPLE);
    assert_eq!(parse(&written), parse(EXAMPLE));
}

#[test]
fn the_reference_names_every_key_of_the_example() {
    let keys = EXAMPLE.lines().filter_map(|line| {
        let (key, _) = commented(line).unwrap_or(line).split_once(" = ")?;
        (!key.starts_with('#')).then_some(key)
    });
    let mut count = 0;
    for key in keys {
        assert!(REFERENCE.contains(&format!("| `{key}` |")), "{key}");
        count += 1;
    }
    assert!(count > 20, "only {count} keys found");
}
