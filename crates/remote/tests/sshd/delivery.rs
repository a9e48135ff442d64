//! Files put in place as root. These need root, because a delivery is root's business.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
};

use remote::{Error, RemoteFile};

use crate::{deadline, logged_in, server::is_root};

fn file(path: String, mode: u32, owner: &str, contents: &[u8]) -> RemoteFile {
    RemoteFile { path, mode, owner: owner.to_owned(), contents: contents.to_vec() }
}

#[tokio::test]
async fn files_arrive_with_their_modes_owners_and_bytes() {
    if !is_root() {
        eprintln!("skipped: only root can give files to others");
        return;
    }
    let Some((server, session)) = logged_in().await else { return };
    let root = server.scratch();
    let at = |name: &str| root.join(name).display().to_string();
    let noise: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
    let files = [
        file(at("plain"), 0o644, "root:root", b"plain\n"),
        file(at("new/deep/er/secret"), 0o600, "root:root", b"hunter2"),
        file(at("daemon's own; rm -rf $HOME"), 0o640, "daemon:bin", b""),
        file(at("program"), 0o755, "root:daemon", &noise),
        file(at(&"long/".repeat(40).to_string()) + "name", 0o444, "nobody:nogroup", b"long"),
    ];
    session.deliver(&files, deadline()).await.unwrap();
    let output = std::process::Command::new("stat")
        .args(["-c", "%a %U:%G"])
        .args(files.iter().map(|file| &file.path))
        .output()
        .unwrap();
    let stat = String::from_utf8(output.stdout).unwrap();
    let expected =
        ["644 root:root", "600 root:root", "640 daemon:bin", "755 root:daemon", "444 nobody:nogroup"];
    assert_eq!(stat.lines().collect::<Vec<_>>(), expected);
    for file in &files {
        assert!(fs::read(&file.path).unwrap() == file.contents, "{file:?}");
    }
    assert_eq!(fs::metadata(root.join("new/deep")).unwrap().mode() & 0o7777, 0o755);
}

#[tokio::test]
async fn a_file_is_replaced_not_written_into() {
    if !is_root() {
        eprintln!("skipped: delivery needs root");
        return;
    }
    let Some((server, session)) = logged_in().await else { return };
    let root = server.scratch();
    let path = root.join("config");
    fs::write(&path, "old").unwrap();
    // A link elsewhere is replaced as well, and what it points to left alone.
    let elsewhere = root.join("elsewhere");
    fs::write(&elsewhere, "untouched").unwrap();
    let link = root.join("link");
    std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
    let reader = fs::File::open(&path).unwrap();
    let files = [
        file(path.display().to_string(), 0o600, "root:root", b"new"),
        file(link.display().to_string(), 0o600, "root:root", b"new"),
    ];
    session.deliver(&files, deadline()).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(std::io::read_to_string(reader).unwrap(), "old", "a reader keeps the file it opened");
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "untouched");
    assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[tokio::test]
async fn a_delivery_that_fails_changes_nothing_and_leaves_nothing_behind() {
    if !is_root() {
        eprintln!("skipped: delivery needs root");
        return;
    }
    let Some((server, session)) = logged_in().await else { return };
    let root = server.scratch();
    let path = root.join("config");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let files = [
        file(path.display().to_string(), 0o600, "root:root", b"new"),
        file(root.join("other").display().to_string(), 0o600, "no-such-user:root", b"other"),
    ];
    let error = session.deliver(&files, deadline()).await.unwrap_err();
    assert!(matches!(&error, Error::Delivery { .. }), "{error}");
    assert!(error.to_string().contains("no-such-user"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
    let left: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["config"]);
}
