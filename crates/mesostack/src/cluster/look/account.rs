//! What the account may still have. `listAccounts` tells limits and what is used of them in one call; `listResourceLimits`
//! has the limits alone, and what is used would have to be counted from lists of everything the account has.

use cloudstack::{Client, Error, Id, resource::*};
use futures::join;

use super::all;
use crate::cluster::quota::{Allowance, Quota, Resource};

/// What the account may have, and whether `zone` has a public address to give where one is needed. 1 call, or 2.
///
/// What the caller may not see is noted, not missed: the cloud itself will tell when a limit is met.
///
/// # Errors
/// The cloud could not be asked.
pub(super) async fn allowance(
    client: &Client,
    zone: Option<&Id>,
    needs_address: bool,
) -> Result<Allowance, Error> {
    let free_address = async {
        match zone.filter(|_| needs_address) {
            Some(zone) => {
                let free = ListPublicIpAddresses::new().allocated_only(false).state("Free").zone_id(zone);
                client.has_any(&free).await.map(Some)
            }
            None => Ok(None),
        }
    };
    let (accounts, free_address) = join!(all(client, ListAccounts::new()), free_address);
    let mut allowance = Allowance::default();
    match seen(accounts)? {
        // An administrator may be shown others' accounts too, and is not told which is the caller's own.
        Ok(accounts) => match <[Account; 1]>::try_from(accounts) {
            Ok([account]) => allowance = of(&account),
            Err(several) => {
                let why = format!("the account's limits are not known: {} accounts are shown", several.len());
                allowance.unseen.push(why);
            }
        },
        Err(why) => allowance.unseen.push(format!("the account's limits are not known: {why}")),
    }
    match seen(free_address)? {
        Ok(free) => allowance.free_address = free,
        Err(why) => {
            let what = "whether the zone has a free public address is not known";
            allowance.unseen.push(format!("{what}: {why}"));
        }
    }
    Ok(allowance)
}

/// An answer, or why there is none for this caller. A command that a role lacks is refused with 432, in some places with
/// 401 like a wrong signature; who reads this was let in by other calls beside this one.
fn seen<T>(answer: Result<T, Error>) -> Result<Result<T, String>, Error> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(error) if matches!(error.code(), Some(401 | 430 | 431 | 432 | 531)) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

fn of(account: &Account) -> Allowance {
    let quotas = [
        (Resource::Machines, &account.vm_limit, account.vm_total),
        (Resource::Volumes, &account.volume_limit, account.volume_total),
        (Resource::Processors, &account.cpu_limit, account.cpu_total),
        (Resource::Memory, &account.memory_limit, account.memory_total),
        (Resource::PrimaryStorage, &account.primary_storage_limit, account.primary_storage_total),
        (Resource::Networks, &account.network_limit, account.network_total),
        (Resource::Addresses, &account.ip_limit, account.ip_total),
        (Resource::Templates, &account.template_limit, account.template_total),
    ];
    // `Unlimited`, -1 and nothing at all are no numbers of things.
    let quota = |(resource, limit, used): (_, &String, _)| {
        Some(Quota { resource, limit: limit.trim().parse().ok()?, used })
    };
    Allowance {
        account: account.name.clone(),
        quotas: quotas.into_iter().filter_map(quota).collect(),
        ..Allowance::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_is_no_quota() {
        for (text, limit) in [("20", Some(20)), ("0", Some(0)), ("Unlimited", None), ("-1", None), ("", None)]
        {
            let mut account: Account =
                serde_json::from_str(r#"{"name": "ops", "vmtotal": 3}"#).expect("an account");
            account.vm_limit = text.to_owned();
            let expected = limit.map(|limit| Quota { resource: Resource::Machines, limit, used: 3 });
            assert_eq!(of(&account).quotas, Vec::from_iter(expected), "{text}");
        }
    }
}
