use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::image::testing::{Cloud, Trouble};

#[test]
fn one_public_key_is_taken_as_it_stands() {
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@here";
    assert_eq!(the_public_key(&format!("# mine\n\n{line}\n")), Ok(line));
}

#[test]
fn what_is_no_single_public_key_is_refused_with_its_reason() {
    let refused = |text: &str, because: &str| {
        let reason = the_public_key(text).unwrap_err();
        assert!(reason.contains(because), "{reason}");
    };
    refused("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", "private");
    refused("", "empty");
    refused("ssh-rsa A\nssh-rsa B\n", "more than one");
    refused("sk-ssh-ed25519@openssh.com AAAA", "does not begin");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_key_made_by_either_side_can_be_logged_in_with_and_is_readable_by_its_owner_alone() {
    let cloud = Cloud::open().await;
    let directory = tempfile::tempdir().unwrap();
    for (name, maker) in [("here", Maker::Here), ("there", Maker::Cloud)] {
        let path = directory.path().join(name);
        let pair = create(&cloud.client, name, &path, maker).await.unwrap();
        assert_eq!(pair.name, name);
        assert_eq!(mode(&path), 0o600);
        Identity::load(&path).unwrap();
    }
    let names: Vec<String> = list(&cloud.client).await.unwrap().into_iter().map(|pair| pair.name).collect();
    assert_eq!(names, ["here", "there"]);
}

#[tokio::test]
async fn a_file_that_exists_is_never_written_over_and_nothing_is_made() {
    let cloud = Cloud::open().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    std::fs::write(&path, "precious").unwrap();
    for maker in [Maker::Here, Maker::Cloud] {
        let error = create(&cloud.client, "new", &path, maker).await.unwrap_err();
        assert!(matches!(error, Error::Exists { .. }), "{error}");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    assert_eq!(list(&cloud.client).await.unwrap(), []);
}

#[tokio::test]
async fn a_name_that_is_taken_leaves_no_file() {
    let cloud = Cloud::open().await;
    let directory = tempfile::tempdir().unwrap();
    create(&cloud.client, "mine", &directory.path().join("first"), Maker::Here).await.unwrap();
    for maker in [Maker::Here, Maker::Cloud] {
        let path = directory.path().join("second");
        let error = create(&cloud.client, "mine", &path, maker).await.unwrap_err();
        assert!(matches!(error, Error::Cloud { .. }), "{error}");
        assert!(!path.exists());
    }
}

#[tokio::test(start_paused = true)]
async fn a_private_key_is_kept_when_its_public_half_may_have_been_registered() {
    let cloud = Cloud::open().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    cloud.door.make(Trouble::Lost(1));
    let error = create(&cloud.client, "mine", &path, Maker::Here).await.unwrap_err();
    assert!(error.to_string().contains("`mesostack keypair list`"), "{error}");
    Identity::load(&path).unwrap();
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

#[tokio::test(start_paused = true)]
async fn a_key_that_the_cloud_may_have_made_is_told_with_the_way_to_be_rid_of_it() {
    let cloud = Cloud::open().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    cloud.door.make(Trouble::Lost(1));
    let error = create(&cloud.client, "mine", &path, Maker::Cloud).await.unwrap_err();
    assert!(error.to_string().contains("`mesostack keypair delete mine`"), "{error}");
    assert!(is_empty(directory.path()));
    cloud.door.make(Trouble::None);
    delete(&cloud.client, "mine").await.unwrap();
    create(&cloud.client, "mine", &path, Maker::Cloud).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn broken_off_in_the_middle_it_leaves_no_file_in_the_way() {
    let cloud = Cloud::open().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let sent = std::sync::Arc::new(tokio::sync::Notify::new());
    cloud.door.make(Trouble::Tell(1, sent.clone()));
    tokio::select! {
        biased;
        () = sent.notified() => {}
        made = create(&cloud.client, "mine", &path, Maker::Cloud) => panic!("{made:?}"),
    }
    assert!(is_empty(directory.path()));
}

#[tokio::test]
async fn where_the_key_cannot_be_written_none_is_made() {
    let cloud = Cloud::open().await;
    let path = Path::new("/nonexistent/key");
    let error = create(&cloud.client, "mine", path, Maker::Cloud).await.unwrap_err();
    assert!(matches!(error, Error::Unwritable { .. }), "{error}");
    assert_eq!(list(&cloud.client).await.unwrap(), []);
}

#[tokio::test]
async fn a_public_key_is_registered_from_its_file_and_deleted_by_its_name() {
    let cloud = Cloud::open().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pub");
    std::fs::write(&path, format!("{} me@here\n", Identity::generate().public_openssh())).unwrap();
    register(&cloud.client, "laptop", &path).await.unwrap();
    let error = delete(&cloud.client, "labtop").await.unwrap_err();
    assert!(error.to_string().contains("is \"laptop\" meant?"), "{error}");
    delete(&cloud.client, "laptop").await.unwrap();
    assert_eq!(list(&cloud.client).await.unwrap(), []);
}
