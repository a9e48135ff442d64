//! Who is let in, and whom we talk to.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use remote::{Command, Error, HostKey, HostKeyPair, Identity, KeyError, Session, Target};
use secrecy::SecretString;
use tokio::{io::AsyncReadExt, net::TcpListener, time::Instant};

use crate::{
    deadline, logged_in,
    server::{Server, keygen},
};

#[tokio::test]
async fn the_right_key_is_let_in() {
    let Some((_server, session)) = logged_in().await else { return };
    let output = session.run(&Command::new("echo in"), deadline(), |_, _| ()).await.unwrap();
    assert_eq!(output.stdout_text(), "in\n");
}

#[tokio::test]
async fn a_server_with_another_host_key_is_refused_before_it_learns_who_we_are() {
    let Some((server, _session)) = logged_in().await else { return };
    let before = server.log().matches("userauth-request").count();
    let pinned = HostKeyPair::generate().public;
    let target = Target { host_key: pinned.clone(), ..server.target() };
    let error = Session::connect(&target, &Identity::generate(), deadline()).await.unwrap_err();
    let Error::HostKeyMismatch { expected, found, .. } = &error else { panic!("{error}") };
    assert_eq!(*expected, pinned.fingerprint());
    assert_eq!(*found, server.target().host_key.fingerprint());
    assert!(!error.is_transient());
    assert!(before > 0, "the log has to show logins for the next line to mean anything");
    assert_eq!(server.log().matches("userauth-request").count(), before);
}

#[tokio::test]
async fn a_key_the_server_does_not_know_is_told_by_its_fingerprint() {
    let Some((server, _session)) = logged_in().await else { return };
    let stranger = Identity::generate();
    let error = Session::connect(&server.target(), &stranger, deadline()).await.unwrap_err();
    assert!(matches!(&error, Error::Authentication { .. }), "{error}");
    assert!(error.to_string().contains(&stranger.fingerprint()));
}

#[tokio::test]
async fn rsa_and_ed25519_keys_are_let_in_whatever_format_they_are_kept_in() {
    let keys = tempfile::tempdir().unwrap();
    let kinds: [(&str, &[&str]); 4] = [
        ("ed25519", &["-t", "ed25519", "-N", ""]),
        ("rsa-openssh", &["-t", "rsa", "-b", "2048", "-N", ""]),
        ("rsa-pkcs1", &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""]),
        ("rsa-pkcs8", &["-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", ""]),
    ];
    for (name, arguments) in kinds {
        keygen(&keys.path().join(name), arguments);
    }
    let public: Vec<String> = kinds
        .iter()
        .map(|(name, _)| {
            fs::read_to_string(keys.path().join(format!("{name}.pub"))).unwrap().trim().to_owned()
        })
        .collect();
    let Some(server) = Server::start(&public) else { return };
    for ((name, _), public) in kinds.iter().zip(&public) {
        let identity = Identity::load(&keys.path().join(name)).unwrap();
        assert!(public.starts_with(&identity.public_openssh()), "{name}");
        remote::wait_until_reachable(&server.target(), &identity, deadline()).await.unwrap();
    }
}

