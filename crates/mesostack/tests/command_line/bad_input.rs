//! Wrong command lines and wrong files: a clear error, the right exit code, and nothing on standard output.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use insta::assert_snapshot;

use super::{mesostack, run};

/// Runs with a `mesostack.toml` of this text; gives the exit code and standard error.
fn with_file(text: &str, arguments: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mesostack.toml"), text).unwrap();
    let (code, output, errors) = run(mesostack(folder.path()).args(arguments));
    assert_eq!(output, "", "an error has no result");
    (code, errors)
}

const RIGHT: &str = "[cloud]\nzone = \"z\"\n[access]\nallow = [\"192.0.2.1\"]\n";

#[test]
fn a_wrong_command_line_exits_with_64() {
    for arguments in [&["aply"][..], &[], &["apply", "--only", "nodes"], &["plan", "--deadline", "soon"]] {
        let (code, errors) = with_file(RIGHT, arguments);
        assert_eq!(code, 64, "{arguments:?}: {errors}");
        assert!(!errors.is_empty());
    }
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, errors) = run(mesostack(folder.path()).args(["validate", "--file", "none.toml"]));
    assert_eq!(code, 1);
    assert_snapshot!(errors);
}

#[test]
fn an_unknown_key_is_underlined_with_the_nearest_right_one() {
    let (code, errors) = with_file(&RIGHT.replace("zone =", "zoen ="), &["validate", "--offline"]);
    assert_eq!(code, 1);
    assert_snapshot!(errors);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let text = format!("{RIGHT}[cluster]\nmasters = 0\nagents = 2829\n");
    let (code, errors) = with_file(&text, &["validate", "--offline"]);
    assert_eq!(code, 1);
    assert_snapshot!(errors);
}

#[test]
fn keys_that_cannot_be_got_are_told_at_the_line_that_names_them() {
    let text = RIGHT.replace("[cloud]", "[cloud]\nini = { file = \"none.ini\", section = \"x\" }");
    for command in [&["validate"][..], &["apply", "--yes"], &["image", "list"], &["keypair", "list"]] {
        let (code, errors) = with_file(&text, command);
        assert_eq!(code, 1, "{command:?}: {errors}");
        assert!(errors.contains("none.ini cannot be read: No such file"), "{command:?}: {errors}");
        assert!(errors.contains("2 │ ini = {"), "{command:?}: {errors}");
    }
    let (_, errors) = with_file(RIGHT, &["status"]);
    assert!(errors.contains("does not say CLOUDSTACK_API_KEY"), "{errors}");
    assert!(errors.contains("1 │ [cloud]"), "{errors}");
}

#[test]
fn keys_that_the_cloud_refuses_are_told_at_the_line_that_names_them() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/client/api", server.local_addr().unwrap());
    // As CloudStack 4.23 answers.
    std::thread::spawn(move || {
        let body = r#"{"errorresponse":{"uuidList":[],"errorcode":401,"errortext":"unable to verify user credentials and/or request signature"}}"#;
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 65_536];
            let _ = stream.read(&mut head);
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    let command = r#"command = ["echo", '{"api_key": "an-api-key", "secret_key": "a-secret-key"}']"#;
    let text = RIGHT.replace("[cloud]", &format!("[cloud]\napi_url = \"{url}\"\n{command}"));
    for arguments in [
        &["validate"][..],
        &["plan"],
        &["apply", "--yes"],
        &["destroy", "--yes"],
        &["status"],
        &["image", "validate"],
        &["image", "list"],
        &["image", "gc"],
        &["keypair", "list"],
        &["keypair", "create", "x", "--out", "x"],
    ] {
        let (code, errors) = with_file(&text, arguments);
        assert_eq!(code, 1, "{arguments:?}: {errors}");
        assert!(errors.contains("the cloud does not accept the keys"), "{arguments:?}: {errors}");
        assert!(errors.contains("3 │ command ="), "{arguments:?}: {errors}");
        assert!(errors.contains("compare the keys with the cloud's user page"), "{arguments:?}: {errors}");
    }
}

#[test]
fn a_wrong_file_of_faults_is_underlined_before_a_zone_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[[call]]\ncommand = \"createTag\"\nchance = 2.0\nfault = \"reset\"\n";
    std::fs::write(folder.path().join("faults.toml"), text).unwrap();
    let up = ["zone", "up", "--simulator", "--name", "never", "--faults", "faults.toml"];
    let (code, output, errors) = run(mesostack(folder.path()).args(up));
    assert_eq!((code, output.as_str()), (1, ""));
    assert_snapshot!(errors);
    let (code, _, errors) = run(mesostack(folder.path()).args(["zone", "up", "--faults", "faults.toml"]));
    assert_eq!(code, 64, "{errors}");
}

#[test]
fn an_error_is_json_where_json_was_asked_for() {
    let (code, errors) = with_file("[cloud]\n", &["validate", "--offline", "--json"]);
    assert_eq!(code, 1);
    let error: serde_json::Value = serde_json::from_str(&errors).unwrap();
    assert!(error["related"].as_array().is_some_and(|problems| !problems.is_empty()), "{error}");
}

#[test]
fn a_key_written_into_the_file_is_refused_and_not_repeated_in_other_words() {
    let text = RIGHT.replace("zone =", "secret_key = \"QWERTY\"\nzone =");
    let (code, errors) = with_file(&text, &["validate", "--offline"]);
    assert_eq!(code, 1);
    assert!(errors.contains("CLOUDSTACK_SECRET_KEY"), "{errors}");
}

#[test]
fn the_environment_names_the_file_and_the_option_wins() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("right.toml"), RIGHT).unwrap();
    std::fs::write(folder.path().join("wrong.toml"), "[").unwrap();
    let validate = |file: &str, more: &[&str]| {
        let mut command = mesostack(folder.path());
        run(command.env("MESOSTACK_FILE", file).args(["validate", "--offline"]).args(more)).0
    };
    assert_eq!(validate("right.toml", &[]), 0);
    assert_eq!(validate("wrong.toml", &[]), 1);
    assert_eq!(validate("wrong.toml", &["--file", "right.toml"]), 0);
}
