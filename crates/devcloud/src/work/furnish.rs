//! What every zone has from its first opening: its accounts and its public addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use jiff::Timestamp;
use secrecy::SecretString;
use uuid::Uuid;

use crate::error::ApiError;
use crate::model::{
    Account, AddressState, DiskOffering, Model, NetworkOffering, PublicIpAddress, Service, ServiceOffering,
    Size, Standing, User,
};
use crate::zone::Core;

impl Core {
    /// Makes what every zone has: its accounts and its public addresses.
    pub(crate) async fn furnish(&self) -> Result<(), ApiError> {
        let settings = self.settings();
        let config = &settings.config;
        self.change(|model, now| {
            // In a zone that is there already an account that is missing was deleted.
            let new = model.accounts.len() == 0;
            let names = config.accounts.iter().map(String::as_str);
            for (name, root_admin) in
                [("admin", true), ("mesostack", false)].into_iter().chain(names.map(|name| (name, false)))
            {
                if new && model.account_in(None, name).is_none() {
                    furnish_account(model, name, root_admin, now);
                }
            }
            furnish_network_offerings(model, now, |name| settings.catalogue.own_id("network offering", name));
            furnish_offerings(model, config, now, |kind, name| settings.catalogue.own_id(kind, name));
            let (first, last) = (u32::from(config.public.first), u32::from(config.public.last));
            let known: BTreeSet<Ipv4Addr> =
                model.public_ip_addresses.iter().map(|known| known.address).collect();
            for address in (first..=last).map(Ipv4Addr::from).filter(|address| !known.contains(address)) {
                let address = PublicIpAddress {
                    number: model.next_number(),
                    id: model.next_id(),
                    address,
                    state: AddressState::Free,
                    account: None,
                    network: None,
                    source_nat: false,
                    static_nat: None,
                    allocated: None,
                };
                model.public_ip_addresses.insert(address);
            }
            Ok(())
        })
        .await
    }
}

/// The zone's own offerings, unless they were deleted. Sizes of machines are as they are configured now.
fn furnish_offerings(
    model: &mut Model,
    config: &crate::config::ZoneConfig,
    now: Timestamp,
    own_id: impl Fn(&str, &str) -> Uuid,
) {
    for configured in &config.service_offerings {
        let id = own_id("service offering", &configured.name);
        let size = Some(Size {
            processors: configured.processors,
            speed_mhz: configured.speed_mhz,
            memory_mib: configured.memory_mib,
        });
        let deleted = model.removed.contains(id);
        match model.service_offerings.get(id) {
            Some(known) if known.size == size => {}
            Some(_) => {
                if let Some(known) = model.service_offerings.edit(id) {
                    known.size = size;
                }
            }
            None if deleted => {}
            None => {
                let offering = ServiceOffering {
                    number: model.next_number(),
                    id,
                    disk_offering: own_id("disk offering of service offering", &configured.name),
                    name: configured.name.clone(),
                    display_text: configured.name.clone(),
                    size,
                    root_gigabytes: 0,
                    dynamically_scalable: false,
                    offers_ha: false,
                    active: true,
                    created: now,
                };
                model.service_offerings.insert(offering);
            }
        }
    }
    for (name, display_text, gigabytes) in [
        ("Small", "Small Disk, 5 GB", 5),
        ("Medium", "Medium Disk, 20 GB", 20),
        ("Large", "Large Disk, 100 GB", 100),
        ("Custom", "Custom Disk", 0),
    ] {
        let id = own_id("disk offering", name);
        if model.disk_offerings.contains(id) || model.removed.contains(id) {
            continue;
        }
        let offering = DiskOffering {
            number: model.next_number(),
            id,
            name: name.to_owned(),
            display_text: display_text.to_owned(),
            gigabytes,
            active: true,
            created: now,
        };
        model.disk_offerings.insert(offering);
    }
}

/// The zone's own kinds of networks, unless they were deleted.
fn furnish_network_offerings(model: &mut Model, now: Timestamp, own_id: impl Fn(&str) -> Uuid) {
    for (name, display_text, default) in [
        (
            "DefaultIsolatedNetworkOfferingWithSourceNatService",
            "Offering for Isolated networks with Source Nat service enabled",
            true,
        ),
        (
            "IsolatedNetworkOfferingEgressAllowed",
            "Isolated networks with Source Nat service and open egress",
            false,
        ),
    ] {
        let id = own_id(name);
        if model.network_offerings.contains(id) || model.removed.contains(id) {
            continue;
        }
        let offering = NetworkOffering {
            number: model.next_number(),
            id,
            name: name.to_owned(),
            display_text: display_text.to_owned(),
            egress_allowed: !default,
            required: default,
            conserve_mode: true,
            services: Service::ALL.to_vec(),
            enabled: true,
            default,
            created: now,
        };
        model.network_offerings.insert(offering);
    }
}

fn furnish_account(model: &mut Model, name: &str, root_admin: bool, now: Timestamp) {
    let account = Account {
        number: model.next_number(),
        id: model.next_id(),
        name: name.to_owned(),
        root_admin,
        domain_admin: false,
        domain: None,
        standing: Standing::Enabled,
        leaving: false,
        project: None,
        network_domain: None,
        created: now,
        limits: BTreeMap::new(),
        users: vec![User {
            id: model.next_id(),
            name: name.to_owned(),
            first_name: name.to_owned(),
            last_name: "devcloud".to_owned(),
            email: format!("{name}@localhost"),
            timezone: None,
            standing: Standing::Enabled,
            created: None,
            api_key: Some(model.next_secret(64)),
            secret_key: SecretString::from(model.next_secret(64)),
            password: SecretString::from(model.next_secret(18)),
        }],
    };
    model.accounts.insert(account);
}
