//! Draws the tree in place at the end of a terminal's text, below lines that stay.
//!
//! The cursor rests below the tree, at the line's beginning, and no mode of the terminal is changed: whatever ends the
//! process, a panic or a kill included, there is nothing to restore, and whatever is printed next begins on a line of its own.

use std::io::{self, Write};

use super::width::columns;

/// The end of a terminal's text.
#[derive(Debug)]
pub(super) struct Screen<W> {
    terminal: W,
    /// How wide each line of the tree is that is drawn now.
    drawn: Vec<usize>,
}

impl<W: Write> Screen<W> {
    pub(super) fn new(terminal: W) -> Self {
        Self { terminal, drawn: Vec::new() }
    }

    /// Takes the tree away, writes the lines that stay, and draws the tree below; all in one write, so that nothing
    /// flickers and nobody else's words get in between.
    pub(super) fn draw(&mut self, stay: &[String], tree: &[String], width: usize) -> io::Result<()> {
        if stay.is_empty() && tree.is_empty() && self.drawn.is_empty() {
            return Ok(());
        }
        // A terminal that became narrower has broken the tree's lines.
        let rows: usize = self.drawn.iter().map(|columns| columns.div_ceil(width.max(1)).max(1)).sum();
        let mut text = String::from("\r");
        if rows > 0 {
            text.push_str(&format!("\u{1b}[{rows}A"));
        }
        text.push_str("\u{1b}[J");
        for line in stay.iter().chain(tree) {
            text.push_str(line);
            text.push_str("\r\n");
        }
        self.drawn = tree.iter().map(|line| columns(line)).collect();
        self.terminal.write_all(text.as_bytes())?;
        self.terminal.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As much of a terminal as the tree needs: lines that are broken at the width and broken anew when it changes.
    #[derive(Clone, Debug)]
    struct Terminal {
        width: usize,
        /// Rows, and whether the next one goes on with the same line.
        rows: Vec<(String, bool)>,
        row: usize,
    }

    impl Terminal {
        fn new(width: usize) -> Self {
            Self { width, rows: vec![(String::new(), false)], row: 0 }
        }

        fn text(&self) -> Vec<String> {
            let mut lines = vec![String::new()];
            for (row, goes_on) in &self.rows {
                lines.last_mut().unwrap().push_str(row);
                if !goes_on {
                    lines.push(String::new());
                }
            }
            while lines.last().is_some_and(String::is_empty) {
                lines.pop();
            }
            lines
        }

        fn resize(&mut self, width: usize) {
            // The cursor is below everything in this test whenever somebody pulls at the window.
            assert_eq!(self.row + 1, self.rows.len());
            let lines = self.text();
            *self = Self::new(width);
            lines.iter().for_each(|line| self.take(&format!("{line}\r\n")));
        }

        fn take(&mut self, text: &str) {
            let mut rest = text.chars();
            while let Some(character) = rest.next() {
                match character {
                    '\r' => {}
                    '\n' => self.down(false),
                    '\u{1b}' => {
                        assert_eq!(rest.next(), Some('['));
                        let code: String = rest.by_ref().take_while(char::is_ascii_digit).collect();
                        // take_while has eaten the letter.
                        if code.is_empty() {
                            self.rows.truncate(self.row + 1);
                            self.rows[self.row] = (String::new(), false);
                        } else {
                            let up: usize = code.parse().unwrap();
                            assert!(up <= self.row, "above the text");
                            self.row -= up;
                        }
                    }
                    character => {
                        if self.rows[self.row].0.chars().count() == self.width {
                            self.down(true);
                        }
                        self.rows[self.row].0.push(character);
                    }
                }
            }
        }

        fn down(&mut self, goes_on: bool) {
            self.rows[self.row].1 = goes_on;
            self.row += 1;
            if self.row == self.rows.len() {
                self.rows.push((String::new(), false));
            }
        }
    }

    fn lines(text: &'static str, most: usize, longest: usize) -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec((1..=longest).prop_map(move |many| text.repeat(many)), 0..most)
    }

    proptest! {
        #[test]
        fn lines_stay_once_and_the_tree_is_the_last_one_however_the_window_changes(
            draws in prop::collection::vec((5usize..40, lines("s", 4, 90), lines("t", 6, 40)), 1..12),
        ) {
            let mut terminal = Terminal::new(20);
            let mut screen = Screen::new(Vec::new());
            let (mut expected, mut last) = (Vec::new(), Vec::new());
            for (width, stay, tree) in draws {
                let tree: Vec<String> =
                    tree.into_iter().map(|line| line.chars().take(width - 1).collect()).collect();
                terminal.resize(width);
                screen.draw(&stay, &tree, width).unwrap();
                terminal.take(std::str::from_utf8(&screen.terminal).unwrap());
                screen.terminal.clear();
                expected.extend(stay);
                last = tree;
            }
            expected.extend(last);
            prop_assert_eq!(terminal.text(), expected);
            prop_assert_eq!(terminal.rows[terminal.row].0.len(), 0, "what is printed next has a line of its own");
        }
    }

    #[test]
    fn no_mode_of_the_terminal_is_changed() {
        let mut screen = Screen::new(Vec::new());
        screen.draw(&["stays".into()], &["tree".into()], 20).unwrap();
        screen.draw(&[], &["tree".into(), "two".into()], 20).unwrap();
        screen.draw(&[], &[], 20).unwrap();
        let text = String::from_utf8(screen.terminal).unwrap();
        assert_eq!(text, "\r\u{1b}[Jstays\r\ntree\r\n\r\u{1b}[1A\u{1b}[Jtree\r\ntwo\r\n\r\u{1b}[2A\u{1b}[J");
    }
}