#[tokio::test]
async fn a_saved_identity_is_private_lets_us_in_and_is_never_overwritten() {
    let Some((_server, _)) = logged_in().await else { return };
    let keys = tempfile::tempdir().unwrap();
    let path = keys.path().join("key");
    let made = Identity::generate();
    made.save_new(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let loaded = Identity::load(&path).unwrap();
    assert_eq!(loaded.public_openssh(), made.public_openssh());
    let server = Server::start(&[made.public_openssh()]).unwrap();
    remote::wait_until_reachable(&server.target(), &loaded, deadline()).await.unwrap();
    assert!(matches!(Identity::generate().save_new(&path), Err(KeyError::Exists { .. })));
    assert_eq!(Identity::load(&path).unwrap().public_openssh(), made.public_openssh());
}

#[test]
fn an_unusable_key_file_is_told_with_what_to_do() {
    let keys = tempfile::tempdir().unwrap();
    let at = |name: &str| keys.path().join(name);
    keygen(&at("open"), &["-t", "ed25519", "-N", ""]);
    fs::set_permissions(at("open"), fs::Permissions::from_mode(0o644)).unwrap();
    let error = Identity::load(&at("open")).unwrap_err();
    assert!(matches!(error, KeyError::Exposed { mode: 0o644, .. }), "{error}");
    assert!(error.to_string().contains(&format!("chmod 600 {}", at("open").display())));

    for (name, format) in [("locked", "RFC4716"), ("locked-pem", "PEM"), ("locked-pkcs8", "PKCS8")] {
        keygen(&at(name), &["-t", "rsa", "-b", "2048", "-m", format, "-N", "passphrase"]);
        let error = Identity::load(&at(name)).unwrap_err();
        assert!(matches!(error, KeyError::Encrypted { .. }), "{name}: {error}");
        assert!(error.to_string().contains("ssh-keygen -p"));
    }

    let error = Identity::load(&at("open.pub")).unwrap_err();
    assert!(matches!(error, KeyError::Public { .. }), "{error}");

    let error = Identity::load(&at("absent")).unwrap_err();
    assert!(matches!(error, KeyError::Unreadable { .. }), "{error}");
    assert!(matches!(Identity::load(keys.path()), Err(KeyError::Unreadable { .. })));

    fs::write(at("noise"), "not a key").unwrap();
    fs::set_permissions(at("noise"), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(Identity::load(&at("noise")), Err(KeyError::Unknown { .. })));
}

#[test]
fn a_key_with_carriage_returns_as_some_servers_send_it_is_read() {
    let keys = tempfile::tempdir().unwrap();
    let path = keys.path().join("key");
    keygen(&path, &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""]);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    let plain = Identity::from_openssh_or_pem(&text.clone().into()).unwrap();
    let sent = SecretString::from(format!("\n  {}", text.replace('\n', "\r\n")));
    assert_eq!(Identity::from_openssh_or_pem(&sent).unwrap().fingerprint(), plain.fingerprint());
}

#[tokio::test]
async fn a_server_with_several_host_keys_is_known_by_the_pinned_one_of_any_kind() {
    let keys = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for kind in ["rsa", "ecdsa"] {
        let path = keys.path().join(kind);
        keygen(&path, &["-t", kind, "-N", ""]);
        files.push(path);
    }
    let identity = Identity::generate();
    let paths: Vec<_> = files.iter().map(|path| path.as_path()).collect();
    let Some(server) = Server::start_with(&[identity.public_openssh()], &paths) else { return };
    remote::wait_until_reachable(&server.target(), &identity, deadline()).await.unwrap();
    for path in files {
        let host_key: HostKey = fs::read_to_string(path.with_extension("pub")).unwrap().parse().unwrap();
        let target = Target { host_key, ..server.target() };
        Session::connect(&target, &identity, deadline()).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_at_the_deadline_and_its_connection_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = Target {
        host: "127.0.0.1".to_owned(),
        port,
        user: "nobody".to_owned(),
        host_key: HostKeyPair::generate().public,
    };
    let accepted = tokio::spawn(async move {
        let (mut silent, _) = listener.accept().await.unwrap();
        // Enough of a greeting that the client begins its handshake, and then nothing.
        tokio::io::AsyncWriteExt::write_all(&mut silent, b"SSH-2.0-silent\r\n").await.unwrap();
        let mut heard = Vec::new();
        silent.read_to_end(&mut heard).await.unwrap();
    });
    let began = Instant::now();
    let until = began + Duration::from_millis(300);
    let error = Session::connect(&target, &Identity::generate(), until).await.unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));
    // The other side sees the end of the stream: no task of ours holds the connection open.
    tokio::time::timeout_at(deadline(), accepted).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_is_gone_is_no_session_any_more() {
    let Some((server, session)) = logged_in().await else { return };
    assert!(!session.is_closed());
    // Each connection has a process of its own, which outlives the listener; it is this session's parent's parent.
    let kill = Command::new("kill -9 $(ps -o ppid= -p $(ps -o ppid= -p $$)) $(ps -o ppid= -p $$)");
    let error = session.run(&kill, deadline(), |_, _| ()).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error}");
    let error = session.run(&Command::new("true"), deadline(), |_, _| ()).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error}");
    drop(server);
}
