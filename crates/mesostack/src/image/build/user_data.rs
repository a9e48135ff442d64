//! What the build's machines are told at their first boot.
//!
//! The host key is handed over so that the first connection is already to a known machine. The build's own key comes the
//! same way instead of as a key pair of the cloud: that saves two calls, and the cloud would copy a key pair's public
//! half into the template and on to every machine made from it. Written as JSON, which is YAML, so that no value can
//! be misread.

use std::{io::Write as _, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cloudstack::UserData;
use flate2::{Compression, write::GzEncoder};
use remote::HostKeyPair;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::image::recipe::{File, Step};

/// What CloudStack takes by default, in bytes.
const LIMIT: usize = UserData::DEFAULT_MAX_BYTES;

/// Where an unattended build's scripts lie; the recipe's own place, so that sealing removes them.
const PLACE: &str = "/var/lib/mesostack-build";

/// User-data that is larger than what a cloud takes by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the recipe is {size} bytes of packed user-data, of which CloudStack takes {LIMIT} by default")]
pub(super) struct TooLong {
    pub(super) size: usize,
}

/// The bytes that cloud-init reads; they hold a private key.
pub(super) type Packed = Zeroizing<Vec<u8>>;

/// A machine that is worked on over SSH, and that ends itself when its builder is long gone.
pub(super) fn attended(
    host_key: &HostKeyPair,
    authorized_key: &str,
    user: &str,
    lifetime: Duration,
) -> Result<Packed, TooLong> {
    let config = json!({
        "ssh_deletekeys": true,
        "ssh_keys": {
            "ed25519_private": host_key.private_openssh.expose_secret(),
            "ed25519_public": host_key.public.to_string(),
        },
        "ssh_authorized_keys": [authorized_key],
        "disable_root": user != "root",
        "ssh_pwauth": false,
        "package_update": false,
        "package_upgrade": false,
        "runcmd": [end_of_life(lifetime)],
    });
    encode(&config)
}

/// A machine that does the recipe by itself, and powers itself off when, and only when, all of it went well.
pub(super) fn unattended(files: &[File], steps: &[Step], lifetime: Duration) -> Result<Packed, TooLong> {
    let mut write_files: Vec<Value> =
        files.iter().map(|file| write_file(&file.path, file.mode, &file.contents)).collect();
    write_files.extend(
        steps.iter().enumerate().map(|(at, step)| {
            write_file(&format!("{PLACE}/steps/{at:02}.sh"), 0o600, step.script.as_bytes())
        }),
    );
    // It goes on under its own unit after cloud-init has ended: the recipe waits for that, and sealing removes
    // what cloud-init would still write.
    let run = format!(
        "for step in {PLACE}/steps/*.sh; do\n    bash --noprofile --norc \"$step\" || {{ echo \"mesostack: $step failed\"; exit 1; }}\ndone\nsystemctl poweroff\n"
    );
    write_files.push(write_file(&format!("{PLACE}/run.sh"), 0o600, run.as_bytes()));
    encode(&json!({
        "ssh_pwauth": false,
        "package_update": false,
        "package_upgrade": false,
        "write_files": write_files,
        "runcmd": [end_of_life(lifetime), after_boot("mesostack-build", &format!("{PLACE}/run.sh"))],
    }))
}

/// A machine that powers itself off when, and only when, `check` passes.
pub(super) fn unattended_check(check: &str, lifetime: Duration) -> Result<Packed, TooLong> {
    const PATH: &str = "/run/mesostack-try.sh";
    let script = format!("{check}\nsystemctl poweroff\n");
    encode(&json!({
        "write_files": [write_file(PATH, 0o600, script.as_bytes())],
        "runcmd": [end_of_life(lifetime), after_boot("mesostack-try", PATH)],
    }))
}

fn after_boot(unit: &str, script: &str) -> Value {
    json!([
        "systemd-run",
        "--no-block",
        format!("--unit={unit}"),
        "--property=After=cloud-final.service",
        "--property=StandardOutput=journal+console",
        "--property=StandardError=journal+console",
        "/bin/bash",
        "--noprofile",
        "--norc",
        script
    ])
}

/// A machine whose builder was killed does not run for ever. Its power-off comes well after the builder's own deadline,
/// which therefore never takes it for the end of the work.
fn end_of_life(lifetime: Duration) -> Value {
    let seconds = (lifetime * 2).as_secs();
    json!([
        "systemd-run",
        "--unit=mesostack-build-end",
        format!("--on-active={seconds}s"),
        "systemctl",
        "poweroff"
    ])
}

fn write_file(path: &str, mode: u32, contents: &[u8]) -> Value {
    json!({
        "path": path,
        "permissions": format!("{mode:04o}"),
        "owner": "root:root",
        "encoding": "b64",
        "content": STANDARD.encode(contents),
    })
}

/// Compressed only when it would not fit otherwise: cloud-init unpacks, but a person can't read it.
fn encode(config: &Value) -> Result<Packed, TooLong> {
    let text = Zeroizing::new(format!("#cloud-config\n{config}\n").into_bytes());
    if text.len() <= LIMIT {
        return Ok(text);
    }
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail.
    let packed = packer.write_all(&text).and_then(|()| packer.finish()).unwrap_or_default();
    if packed.len() <= LIMIT { Ok(Zeroizing::new(packed)) } else { Err(TooLong { size: packed.len() }) }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use sha2::{Digest as _, Sha256};

    use super::*;

    fn read(encoded: &Packed) -> Value {
        let bytes = encoded.to_vec();
        let mut text = String::new();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        serde_json::from_str(text.strip_prefix("#cloud-config\n").unwrap()).unwrap()
    }

    #[test]
    fn the_machine_gets_the_host_key_that_the_builder_expects() {
        let pair = HostKeyPair::generate();
        let config = read(&attended(&pair, "ssh-ed25519 AAAA", "debian", Duration::from_secs(3600)).unwrap());
        assert_eq!(config["ssh_keys"]["ed25519_public"], pair.public.to_string());
        assert_eq!(config["ssh_authorized_keys"][0], "ssh-ed25519 AAAA");
        assert_eq!(config["disable_root"], true);
        assert_eq!(config["runcmd"][0][2], "--on-active=7200s");
    }

    #[test]
    fn an_unattended_build_carries_every_step_in_order_and_ends_with_power_off() {
        let steps: Vec<Step> =
            (0..12).map(|at| Step { name: "step", script: format!("echo {at}") }).collect();
        let config = read(&unattended(&[], &steps, Duration::from_secs(60)).unwrap());
        let files = config["write_files"].as_array().unwrap();
        let paths: Vec<_> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
        let mut sorted = paths[..12].to_vec();
        sorted.sort();
        assert_eq!(sorted, paths[..12]);
        let run = STANDARD.decode(files[12]["content"].as_str().unwrap()).unwrap();
        assert!(run.ends_with(b"done\nsystemctl poweroff\n"));
    }

    #[test]
    fn what_does_not_fit_is_packed_and_what_then_does_not_is_refused() {
        let file = |contents: Vec<u8>| File { path: "/x".into(), mode: 0o644, contents: contents.into() };
        let long = unattended(&[file(vec![b'x'; 60_000])], &[], Duration::from_secs(60)).unwrap();
        assert!(long.len() < 2_000);
        assert_eq!(read(&long)["write_files"][0]["path"], "/x");
        let noise: Vec<u8> = (0..2_000u32).flat_map(|at| Sha256::digest(at.to_be_bytes())).collect();
        assert!(unattended(&[file(noise)], &[], Duration::from_secs(60)).is_err());
    }
}
