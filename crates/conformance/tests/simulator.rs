//! The suite against a simulated zone, over HTTP on loopback.
#![expect(clippy::print_stdout, reason = "a test tells what it skipped")]

mod zone;

use devcloud::simulator::{Capacity, Latencies, Simulator};

#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_zone_behaves_like_a_cloudstack() {
    let driver = Simulator::new(Latencies::NONE, Capacity::default());
    let report = zone::checked("simulator", std::sync::Arc::new(driver), zone::config()).await;
    zone::assert_fine(&report);
    assert!(report.counts().0 >= 20, "{report:?}");
}
