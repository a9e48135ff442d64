//! Rows of text in columns.

/// A heading and rows, each column as wide as its widest cell; two spaces between.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(heading)];
    lines.extend(rows.iter().map(|row| line(row.each_ref().map(String::as_str))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows =
            [["a".to_owned(), "größer".to_owned(), "x".to_owned()], ["longer".into(), "b".into(), "".into()]];
        assert_eq!(table(["N", "WHAT", "END"], &rows), "N       WHAT    END\na       größer  x\nlonger  b");
        assert_eq!(table(["ONLY"], &[]), "ONLY");
    }
}
