//! SSH key pairs. A private key is made here when asked for, answered once, and never kept.

use base64::Engine;
use md5::{Digest, Md5};
use russh::keys::ssh_key;
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::answer::Answer;
use super::call::{View, object};
use super::{Call, Command, Entity, Listing, Parameter, Reach};
use crate::error::ApiError;
use crate::model::KeyPair;

pub(super) const COMMANDS: &[Command] = &[
    Command::change_with_key(
        "createSSHKeyPair",
        "Makes a key pair and answers its private half, once",
        &[
            Parameter::text("name").required(),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
        ],
        create,
    )
    .answering(&MADE),
    Command::change(
        "registerSSHKeyPair",
        "Takes in the public half of a key pair",
        &[
            Parameter::text("name").required(),
            Parameter::text("publickey").required().length(5120),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
        ],
        register,
    )
    .answering(&KEY_PAIR),
    Command::list(
        "listSSHKeyPairs",
        "Lists key pairs",
        &[Parameter::id("id", Entity::KeyPair), Parameter::text("name"), Parameter::text("fingerprint")],
        list,
    )
    .answering(&KEY_PAIR)
    .reaching(Reach::Owned),
    Command::change(
        "deleteSSHKeyPair",
        "Forgets a key pair; machines keep the key",
        &[
            Parameter::text("name").required(),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
        ],
        delete,
    ),
];

/// What is told of a key pair that is listed; the server says less of its domain than elsewhere.
const KEY_PAIR: Answer = Answer::of(&[KEY_PAIR_FIELDS]);

const MADE: Answer = Answer::of(&[KEY_PAIR_FIELDS, &["privatekey"]]);

const KEY_PAIR_FIELDS: &[&str] =
    &["account", "domainid", "domain", "project", "projectid", "id", "name", "fingerprint", "hasannotations"];

/// A fresh key.
pub(crate) struct Generated {
    public_key: String,
    fingerprint: String,
    private_pem: SecretString,
}

impl std::fmt::Debug for Generated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generated").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl Generated {
    /// Makes an RSA key of 2048 bits, as CloudStack does. Takes up to seconds: not for a runtime's thread.
    pub(crate) fn rsa() -> Result<Self, ApiError> {
        let failed = |what: &dyn std::fmt::Display| {
            ApiError::internal(format!("Could not create SSH key pair: {what}"))
        };
        let key = PrivateKey::random(&mut rand::rng(), Algorithm::Rsa { hash: None })
            .map_err(|error| failed(&error))?;
        let mut pkcs8 = Vec::new();
        russh::keys::encode_pkcs8_pem(&key, &mut pkcs8).map_err(|error| failed(&error))?;
        let pkcs8 = String::from_utf8(pkcs8).map_err(|error| failed(&error))?;
        let private_pem =
            SecretString::from(pkcs1_pem(&pkcs8).ok_or_else(|| failed(&"its encoding is not PKCS#8"))?);
        let (public_key, fingerprint) = describe(key.public_key()).map_err(|error| failed(&error))?;
        Ok(Self { public_key, fingerprint, private_pem })
    }
}

/// The PKCS#1 key inside a PKCS#8 one: the form CloudStack answers. PKCS#8 wraps it as the octet string that ends the
/// structure.
fn pkcs1_pem(pkcs8: &str) -> Option<String> {
    let body: String = pkcs8.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body).ok()?;
    let (0x30, sequence, _) = element(&der)? else { return None };
    let (0x02, _, rest) = element(sequence)? else { return None };
    let (0x30, _, rest) = element(rest)? else { return None };
    let (0x04, pkcs1, _) = element(rest)? else { return None };
    let encoded = base64::engine::general_purpose::STANDARD.encode(pkcs1);
    let mut pem = String::from("-----BEGIN RSA PRIVATE KEY-----\n");
    for line in encoded.as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line).ok()?);
        pem.push('\n');
    }
    pem.push_str("-----END RSA PRIVATE KEY-----\n");
    Some(pem)
}

/// The first element of a DER sequence: its tag, its contents, what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (bytes.iter().fold(0_usize, |length, byte| (length << 8) | usize::from(*byte)), rest)
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

