//! The page in a real browser: headless Chromium, spoken to over pipes by its DevTools protocol. Left out, and said so,
//! where there is no Chromium.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::own;

/// Debian's package; `scripts/test.sh` looks at the same place to tell that this was left out.
const PROGRAM: &str = "/usr/bin/chromium";
/// How long the browser may take for all it does; it is ended then, and the test with it.
const PATIENCE: &str = "300";

const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
];

struct Browser {
    process: Child,
    to: File,
    from: BufReader<File>,
    session: Option<String>,
    last: u64,
    /// The addresses of everything that was asked for.
    asked_for: Vec<String>,
}

impl Browser {
    /// A browser with one empty page; none where there is none.
    fn start(directory: &Path) -> Option<Self> {
        Path::new(PROGRAM).exists().then_some(())?;
        let (to, from) = (directory.join("to"), directory.join("from"));
        let made = Command::new("mkfifo").args([&to, &from]).status().expect("mkfifo runs");
        assert!(made.success());
        // The browser reads from descriptor 3 and writes to 4.
        let process = Command::new("sh")
            .args([
                "-c",
                r#"to=$1 from=$2; shift 2; exec timeout --kill-after=5 "$@" 3<"$to" 4>"$from""#,
                "sh",
            ])
            .args([&to, &from])
            .args([PATIENCE, PROGRAM])
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", directory.join("profile").display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let to = OpenOptions::new().write(true).open(to).expect("a pipe");
        let from = BufReader::new(File::open(from).expect("a pipe"));
        let mut browser = Self { process, to, from, session: None, last: 0, asked_for: Vec::new() };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        browser.call("Network.enable", json!({}));
        browser.call("Page.enable", json!({}));
        Some(browser)
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).expect("the browser listens");
        loop {
            let mut bytes = Vec::new();
            self.from.read_until(0, &mut bytes).expect("the browser answers");
            assert_eq!(bytes.pop(), Some(0), "the browser ended while {method} was asked");
            let heard: Value = serde_json::from_slice(&bytes).expect("JSON");
            if heard["method"] == json!("Network.requestWillBeSent") {
                self.asked_for.extend(heard["params"]["request"]["url"].as_str().map(str::to_owned));
            }
            if heard["id"] == json!(self.last) {
                assert!(heard.get("error").is_none(), "{method}: {heard}");
                return heard["result"].clone();
            }
        }
    }

    fn evaluate(&mut self, script: &str) -> Value {
        self.call("Runtime.evaluate", json!({ "expression": script, "returnByValue": true }))["result"]["value"]
            .clone()
    }

    /// Asks again until it is so.
    fn wait_for(&mut self, script: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.evaluate(script) != json!(true) {
            assert!(
                Instant::now() < deadline,
                "never true: {script}: {}",
                self.evaluate("document.body.innerText")
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // `timeout` hands the signal on to what it runs.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_exists_as_it_changes_and_takes_names_for_text() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_owned();
    let Some(mut browser) =
        tokio::task::spawn_blocking(move || Browser::start(&path)).await.expect("started")
    else {
        eprintln!("left out: the page in a browser (there is no Chromium on this host)");
        return;
    };
    let served = own::served().await;
    let user = served.world.user();
    let hostile = "<img src=x onerror=document.title='taken'><script>document.title='taken'</script>";
    let network = user.network(hostile).await;
    let page = format!("http://{}/", served.address);
    let mut browser = tokio::task::spawn_blocking(move || {
        browser.call("Page.navigate", json!({ "url": page }));
        browser.wait_for("document.querySelectorAll('#networks tbody tr').length === 1");
        browser
    })
    .await
    .expect("no panic");
    user.deploy(&network, "born-later", &[]).await;
    let hostile = hostile.to_owned();
    tokio::task::spawn_blocking(move || {
        // Without loading it again.
        browser.wait_for("document.querySelector('#machines')?.innerText.includes('born-later') ?? false");
        browser.wait_for("document.querySelector('#machines td.good')?.textContent === 'Running'");
        let name = browser.evaluate("document.querySelector('#networks tbody td').textContent");
        assert_eq!(name, json!(hostile), "it is text");
        assert_eq!(browser.evaluate("document.querySelectorAll('main img, main script').length"), json!(0));
        assert_eq!(browser.evaluate("document.title"), json!("devcloud · devcloud"));
        let own = browser.evaluate("location.origin");
        let own = own.as_str().expect("an origin");
        let foreign: Vec<_> =
            browser.asked_for.iter().filter(|url| !url.starts_with(own) && *url != "data:,").collect();
        assert!(
            browser.asked_for.iter().any(|url| url.ends_with("/devcloud/overview")),
            "{:?}",
            browser.asked_for
        );
        assert!(foreign.is_empty(), "{foreign:?}");
        it_fits_and_is_as_light_as_the_reader_likes(&mut browser);
    })
    .await
    .expect("no panic");
}

/// However long names are: nothing has to be moved sideways to be read.
fn it_fits_and_is_as_light_as_the_reader_likes(browser: &mut Browser) {
    for width in [360, 800, 1280, 1920] {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        browser.call("Emulation.setDeviceMetricsOverride", size);
        let sideways = "Math.max(...[...document.querySelectorAll('html, section')].map((of) => of.scrollWidth - of.clientWidth))";
        assert_eq!(browser.evaluate(sideways), json!(0), "at {width} pixels");
    }
    let mut back = |scheme: &str| {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        browser.call("Emulation.setEmulatedMedia", features);
        browser.evaluate("getComputedStyle(document.body).backgroundColor")
    };
    assert_eq!((back("light"), back("dark")), (json!("rgb(246, 248, 250)"), json!("rgb(13, 17, 23)")));
}
