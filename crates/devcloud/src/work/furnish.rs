//! What every zone has from its first opening: its accounts and its public addresses.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jiff::Timestamp;
use secrecy::SecretString;

use crate::error::ApiError;
use crate::model::{Account, AddressState, Model, PublicIpAddress, User};
use crate::zone::Core;

impl Core {
    /// Makes what every zone has: its accounts and its public addresses.
    pub(crate) async fn furnish(&self) -> Result<(), ApiError> {
        let settings = self.settings();
        let config = &settings.config;
        self.change(|model, now| {
            let names = config.accounts.iter().map(String::as_str);
            for (name, root_admin) in
                [("admin", true), ("mesostack", false)].into_iter().chain(names.map(|name| (name, false)))
            {
                if model.account_named(name).is_none() {
                    furnish_account(model, name, root_admin, now);
                }
            }
            let (first, last) = (u32::from(config.public.first), u32::from(config.public.last));
            for address in (first..=last).map(Ipv4Addr::from) {
                if model.public_ip_addresses.iter().any(|known| known.address == address) {
                    continue;
                }
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

fn furnish_account(model: &mut Model, name: &str, root_admin: bool, now: Timestamp) {
    let account = Account {
        number: model.next_number(),
        id: model.next_id(),
        name: name.to_owned(),
        root_admin,
        created: now,
        limits: BTreeMap::new(),
        user: User {
            id: model.next_id(),
            name: name.to_owned(),
            first_name: name.to_owned(),
            last_name: "devcloud".to_owned(),
            email: format!("{name}@localhost"),
            api_key: Some(model.next_secret(64)),
            secret_key: SecretString::from(model.next_secret(64)),
            password: SecretString::from(model.next_secret(18)),
        },
    };
    model.accounts.insert(account);
}
