//! How wide a text is on a terminal, and how to make it fit.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A line without the control characters a machine may have sent; line breaks become spaces.
pub(super) fn printable(line: &str) -> impl Iterator<Item = char> {
    line.chars()
        .map(|character| if matches!(character, '\n' | '\t') { ' ' } else { character })
        .filter(|character| !character.is_control())
}

/// How many columns a text takes.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// A text of no more than so many columns.
pub(super) fn cut(text: &str, most: usize) -> String {
    let clean: String = printable(text).collect();
    if columns(&clean) <= most {
        return clean;
    }
    let mut left = most.saturating_sub(1);
    let mut short = String::new();
    for character in clean.chars() {
        let wide = character.width().unwrap_or(0);
        if wide > left {
            break;
        }
        left -= wide;
        short.push(character);
    }
    if most > 0 {
        short.push('…');
    }
    short
}

/// A name, what there is to say of it, and a time: what there is to say gives way first, then the name.
pub(super) fn fit(name: &str, says: &str, time: &str, width: usize) -> String {
    let name = cut(name, width.saturating_sub(columns(time) + 2));
    let room = width.saturating_sub(columns(&name) + columns(time) + 4);
    let line = match cut(says, room) {
        says if says.is_empty() || room < 6 => format!("{name}  {time}"),
        says => format!("{name}  {says}  {time}"),
    };
    cut(&line, width)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_time_stays_when_the_rest_gives_way() {
        assert_eq!(
            fit("start agent-1", "waits for a job", "3.0 s", 40),
            "start agent-1  waits for a job  3.0 s"
        );
        assert_eq!(fit("start agent-1", "waits for a job", "3.0 s", 30), "start agent-1  waits f…  3.0 s");
        assert_eq!(fit("start agent-1", "waits for a job", "3.0 s", 20), "start agent-1  3.0 s");
        assert_eq!(fit("start agent-1", "waits for a job", "3.0 s", 12), "star…  3.0 s");
        assert_eq!(cut("日本語の名前", 5), "日本…");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_it_may_be(name in ".*", says in ".*", width in 0usize..60) {
            prop_assert!(columns(&fit(&name, &says, "12.0 s", width)) <= width);
        }
    }
}
