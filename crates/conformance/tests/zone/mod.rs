//! A zone in this process that is served on loopback, and the suite pointed at it.

use std::sync::Arc;
use std::time::Duration;

use cloudstack::Credentials;
use conformance::{Login, Outcome, Report, Settings, Wishes};
use devcloud::driver::Driver;
use devcloud::{Keys, MemoryRecords, Records, Zone, ZoneConfig};
use tokio_util::sync::CancellationToken;

/// A zone with a stock CloudStack's habits where a zone of ours is more welcoming.
pub(crate) fn config() -> ZoneConfig {
    ZoneConfig {
        strict_signatures: true,
        users_may_expunge: false,
        accounts: vec!["another".to_owned()],
        ..ZoneConfig::default()
    }
}

/// What the suite finds of a zone with this driver; written to a file of this name under MESOSTACK_CONFORMANCE_REPORTS,
/// where that is set.
pub(crate) async fn checked(label: &str, driver: Arc<dyn Driver>, config: ZoneConfig) -> Report {
    let zone = Zone::open(config, driver, Records::memory(MemoryRecords::default())).await.expect("a zone");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(devcloud::serve(Arc::clone(&zone), listener, shutdown.clone()));
    let keys = |account: &str| zone.credentials(account).expect("the account exists");
    let login = keys("mesostack");
    let settings = Settings {
        endpoint: format!("http://{address}/client/api").parse().expect("a URL"),
        insecure: false,
        user: credentials(&keys("mesostack")),
        other: Some(credentials(&keys("another"))),
        admin: Some(credentials(&keys("admin"))),
        login: Some(Login { user: login.account, password: login.password, domain: "/".to_owned() }),
        wishes: Wishes::default(),
        only: std::env::var("MESOSTACK_CONFORMANCE_ONLY").ok().into_iter().collect(),
        skip: Vec::new(),
        patience: Duration::from_secs(120),
        removal: Duration::from_secs(120),
    };
    let report =
        conformance::run(&settings, |_, _| (), std::future::pending()).await.expect("the zone can be asked");
    shutdown.cancel();
    served.await.expect("no panic").expect("served to the end");
    if let Some(directory) = std::env::var_os("MESOSTACK_CONFORMANCE_REPORTS") {
        let file = std::path::Path::new(&directory).join(format!("{label}.json"));
        std::fs::write(file, serde_json::to_vec_pretty(&report).expect("JSON")).expect("a file");
    }
    report
}

fn credentials(keys: &Keys) -> Credentials {
    Credentials { api_key: keys.api_key.clone().into(), secret_key: keys.secret_key.clone() }
}

pub(crate) fn assert_fine(report: &Report) {
    let mut wrong = String::new();
    for checked in &report.checked {
        match &checked.outcome {
            Outcome::Passed => {}
            Outcome::Differs { expected, came } => {
                wrong += &format!("\n{}\n  expected: {expected}\n  came:     {came}\n", checked.behaviour);
            }
            Outcome::Skipped { reason } => println!("skipped {}: {reason}", checked.behaviour),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(report.left.is_empty(), "left behind: {:?}", report.left);
}
