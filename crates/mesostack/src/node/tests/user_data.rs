//! What a machine boots with.

use remote::HostKeyPair;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{super::user_data, facts, spec};
use crate::spec::{Bootstrap, Spec};

fn by_user_data(masters: u16) -> Spec {
    let mut spec = spec(masters, 3);
    spec.access.bootstrap = Bootstrap::UserData;
    spec
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text.strip_prefix("#cloud-config\n").unwrap()).unwrap()
}

#[test]
fn a_machine_gets_the_host_key_made_for_it_and_no_other() {
    let spec = spec(3, 1);
    let pair = HostKeyPair::generate();
    let text = user_data(&spec, &spec.masters()[0], None, &pair);
    let config = parsed(text.expose_secret());
    assert_eq!(config["ssh_keys"]["ed25519_public"], pair.public.to_string());
    assert_eq!(config["ssh_keys"]["ed25519_private"], pair.private_openssh.expose_secret());
    assert_eq!(config["ssh_deletekeys"], true);
    assert_eq!(config["manage_etc_hosts"], false);
    assert!(!format!("{text:?}").contains("PRIVATE"));
}

#[test]
fn a_node_configured_over_ssh_gets_nothing_but_its_host_key() {
    let spec = spec(3, 1);
    let text = user_data(&spec, &spec.masters()[0], Some(&facts()), &HostKeyPair::generate());
    let config = parsed(text.expose_secret());
    assert!(config.get("write_files").is_none() && config.get("runcmd").is_none());
}

#[test]
fn a_node_configured_at_boot_gets_the_very_files_that_ssh_would_deliver() {
    let spec = by_user_data(3);
    for node in spec.masters().iter().chain(&spec.agents()) {
        let text = user_data(&spec, node, Some(&facts()), &HostKeyPair::generate());
        let config = parsed(text.expose_secret());
        let written = config["write_files"].as_array().unwrap();
        let configuration = super::render(&spec, node, &facts());
        assert_eq!(written.len(), configuration.files.len() + 1);
        for (file, written) in configuration.files.iter().zip(written) {
            assert_eq!(written["path"], file.path);
            assert_eq!(written["content"], file.contents);
            assert_eq!(written["owner"], file.owner);
            // A number would be read as decimal, or as octal, depending on the reader.
            assert_eq!(written["permissions"], format!("{:04o}", file.mode));
        }
        let script = written.last().unwrap();
        assert_eq!(config["runcmd"], serde_json::json!([["bash", script["path"]]]));
        assert!(script["content"].as_str().unwrap().contains(&configuration.digest));
    }
}

#[test]
fn the_user_data_of_a_large_ensemble_fits_the_smallest_clouds_limit() {
    let spec = by_user_data(9);
    for node in spec.masters().iter().chain(&spec.agents()) {
        let text = user_data(&spec, node, Some(&facts()), &HostKeyPair::generate());
        // CloudStack's limit is 32 KiB of base64 by default.
        let size = text.expose_secret().len();
        assert!(size < 24_000, "{size} bytes");
    }
}
