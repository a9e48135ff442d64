use super::*;
use proptest::prelude::*;

fn strings(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|argument| (*argument).to_owned()).collect()
}

fn pairs(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn master(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Flags, String> {
    match load(master::TABLE, &strings(arguments), &pairs(environment)) {
        Ok(Asked::Run(flags)) => Ok(flags),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => Err(refusal.to_string()),
    }
}

#[test]
fn what_the_daemons_refuse_is_refused_in_their_words() {
    for (arguments, refusal) in [
        (&["--zoo=1"][..], "Failed to load unknown flag 'zoo'"),
        (&["--no-zoo"], "Failed to load unknown flag 'zoo' via 'no-zoo'"),
        (&["--quorum=2", "--quorum=2"], "Flag 'quorum' is already loaded via name 'quorum'"),
        (
            &["--authenticate", "--authenticate_frameworks"],
            "Flag 'authenticate_frameworks' is already loaded via name 'authenticate'",
        ),
        (
            &["--no-root_submissions", "--root_submissions"],
            "Flag 'root_submissions' is already loaded via name 'root_submissions'",
        ),
        (&["--quorum"], "Failed to load non-boolean flag 'quorum': Missing value"),
        (&["--no-quorum"], "Failed to load non-boolean flag 'quorum' via 'no-quorum'"),
        (
            &["--no-registry_strict=yes"],
            "Failed to load boolean flag 'registry_strict' via 'no-registry_strict' with value 'yes'",
        ),
        (
            &["--quorum=two"],
            "Failed to load flag 'quorum': Failed to load value 'two': Failed to convert 'two' to number",
        ),
        (
            &["--port=70000"],
            "Failed to load flag 'port': Failed to load value '70000': Failed to convert '70000' to number",
        ),
        (
            &["--registry_strict=perhaps"],
            "Failed to load flag 'registry_strict': Failed to load value 'perhaps': Expecting a boolean (e.g., true or false)",
        ),
        (
            &["--zk_session_timeout=10"],
            "Failed to load flag 'zk_session_timeout': Failed to load value '10': Invalid duration '10'",
        ),
        (
            &["--acls={"],
            "Failed to load flag 'acls': Failed to load value '{': it is neither JSON nor the path of a file",
        ),
        (
            &["--zk=file:///nonexistent/zk"],
            "Failed to load flag 'zk': Failed to load value 'file:///nonexistent/zk': Error reading file '/nonexistent/zk': No such file or directory (os error 2)",
        ),
    ] {
        assert_eq!(master(arguments, &[]).unwrap_err(), refusal, "{arguments:?}");
    }
}

#[test]
fn an_agent_needs_its_master_and_its_work_directory() {
    let missing = |arguments: &[&str]| load(agent::TABLE, &strings(arguments), &[]).unwrap_err().to_string();
    assert_eq!(missing(&["--work_dir=/w"]), "Flag 'master' is required, but it was not provided");
    assert_eq!(missing(&["--master=zk://a/m"]), "Flag 'work_dir' is required, but it was not provided");
}

#[test]
fn booleans_have_all_their_forms() {
    for (arguments, environment, strict) in [
        (&["--registry_strict"][..], &[][..], true),
        (&["--registry_strict=true"], &[], true),
        (&["--registry_strict=1"], &[], true),
        (&["--registry_strict="], &[], true),
        (&["--registry_strict=false"], &[], false),
        (&["--no-registry_strict"], &[], false),
        (&[], &[("MESOS_REGISTRY_STRICT", "true")], true),
        (&[], &[("MESOS_registry_strict", "1")], true),
        (&[], &[("MESOS_REGISTRY_STRICT", "false")], false),
    ] {
        assert_eq!(master(arguments, environment).unwrap().is("registry_strict"), strict, "{arguments:?}");
    }
}

#[test]
fn the_command_line_beats_the_environment_and_unknown_variables_are_ignored() {
    let environment =
        [("MESOS_QUORUM", "3"), ("MESOS_CLUSTER", "blue"), ("MESOS_NONSENSE", "x"), ("QUORUM", "9")];
    let flags = master(&["--quorum=2"], &environment).unwrap();
    assert_eq!((flags.get("quorum"), flags.get("cluster")), (Some("2"), Some("blue")));
}

#[test]
fn a_wrong_type_in_the_environment_is_as_fatal_as_on_the_command_line() {
    assert!(master(&[], &[("MESOS_QUORUM", "two")]).unwrap_err().contains("'two'"));
}

#[test]
fn a_file_is_read_except_for_a_path_and_only_its_name_is_shown_where_it_may_hold_a_password() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("value");
    std::fs::write(&file, "zk://user:secret@10.0.0.1:2181/mesos\n").unwrap();
    let url = format!("file://{}", file.display());
    let flags =
        master(&[&format!("--zk={url}"), &format!("--credentials={url}"), &format!("--cluster={url}")], &[])
            .unwrap();
    assert_eq!(flags.get("zk"), Some("zk://user:secret@10.0.0.1:2181/mesos"));
    assert_eq!(flags.shown()["zk"], url);
    assert_eq!(flags.get("credentials"), Some(url.as_str()));
    assert_eq!(flags.get("cluster"), Some("zk://user:secret@10.0.0.1:2181/mesos"));
}

#[test]
fn what_is_no_flag_is_passed_over_and_a_bare_double_dash_ends_the_flags() {
    let flags = master(&["quorum=3", "-x", "--quorum=2", "--", "--nonsense"], &[]).unwrap();
    assert_eq!(flags.get("quorum"), Some("2"));
}

#[test]
fn every_default_satisfies_its_own_type_and_no_name_occurs_twice() {
    for table in [master::TABLE, agent::TABLE] {
        let mut names = std::collections::BTreeSet::new();
        for flag in table {
            assert!(names.insert(flag.name), "{}", flag.name);
            assert!(flag.alias.is_none_or(|alias| names.insert(alias)), "{}", flag.name);
            if let Some(default) = flag.default {
                assert_eq!(flag.kind.check(default), Ok(()), "{}", flag.name);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_arguments_are_loaded_or_refused(arguments in proptest::collection::vec("(--)?(no-)?[a-z_=:/{}0-9]{0,20}", 0..6)) {
        let _ = load(master::TABLE, &arguments, &[]);
    }

    #[test]
    fn a_flag_means_the_same_from_either_side(quorum in 1u16..100, index in 0usize..3) {
        let (name, value) = [("quorum", quorum.to_string()), ("cluster", format!("c{quorum}")), ("zk_session_timeout", format!("{quorum}secs"))][index].clone();
        let argument = master(&[&format!("--{name}={value}")], &[]).unwrap();
        let variable = master(&[], &[(&format!("MESOS_{}", name.to_uppercase()), &value)]).unwrap();
        prop_assert_eq!(argument, variable);
    }
}
