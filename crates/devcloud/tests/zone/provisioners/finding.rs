//! What is looked for by an id that nothing has is found missing, in the words that the programs take for that: with these
//! Terraform drops a thing from its state, and Packer goes on clearing up.

use super::{Client, NOTHING, Way};
use crate::kit;

/// What a command needs besides an id, where it needs something.
const NEEDED: [(&str, &str); 2] = [("templatefilter", "executable"), ("isofilter", "executable")];

#[tokio::test(start_paused = true)]
async fn an_id_of_nothing_is_refused_in_the_words_that_clients_take_for_it() {
    let world = kit::world().await;
    let mut tried = 0;
    for caller in [world.user(), world.admin()] {
        let client = Client { caller, way: Way::Go };
        for api in client.list("listApis", "api", &[]).await {
            let command = kit::text(&api["name"]);
            let parameters = api["params"].as_array().expect("parameters");
            if !parameters.iter().any(|parameter| parameter["name"] == "id" && parameter["type"] == "uuid") {
                continue;
            }
            let mut wanted = vec![("id", NOTHING)];
            let mut required = parameters.iter().filter(|parameter| parameter["required"] == true);
            let known = required.all(|parameter| {
                let needed = NEEDED.iter().find(|(name, _)| parameter["name"] == *name);
                wanted.extend(needed);
                needed.is_some() || parameter["name"] == "id"
            });
            if !known {
                continue;
            }
            tried += 1;
            let refused = client.ask(&command, &wanted).await.expect_err(&command);
            let words = format!(
                "Invalid parameter id value={NOTHING} due to incorrect long value format, or entity does not exist"
            );
            assert!(refused.contains(&words), "{command}: {refused}");
        }
    }
    assert!(tried > 100, "{tried} commands have an id");
}
