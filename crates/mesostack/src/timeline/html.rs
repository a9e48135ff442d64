//! The drawing as a page of its own: nothing is loaded from anywhere, and a step says more when pointed at.

use serde_json::json;

use super::{
    critical::Why,
    record::Record,
    summary::Summary,
    svg::{details, readable, svg, title},
};
use crate::drawing::escaped;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The whole page.
pub fn html(record: &Record) -> String {
    let summary = Summary::of(record);
    let steps: Vec<_> = (0..record.steps.len()).map(|at| json!(details(record, at))).collect();
    // A script's end within a text would end the script.
    let steps = json!(steps).to_string().replace('<', "\\u003c");
    let drawing = svg(record);
    let title = escaped(&title(record));
    let path: String = summary
        .path
        .iter()
        .map(|link| {
            let why = match link.why {
                Why::First => "",
                Why::Needs => "needs the one before",
                Why::Lane => "waited for its place in the lane",
            };
            format!(
                "<tr><td>{}</td><td class=n>{}</td><td class=n>{}</td><td>{why}</td><td>{}</td></tr>\n",
                escaped(&link.work),
                readable(link.from),
                readable(link.took),
                escaped(link.spent_on.as_deref().unwrap_or_default()),
            )
        })
        .collect();
    let kinds: String = summary
        .kinds
        .iter()
        .map(|kind| {
            format!(
                "<tr><td>{}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td><td>{}</td></tr>\n",
                escaped(&kind.kind.replace('_', " ")),
                kind.count,
                readable(kind.middle),
                readable(kind.longest),
                escaped(&kind.longest_work),
            )
        })
        .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <p><input id=\"filter\" type=\"search\" placeholder=\"show only steps with …\" aria-label=\"filter\"></p>\n\
         <div id=\"drawing\">{drawing}</div>\n<div id=\"details\" hidden></div>\n\
         <h2>Critical path</h2>\n<table><tr><th>step</th><th>from</th><th>took</th><th>why then</th><th>mostly</th></tr>\n{path}</table>\n\
         <h2>Kinds of steps</h2>\n<table><tr><th>kind</th><th>done</th><th>middle</th><th>longest</th><th>which</th></tr>\n{kinds}</table>\n\
         <script type=\"application/json\" id=\"steps\">{steps}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::critical::tests::{record, step};

    #[test]
    fn the_page_loads_nothing_and_no_name_breaks_out_of_it() {
        let record = record(vec![step("</script><img src=x onerror=alert(1)>", None, &[], 0, Some(5))]);
        let page = html(&record);
        assert!(!page.contains("<img"), "{page}");
        assert_eq!(page.matches("</script>").count(), 2);
        let loads = ["src=\"", "href=", "url(", "@import", "fetch(", "<link"];
        assert!(loads.iter().all(|load| !page.contains(load)), "{page}");
        let elsewhere = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!elsewhere.contains("http://") && !elsewhere.contains("https://"));
    }
}
