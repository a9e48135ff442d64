//! What happens in a batch beside one call after another: calls in flight at once, time that passes, and what goes wrong.

use std::time::Duration;

use devcloud::faults::FaultsFile;
use devcloud::simulator::Operation;
use proptest::prelude::*;

use super::shot::{Shot, any_shot};
use super::target::Target;

/// One thing after another.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// Calls that are in flight at once.
    Calls(Vec<Shot>),
    /// So many milliseconds pass.
    Pause(u64),
    /// From now on the zone has this weather.
    Weather(usize),
    /// The driver's next operations of this kind fail.
    Fails(Operation, u32),
}

/// No limits, so that what is refused for a limit is not all that is tried.
const NO_LIMITS: &str = "[limits]\nmachines = -1\npublic_addresses = -1\nvolumes = -1\nsnapshots = -1\ntemplates = -1\n\
     networks = -1\nprojects = -1\nprocessors = -1\nmemory_mib = -1\nprimary_storage_gib = -1\nsecondary_storage_gib = -1\n";

/// Files of faults. Nothing in them hangs for ever, and every call is answered.
const WEATHERS: [&str; 8] = [
    "",
    "[latency]\ncall = { from = \"0ms\", to = \"800ms\" }\n",
    "[latency]\ncall = { from = \"0ms\", to = \"3s\" }\nstart = { from = \"0ms\", to = \"20s\" }\nstop = \"7s\"\n\
     router = \"9s\"\nrule = { from = \"0ms\", to = \"4s\" }\n",
    "[[job]]\ncommand = \"*\"\nchance = 0.3\nfault = \"fail\"\ncode = 530\ntext = \"told to\"\n",
    "[[job]]\ncommand = \"*\"\nchance = 0.3\nfault = \"fail\"\ncode = 533\ntext = \"told to\"\ndone = true\n",
    "[[job]]\ncommand = \"*\"\nchance = 0.4\nfault = \"slow\"\nby = { from = \"100ms\", to = \"30s\" }\n",
    "[[machine]]\nname = \"*\"\nchance = 0.5\nfault = \"error\"\n",
    "[[machine]]\nname = \"*\"\nchance = 0.5\nfault = \"dies\"\nafter = { from = \"0ms\", to = \"5s\" }\n",
];

const OPERATIONS: [Operation; 5] =
    [Operation::Raise, Operation::Program, Operation::Start, Operation::Stop, Operation::Capture];

pub(super) fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        30 => any_shot().prop_map(|shot| Event::Calls(vec![shot])),
        8 => proptest::collection::vec(any_shot(), 2..12).prop_map(Event::Calls),
        4 => (0_u64..4_000).prop_map(Event::Pause),
        1 => (0..WEATHERS.len()).prop_map(Event::Weather),
        1 => (0..OPERATIONS.len(), 1_u32..3).prop_map(|(which, times)| Event::Fails(OPERATIONS[which], times)),
    ]
}

/// From now on the zone has this weather.
pub(super) fn set_weather(target: &Target, weather: usize) {
    let file = FaultsFile::parse(&format!("{NO_LIMITS}{}", WEATHERS[weather])).expect("a file of faults");
    target.world.zone.take_up(&file).expect("the simulator can");
}

/// Nothing goes wrong any more, and what the zone notices only when it looks, it has noticed.
pub(super) async fn calm_down(target: &Target) {
    set_weather(target, 0);
    OPERATIONS.iter().for_each(|operation| target.world.driver.fail(*operation, 0));
    tokio::time::sleep(Duration::from_secs(60)).await;
}
