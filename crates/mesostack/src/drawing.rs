//! What all drawings share: how they begin, how text is put into them, what they are made of in light and in dark.
//!
//! A drawing is an SVG file of its own: nothing is loaded from anywhere, and a browser shows it as it is.

/// How wide a drawing is, in pixels.
pub(crate) const WIDTH: f64 = 1000.0;
/// How wide a character of its text is, at most.
pub(crate) const CHARACTER: f64 = 6.7;

/// What every drawing has.
const STYLE: &str = "text{font:11px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:#333}\
.bg{fill:#fff}.title{font-size:14px;font-weight:600}.faint{fill:#777}\
@media (prefers-color-scheme:dark){text{fill:#ddd}.bg{fill:#1b1d20}.faint{fill:#999}}";

/// The beginning of a drawing with a title, and with more `style` of its own. `</svg>` ends it.
pub(crate) fn begin(title: &str, height: f64, style: &str) -> String {
    let title = escaped(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{title}\">\n<style>{STYLE}{style}</style>\n\
         <rect class=\"bg\" width=\"100%\" height=\"100%\"/>\n\
         <text class=\"title\" x=\"12\" y=\"22\">{title}</text>\n"
    )
}

/// Text of at most so many characters.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Text within XML; what no XML may hold is left out.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            character if character.is_control() => {}
            character => out.push(character),
        }
    }
    out
}
