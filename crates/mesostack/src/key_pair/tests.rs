use super::*;

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
