//! How much of what the zone itself has is taken: of public addresses and of guest VLANs. What hosts and storage have is
//! the driver's, and is not told.

use serde_json::{Value, json};

use super::answer::{Answer, ZONED};
use super::call::{View, object};
use super::network_view::{VLANS, vlan};
use super::{Call, Command, Entity, Listing, Parameter, Reach};
use crate::error::ApiError;

pub(super) const COMMANDS: &[Command] = &[Command::list(
    "listCapacity",
    "Lists how much of the zone's public addresses and VLANs is taken",
    &[
        Parameter::integer("type").about("4 public addresses, 7 VLANs"),
        Parameter::id("zoneid", Entity::Zone),
        Parameter::id("podid", Entity::Infrastructure),
        Parameter::id("clusterid", Entity::Infrastructure),
        Parameter::boolean("fetchlatest"),
        Parameter::text("sortby").about("usage: what is fullest comes first"),
    ],
    list,
)
.answering(&CAPACITY)
.reaching(Reach::Catalogue)
.for_root_admin()];

/// What is told of a capacity.
pub(super) const CAPACITY: Answer =
    Answer::of(&[ZONED, &["type:short", "name", "capacityused", "capacitytotal", "percentused"]]);

#[derive(Clone, Copy)]
struct Capacity {
    number: i64,
    name: &'static str,
    used: usize,
    total: usize,
}

fn of_zone(view: View<'_>) -> [Capacity; 2] {
    let addresses = &view.model.public_ip_addresses;
    let taken = view.model.addresses_taken();
    let standing = view.model.networks.iter().filter(|network| vlan(network).is_some()).count();
    [
        Capacity { number: 4, name: "VIRTUAL_NETWORK_PUBLIC_IP", used: taken, total: addresses.len() },
        Capacity { number: 7, name: "VLAN", used: standing, total: VLANS },
    ]
}

impl Capacity {
    /// Hundredths of a percent.
    fn used_share(self) -> usize {
        (self.used * 10_000).checked_div(self.total).unwrap_or(0)
    }

    fn view(self, view: View<'_>) -> Value {
        object([
            view.zone(),
            json!({
                "type": self.number,
                "name": self.name,
                "capacityused": self.used,
                "capacitytotal": self.total,
                "percentused": percent(self.used_share()),
            }),
        ])
    }
}

/// As the server writes it: at most two places, and none that is nought.
fn percent(hundredths: usize) -> String {
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let arguments = call.arguments;
    let mut all = of_zone(call.view());
    if call.text_is("sortby", "usage") && arguments.text("sortby").is_some() {
        all.sort_by_key(|capacity| std::cmp::Reverse(capacity.used_share()));
    }
    // Both are the whole zone's: no pod or cluster has its own.
    let of_zone = arguments.id("podid").is_none() && arguments.id("clusterid").is_none();
    let found = all.into_iter().filter(|capacity| {
        of_zone && arguments.integer("type").is_none_or(|wanted| wanted == capacity.number)
    });
    Listing::of("capacity", arguments, found, |capacity| capacity.view(call.view()))
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn percents_are_written_without_needless_noughts() {
        let written = [0, 1, 50, 1250, 1200, 10_000].map(percent);
        assert_eq!(written, ["0", "0.01", "0.5", "12.5", "12", "100"]);
    }
}
