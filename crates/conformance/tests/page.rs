//! The documentation's page is this suite's.

#[test]
fn the_page_lists_every_behaviour_and_no_other() {
    let page = include_str!("../../../docs/conformance.md");
    let rows = |text: &str| -> Vec<String> {
        let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
        cells.map(|(says, _)| says.to_owned()).filter(|says| says != "behaviour" && says != "---").collect()
    };
    let said = rows(&conformance::markdown(&[]));
    assert!(said.len() > 100);
    assert_eq!(
        rows(page),
        said,
        "write it again: MESOSTACK_CONFORMANCE_REPORTS=/tmp cargo test -p conformance; target/debug/conformance \
         --markdown simulator=/tmp/simulator.json … > docs/conformance.md"
    );
}
