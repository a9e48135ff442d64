//! Keys and what they guard are never shown.

use cloudstack::resource::*;
use cloudstack::{Credentials, Effect, Error, Method, SignedRequest, UserData};
use zeroize::Zeroizing;

use crate::scripted::{Answer, Scripted};

fn hides(shown: &str) {
    for secret in ["apple", "sesame", "PRIVATE"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let server = Scripted::new(|_| Answer::Raw(200, "{}"));
    let client = server.client();
    hides(&format!("{client:?} {:?} {:?}", client.jobs(), Credentials::new("apple", "sesame")));
    let builder = cloudstack::Client::builder(
        "http://cloud.test/client/api".parse().unwrap(),
        Credentials::new("apple", "sesame"),
    );
    hides(&format!("{builder:?}"));
    let deploy = DeployVirtualMachine::new("z", "o").user_data(UserData::new("PRIVATE"));
    let encoded = "UFJJVkFURQ==";
    let shown = format!("{deploy:?} {:?}", cloudstack::Command::parameters(&deploy));
    hides(&shown);
    assert!(!shown.contains(encoded), "{shown}");
    let request = SignedRequest {
        method: Method::Post,
        command: "listZones".to_owned(),
        form: Zeroizing::new("apiKey=apple&signature=x".to_owned()),
    };
    hides(&format!("{request:?}"));
}

#[tokio::test]
async fn a_page_that_repeats_the_request_does_not_bring_keys_into_an_error() {
    let page = "<h1>Bad Message 414</h1><p>/client/api?command=listZones&amp;apiKey=apple&amp;signature=x sesame</p>";
    for status in [414, 502, 200] {
        for effect in [Effect::Read, Effect::Write] {
            let server = Scripted::new(move |_| Answer::Raw(status, page));
            let client = cloudstack::Client::builder(
                "http://cloud.test/client/api".parse().unwrap(),
                Credentials::new("apple", "sesame"),
            )
            .transport(server)
            .attempts(1)
            .build()
            .unwrap();
            let error = client.raw("listZones", effect, &[]).await.unwrap_err();
            hides(&format!("{error} {error:?}"));
            assert!(error.to_string().contains("Bad Message"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_refusal_that_repeats_a_key_is_told_without_it() {
    let server = Scripted::new(|_| Answer::Refused(431, "no user with apikey apple"));
    let error = server.client().raw("getUser", Effect::Read, &[]).await.unwrap_err();
    hides(&format!("{error} {error:?}"));
    assert!(matches!(error, Error::Api(_)));
}

#[tokio::test]
async fn an_answer_that_breaks_off_in_a_private_key_does_not_show_it() {
    for body in [r#"{"r":{"keypair":{"privatekey":"PRIVATE"#, r#"{"r":{"k":"PRIVATE"},"s":{}}"#, "PRIVATE"] {
        let server = Scripted::new(move |_| Answer::Raw(200, body));
        let error = server.client().call(&CreateSshKeyPair::new("k")).await.unwrap_err();
        hides(&format!("{error} {error:?}"));
        assert!(error.is_outcome_unknown());
    }
}
