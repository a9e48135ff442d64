//! What the server offers to the suite: asked for once, before anything else.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::caller::Caller;
use crate::finding::{Verdict, differs, text};

/// What the suite builds on, by the ids the server gave it.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) zone: String,
    pub(crate) zone_name: String,
    pub(crate) offering: String,
    /// Another offering than the first, if there is one.
    pub(crate) other_offering: Option<String>,
    pub(crate) template: String,
    pub(crate) network_offering: String,
    pub(crate) network_offering_name: String,
    /// Commands that this caller may call.
    pub(crate) commands: BTreeSet<String>,
    pub(crate) account: String,
    pub(crate) root_admin: bool,
    pub(crate) version: String,
    /// Whether normal users may expunge and recover machines (`allow.user.expunge.recover.vm`).
    pub(crate) users_expunge: bool,
    /// Whether normal users see destroyed machines (`allow.user.view.destroyed.vm`).
    pub(crate) users_see_destroyed: bool,
}

/// What is wanted of it, by name or id; what is not named is chosen.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The zone.
    pub zone: Option<String>,
    /// The service offering of machines.
    pub offering: Option<String>,
    /// The template of machines.
    pub template: Option<String>,
    /// The offering of networks: isolated, with a virtual router.
    pub network_offering: Option<String>,
}

const USUAL_NETWORK: &str = "DefaultIsolatedNetworkOfferingWithSourceNatService";

impl Ground {
    pub(crate) async fn survey(caller: &Caller, wishes: &Wishes) -> Verdict<Self> {
        let commands = caller.list("listApis", "api", &[]).await?;
        let commands = commands.iter().filter_map(|api| api["name"].as_str().map(str::to_owned)).collect();
        let account = one(caller.list("listAccounts", "account", &[]).await?, "account", None, |_| 0)?;
        let capabilities = caller.ask("listCapabilities", &[]).await?["capability"].clone();
        let zones = caller.list("listZones", "zone", &[]).await?;
        // Root admins are shown zones that are not enabled as well.
        let usable = |zone: &Value| {
            zone["networktype"] == "Advanced"
                && zone["securitygroupsenabled"] != true
                && zone["allocationstate"] != "Disabled"
        };
        let zones = zones.into_iter().filter(usable).collect();
        let zone = one(zones, "Advanced zone", wishes.zone.as_deref(), |_| 0)?;
        let zone_id = text(&zone, "id")?.to_owned();
        let in_zone = [("zoneid", zone_id.as_str())];
        let offerings = caller.list("listServiceOfferings", "serviceoffering", &in_zone).await?;
        let fixed: Vec<Value> =
            offerings.into_iter().filter(|offering| offering["memory"].is_u64()).collect();
        // The smallest: machines of it fit best.
        let size = |offering: &Value| {
            offering["memory"].as_u64().unwrap_or(u64::MAX).saturating_mul(1000)
                + offering["cpunumber"].as_u64().unwrap_or_default()
        };
        let offering = one(fixed.clone(), "service offering", wishes.offering.as_deref(), size)?;
        let others = fixed.into_iter().filter(|other| other["id"] != offering["id"]).collect();
        let other_offering =
            one(others, "service offering", None, size).ok().and_then(|o| Some(o["id"].as_str()?.to_owned()));
        let templates = caller
            .list(
                "listTemplates",
                "template",
                &[("templatefilter", "executable"), ("zoneid", zone_id.as_str())],
            )
            .await?;
        let templates = templates.into_iter().filter(|template| template["isready"] == true).collect();
        let template = one(templates, "ready template", wishes.template.as_deref(), |template| {
            u64::from(template["isfeatured"] != true)
        })?;
        let networks = caller
            .list(
                "listNetworkOfferings",
                "networkoffering",
                &[("zoneid", zone_id.as_str()), ("state", "Enabled"), ("guestiptype", "Isolated")],
            )
            .await?;
        let networks = networks.into_iter().filter(|offering| offering["forvpc"] != true).collect();
        let network = one(networks, "isolated network offering", wishes.network_offering.as_deref(), |o| {
            u64::from(o["name"] != USUAL_NETWORK)
        })?;
        let flag = |name: &str| capabilities[name] == true;
        Ok(Self {
            zone: zone_id,
            zone_name: text(&zone, "name")?.to_owned(),
            offering: text(&offering, "id")?.to_owned(),
            other_offering,
            template: text(&template, "id")?.to_owned(),
            network_offering: text(&network, "id")?.to_owned(),
            network_offering_name: text(&network, "name")?.to_owned(),
            commands,
            account: text(&account, "name")?.to_owned(),
            root_admin: account["accounttype"] == 1,
            version: capabilities["cloudstackversion"].as_str().unwrap_or_default().to_owned(),
            users_expunge: flag("allowuserexpungerecovervm"),
            users_see_destroyed: flag("allowuserviewdestroyedvm"),
        })
    }

    pub(crate) fn may_expunge(&self) -> bool {
        self.root_admin || self.users_expunge
    }
}

/// The thing that is wished for by name or id, or else the one of least rank, the first of several.
fn one(things: Vec<Value>, what: &str, wish: Option<&str>, rank: impl Fn(&Value) -> u64) -> Verdict<Value> {
    let chosen = match wish {
        Some(wish) => things.into_iter().find(|thing| thing["id"] == wish || thing["name"] == wish),
        None => things.into_iter().min_by_key(|thing| rank(thing)),
    };
    chosen.ok_or_else(|| match wish {
        Some(wish) => differs(format!("a {what} called {wish}"), "none"),
        None => differs(format!("at least one {what}"), "none"),
    })
}
