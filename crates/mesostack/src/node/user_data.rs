//! The cloud-config a machine boots with: its host key, always; its whole configuration, where nodes are told so at boot.
//!
//! Written as JSON, which YAML contains: no text of ours can break out of it. Read by cloud-init 22.4 and later.

use remote::HostKeyPair;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::{Facts, places, render, script};
use crate::spec::{Bootstrap, Node, Spec};

/// The node's user-data. It holds the private half of the host key, made by us so that the machine is known before its first
/// boot. With `bootstrap = "user-data"`, and when `facts` are known, it also holds the node's files, and the script that puts
/// them into force.
pub fn user_data(spec: &Spec, node: &Node, facts: Option<&Facts>, host_key: &HostKeyPair) -> SecretString {
    let mut config = Map::new();
    config.insert(
        "ssh_keys".to_owned(),
        json!({
            "ed25519_private": host_key.private_openssh.expose_secret(),
            "ed25519_public": host_key.public.to_string(),
        }),
    );
    // No other key: one that came with the template would be known to everybody who has it.
    config.insert("ssh_deletekeys".to_owned(), json!(true));
    config.insert("ssh_pwauth".to_owned(), json!(false));
    // Its name is the machine's name in the cloud; /etc/hosts is ours.
    config.insert("preserve_hostname".to_owned(), json!(false));
    config.insert("manage_etc_hosts".to_owned(), json!(false));
    if let (Bootstrap::UserData, Some(facts)) = (spec.access.bootstrap, facts) {
        configuration(&mut config, spec, node, facts);
    }
    let text = Value::Object(config).to_string();
    format!("#cloud-config\n{text}\n").into()
}

fn configuration(config: &mut Map<String, Value>, spec: &Spec, node: &Node, facts: &Facts) {
    let configuration = render(spec, node, facts);
    let set_up = format!("{}/set-up", places::DIRECTORY);
    let mut files: Vec<Value> = configuration
        .files
        .iter()
        .map(|file| {
            json!({
                "path": file.path,
                "permissions": format!("{:04o}", file.mode),
                "owner": file.owner,
                "content": file.contents,
            })
        })
        .collect();
    files.push(json!({
        "path": set_up,
        "permissions": "0700",
        "owner": "root:root",
        "content": script::put_into_force(&configuration),
    }));
    config.insert("write_files".to_owned(), Value::Array(files));
    config.insert("runcmd".to_owned(), json!([["bash", set_up]]));
}
