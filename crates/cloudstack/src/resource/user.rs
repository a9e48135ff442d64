//! Accounts, and the users in them.

use crate::command::command;
use crate::id::Id;
use crate::lenient::item;

item! {
    /// An account.
    Account {
        /// Its id.
        "id" id: Id,
        /// Its name.
        "name" name: String,
        /// 0 user, 1 root administrator, 2 domain administrator.
        "accounttype" account_type: u32,
        /// `User`, `Admin`, …
        "roletype" role_type: String,
        /// Its domain.
        "domainid" domain_id: Id,
        /// Its domain's name.
        "domain" domain: String,
        /// `enabled`, `disabled` or `locked`.
        "state" state: String,
        /// How many machines it may have: a number or `Unlimited`.
        "vmlimit" vm_limit: String,
        /// How many machines it has.
        "vmtotal" vm_total: u64,
        /// How many public addresses it may have: a number or `Unlimited`.
        "iplimit" ip_limit: String,
        /// How many public addresses it has.
        "iptotal" ip_total: u64,
        /// How many networks it may have: a number or `Unlimited`.
        "networklimit" network_limit: String,
        /// How many networks it has.
        "networktotal" network_total: u64,
        /// How many templates it may have: a number or `Unlimited`.
        "templatelimit" template_limit: String,
        /// How many templates it has.
        "templatetotal" template_total: u64,
        /// How many volumes it may have: a number or `Unlimited`.
        "volumelimit" volume_limit: String,
        /// How many volumes it has.
        "volumetotal" volume_total: u64,
        /// How many processors its machines may have: a number or `Unlimited`.
        "cpulimit" cpu_limit: String,
        /// How many processors its machines have.
        "cputotal" cpu_total: u64,
        /// How much memory its machines may have, in MiB: a number or `Unlimited`.
        "memorylimit" memory_limit: String,
        /// How much memory its machines have, in MiB.
        "memorytotal" memory_total: u64,
        /// How much primary storage it may use, in GiB: a number or `Unlimited`.
        "primarystoragelimit" primary_storage_limit: String,
        /// GiB of primary storage it uses.
        "primarystoragetotal" primary_storage_total: u64,
    }
}

item! {
    /// A user.
    User {
        /// Its id.
        "id" id: Id,
        /// Its name for logging in.
        "username" username: String,
        /// Its account's name.
        "account" account: String,
        /// Its account.
        "accountid" account_id: Id,
        /// Its domain.
        "domainid" domain_id: Id,
        /// Its domain's name.
        "domain" domain: String,
        /// `enabled`, `disabled` or `locked`.
        "state" state: String,
    }
}

command! {
    /// Lists accounts; a user sees its own only.
    ListAccounts("listAccounts") lists Account;
    optional {
        /// The account with this id.
        id: Id,
        /// The account of this name, in whole.
        name: String,
        /// Also those of others, for administrators.
        list_all: bool,
    }
}

command! {
    /// Lists users; a user sees its own account's only.
    ListUsers("listUsers") lists User;
    optional {
        /// The user with this id.
        id: Id,
        /// The user of this name.
        username: String,
        /// Also those of others, for administrators.
        list_all: bool,
    }
}