/// A key in OpenSSH's form without its comment, and its MD5 fingerprint.
fn describe(key: &PublicKey) -> Result<(String, String), ssh_key::Error> {
    let mut bare = key.clone();
    bare.set_comment("");
    let digest = Md5::digest(key.to_bytes()?);
    let fingerprint: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((bare.to_openssh()?.trim().to_owned(), fingerprint.join(":")))
}

fn create(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.owner()?;
    let name = call.arguments.required_text("name")?.to_owned();
    if call.model.key_pairs.iter().any(|pair| pair.account == account && pair.name == name) {
        return Err(ApiError::invalid(format!("A key pair with name '{name}' already exists.")));
    }
    let key = call.generated.take().ok_or_else(|| ApiError::internal("Could not create SSH key pair"))?;
    let pair = KeyPair {
        number: call.model.next_number(),
        id: call.model.next_id(),
        account,
        name,
        public_key: key.public_key,
        fingerprint: key.fingerprint,
    };
    let view = object([view(call.view(), &pair), json!({ "privatekey": key.private_pem.expose_secret() })]);
    call.model.key_pairs.insert(pair);
    Ok(json!({ "keypair": view }))
}

fn register(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.owner()?;
    let name = call.arguments.required_text("name")?.to_owned();
    let (public_key, fingerprint) = parse(call.arguments.required_text("publickey")?)
        .ok_or_else(|| ApiError::invalid("Public key is invalid"))?;
    let mine = || call.model.key_pairs.iter().filter(|pair| pair.account == account);
    if mine().any(|pair| pair.name == name) {
        return Err(ApiError::invalid(format!(
            "A key pair with name '{name}' already exists for this account."
        )));
    }
    if mine().any(|pair| pair.public_key == public_key) {
        return Err(ApiError::invalid(format!(
            "A key pair with key '{public_key}' already exists for this account."
        )));
    }
    let pair = KeyPair {
        number: call.model.next_number(),
        id: call.model.next_id(),
        account,
        name,
        public_key,
        fingerprint,
    };
    let view = view(call.view(), &pair);
    call.model.key_pairs.insert(pair);
    Ok(json!({ "keypair": view }))
}

/// A public key line, or the base64 of one.
fn parse(text: &str) -> Option<(String, String)> {
    let line = if text.trim_start().starts_with("ssh-") || text.trim_start().starts_with("ecdsa-") {
        text.trim().to_owned()
    } else {
        let decoded = base64::engine::general_purpose::STANDARD.decode(text.trim()).ok()?;
        String::from_utf8(decoded).ok()?.trim().to_owned()
    };
    let key = PublicKey::from_openssh(&line).ok()?;
    let name = line.split(' ').next()?;
    let taken = [
        "ssh-rsa",
        "ssh-dss",
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
    ];
    if !taken.contains(&name) {
        return None;
    }
    describe(&key).ok()
}

// Newest first, as the server answers them.
fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let found = call.model.key_pairs.iter().rev().filter(|pair| {
        scope.includes(pair.account)
            && call.wanted(pair.id)
            && call.name_is(&pair.name)
            && call.keyword_in(&[&pair.name])
            && call.arguments.text("fingerprint").is_none_or(|wanted| wanted == pair.fingerprint)
    });
    Listing::of("sshkeypair", call.arguments, found, |pair| view(call.view(), pair))
}

fn delete(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.owner()?;
    let name = call.arguments.required_text("name")?;
    let named = |pair: &&KeyPair| pair.account == account && pair.name == name;
    let found = call.model.key_pairs.iter().find(named).map(|pair| pair.id);
    let Some(id) = found else {
        let owner = call.model.accounts.get(account).map(|account| account.name.as_str()).unwrap_or_default();
        let text = format!(
            "A key pair with name '{name}' does not exist for account {owner} in specified domain id"
        );
        return Err(ApiError::invalid(text).about(call.catalogue().domain_id, "domainId"));
    };
    call.model.key_pairs.remove(id);
    Ok(json!({ "success": true }))
}

fn view(view: View<'_>, pair: &KeyPair) -> Value {
    let mut seen = object([
        json!({ "id": pair.id, "name": pair.name, "fingerprint": pair.fingerprint, "hasannotations": false }),
        view.ownership(pair.account),
    ]);
    if let Some(seen) = seen.as_object_mut() {
        seen.remove("domainpath");
    }
    seen
}
