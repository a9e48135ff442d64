use super::*;
use crate::faults::{Answered, CallFault, JobFault, MachineFault, Moment, When};
use crate::simulator::Latency;
use std::time::Duration;

const WHOLE: &str = r#"
seed = 7

[latency]
router = "1m"
rule = { from = "1s", to = "3s" }
call = "100ms"

[latency.calls]
listVirtualMachines = { from = "100ms", to = "5s", long_tail = true }

[latency.jobs]
createTags = "50ms"

[capacity]
machines = 30
workers = 5

[limits]
machines = 100

[throttle]
calls = 25

[delays]
network_gc = "1m"
expunge = "1h"

[[call]]
command = "createPortForwardingRule"
at = 7
fault = "reset"

[[call]]
command = "*"
chance = 0.01
fault = "status"
status = 502
effect = "5s"

[[call]]
command = "create*"
at = [3, 9]
fault = "twice"
apart = "200ms"

[[call]]
command = "list*"
chance = 0.5
fault = "lag"
by = "800ms"

[[job]]
command = "deployVirtualMachine"
at = 2
fault = "fail"
code = 533
text = "No room"

[[machine]]
name = "mesos-agent-*"
chance = 0.1
fault = "dies"
after = { from = "10s", to = "10m", long_tail = true }
"#;

#[test]
fn a_file_becomes_what_it_says() {
    let file = FaultsFile::parse(WHOLE).expect("right");
    let ms = Duration::from_millis;
    assert_eq!(file.latencies.raise, ms(60_000).into());
    assert_eq!(file.latencies.program, Latency::Uniform { from: ms(1000), to: ms(3000) });
    assert_eq!(file.latencies.start, Latencies::default().start);
    assert_eq!(file.pace.of_call("listZones"), ms(100).into());
    assert_eq!(file.pace.of_call("listVirtualMachines"), Latency::LongTail { from: ms(100), to: ms(5000) });
    assert_eq!(file.pace.of_job("createTags"), ms(50).into());
    assert_eq!((file.capacity.machines, file.capacity.workers), (Some(30), Some(5)));
    assert_eq!((file.limits.machines, file.limits.volumes), (100, Limits::CLOUDSTACK.volumes));
    assert_eq!(file.throttle, Some(Throttle { calls: 25, window: ms(1000) }));
    assert_eq!(
        file.delays,
        Delays { network_gc: Some(ms(60_000)), expunge: ms(3_600_000), ..Delays::default() }
    );
    let wanted = Faults::seeded(7)
        .call("createPortForwardingRule", When::nth(7), CallFault::Reset(Moment::After))
        .call("*", When::chance(0.01), CallFault::Status(502, Moment::Late(ms(5000))))
        .call(
            "create*",
            When::At([3, 9].into()),
            CallFault::Twice { apart: ms(200), answered: Answered::Second },
        )
        .call("list*", When::chance(0.5), CallFault::Lag(ms(800)))
        .job("deployVirtualMachine", When::nth(2), JobFault::fail(533, "No room"))
        .machine(
            "mesos-agent-*",
            When::chance(0.1),
            MachineFault::Dies(Latency::LongTail { from: ms(10_000), to: ms(600_000) }),
        );
    assert_eq!(file.faults, wanted);
    assert_eq!(file.text, WHOLE);
    assert_eq!(FaultsFile::parse("").expect("nothing is right, too").faults, Faults::default());
}

#[test]
fn the_documented_file_is_right() {
    let page = include_str!("../../../../../docs/devcloud.md");
    let example =
        page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let file = FaultsFile::parse(example).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!((file.faults.calls.len(), file.faults.jobs.len(), file.faults.machines.len()), (5, 2, 1));
}

/// What is underlined, and what is said of it.
fn problems(text: &str) -> Vec<(String, String)> {
    let problems = FaultsFile::parse(text).expect_err("wrong");
    problems.into_iter().map(|problem| (text[problem.span].to_owned(), problem.message)).collect()
}

#[test]
fn what_is_wrong_is_underlined_and_all_of_it_told() {
    let text = "[[call]]\ncommand = \"createTag\"\nchance = 1.5\nfault = \"reset\"\nstatus = 503\n\
                [[call]]\ncommand = \"createTags\"\nfault = \"lag\"\nby = \"1s\"\n\
                [[job]]\ncommand = \"listZones\"\nat = 0\nfault = \"fail\"\n";
    let told = problems(text);
    let wanted = [
        ("\"createTag\"", "is no command of this zone"),
        ("1.5", "a chance is a number from 0 to 1"),
        ("503", "says nothing of a fault that is not \"status\""),
        ("\"createTags\"", "only lists can lag"),
        ("\"listZones\"", "begins no job"),
        ("0", "counted from 1"),
    ];
    assert_eq!(told.len(), wanted.len(), "{told:?}");
    for ((underlined, message), (place, said)) in told.iter().zip(wanted) {
        assert_eq!(underlined, place, "{message}");
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn what_cannot_be_read_is_underlined() {
    for (text, place, said) in [
        ("[latency]\nstart = \"soon\"", "\"soon\"", "a time is"),
        ("[latency]\nstrat = \"1s\"", "strat", "unknown field"),
        (
            "[latency]\nstart = { from = \"5s\", to = \"1s\" }",
            "{ from = \"5s\", to = \"1s\" }",
            "longer than",
        ),
        ("[throttle]\ncalls = 5\nwindow = \"often\"", "\"often\"", "no length of time"),
        ("[[call]]\ncommand = \"*\"\nfault = \"break\"", "\"break\"", "unknown variant"),
        ("[capacity]\nworkers = 0", "0", "no machine ever starts"),
        ("[delays]\nheartbeat = \"0s\"", "\"0s\"", "takes some time"),
        ("[latency.jobs]\nlistZones = \"1s\"", "listZones", "begins no job"),
        ("seed = ", "", ""),
    ] {
        let told = problems(text);
        assert_eq!(told.len(), 1, "{text}: {told:?}");
        assert_eq!(told[0].0, place, "{text}: {}", told[0].1);
        assert!(told[0].1.contains(said), "{text}: {}", told[0].1);
    }
}
