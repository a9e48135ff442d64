//! How load balancers keep clients to a machine, and (which virtual routers do not do by policies) watch machines.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::Answer;
use super::call::{View, object};
use super::load_balancer_rule::{network_of, put_back};
use super::{Begun, Call, Command, Entity, JobKind, Listing, Parameter, Reach};
use crate::driver::CookieName;
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{LoadBalancerRule, Model, StickinessPolicy};

pub(super) const COMMANDS: &[Command] = &[
    Command::job(
        "createLBStickinessPolicy",
        "Has a load balancer keep clients to the machine they got first",
        JobKind::new("user.loadbalancer.CreateLBStickinessPolicyCmd"),
        &[
            Parameter::id("lbruleid", Entity::LoadBalancerRule).required(),
            Parameter::text("methodname").required().about("LbCookie, AppCookie or SourceBased"),
            Parameter::text("name").required(),
            Parameter::text("description"),
            Parameter::map("param"),
            Parameter::boolean("fordisplay"),
        ],
        create,
    )
    .answering(&STICKINESS),
    Command::list(
        "listLBStickinessPolicies",
        "Lists how a load balancer keeps clients to machines",
        &[
            Parameter::id("lbruleid", Entity::LoadBalancerRule),
            Parameter::id("id", Entity::StickinessPolicy),
            Parameter::boolean("fordisplay"),
        ],
        list,
    )
    .answering(&STICKINESS)
    .reaching(Reach::Catalogue),
    Command::job(
        "updateLBStickinessPolicy",
        "Changes whether a policy is shown",
        JobKind::new("user.loadbalancer.UpdateLBStickinessPolicyCmd"),
        &[Parameter::id("id", Entity::StickinessPolicy).required(), Parameter::boolean("fordisplay")],
        update,
    )
    .answering(&STICKINESS),
    Command::job(
        "deleteLBStickinessPolicy",
        "Lets a load balancer send a client to any machine again",
        JobKind::new("user.loadbalancer.DeleteLBStickinessPolicyCmd"),
        &[Parameter::id("id", Entity::StickinessPolicy).required()],
        delete,
    ),
    Command::job(
        "createLBHealthCheckPolicy",
        "Is refused: virtual routers watch machines in their own way",
        JobKind::new("user.loadbalancer.CreateLBHealthCheckPolicyCmd"),
        &[
            Parameter::id("lbruleid", Entity::LoadBalancerRule).required(),
            Parameter::text("description"),
            Parameter::text("pingpath"),
            Parameter::integer("intervaltime"),
            Parameter::integer("responsetimeout"),
            Parameter::integer("healthythreshold"),
            Parameter::integer("unhealthythreshold"),
            Parameter::boolean("fordisplay"),
        ],
        refuse_health_check,
    )
    .answering(&HEALTH_CHECKS),
    Command::list(
        "listLBHealthCheckPolicies",
        "Lists health checks of a load balancer; it has none",
        &[
            Parameter::id("lbruleid", Entity::LoadBalancerRule),
            Parameter::id("id", Entity::Nothing),
            Parameter::boolean("fordisplay"),
        ],
        list_health_checks,
    )
    .answering(&HEALTH_CHECKS)
    .reaching(Reach::Catalogue),
    Command::job(
        "updateLBHealthCheckPolicy",
        "Changes whether a health check is shown; there is none here",
        JobKind::new("user.loadbalancer.UpdateLBHealthCheckPolicyCmd"),
        &[Parameter::id("id", Entity::Nothing).required(), Parameter::boolean("fordisplay")],
        no_health_check,
    )
    .answering(&HEALTH_CHECKS),
    Command::job(
        "deleteLBHealthCheckPolicy",
        "Takes a health check away; there is none here",
        JobKind::new("user.loadbalancer.DeleteLBHealthCheckPolicyCmd"),
        &[Parameter::id("id", Entity::Nothing).required()],
        no_health_check,
    ),
];

const RULE_OF_POLICIES: &[&str] = &["lbruleid", "account", "domainid", "domain"];

const STICKINESS: Answer =
    Answer::of(&[RULE_OF_POLICIES, &["stickinesspolicy"]]).with(&[("stickinesspolicy", &POLICY)]);

const POLICY: Answer =
    Answer::of(&[&["id", "name", "methodname", "description", "params:map", "fordisplay"]]);

const HEALTH_CHECKS: Answer = Answer::of(&[RULE_OF_POLICIES, &["healthcheckpolicy"]]);

const METHODS: [&str; 3] = ["LbCookie", "AppCookie", "SourceBased"];

/// The load balancer rule that has this policy.
pub(super) fn rule_of(model: &Model, policy: Uuid) -> Option<&LoadBalancerRule> {
    model.load_balancer_rules.iter().find(|rule| rule.stickiness.iter().any(|known| known.id == policy))
}

fn gone() -> ApiError {
    ApiError::invalid("Unable to find the stickiness policy")
}

fn create(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments;
    let rule = arguments.required_id("lbruleid")?;
    let network = network_of(call, rule)?;
    let method = arguments.required_text("methodname")?;
    let number = call.model.load_balancer_rules.get(rule).map_or(0, |rule| rule.number);
    let method = METHODS.into_iter().find(|known| known.eq_ignore_ascii_case(method));
    let method = method.ok_or_else(|| {
        ApiError::invalid(format!("Failed to match Stickiness method name for LB rule:{number}"))
    })?;
    let field = |map: &BTreeMap<String, String>, name: &str| map.get(name).cloned();
    let pairs = arguments.map("param").iter();
    let parameters: BTreeMap<String, String> = pairs
        .filter_map(|map| Some((field(map, "name")?, field(map, "value").unwrap_or_default())))
        .collect();
    let id = call.model.next_id();
    let policy = StickinessPolicy {
        id,
        name: arguments.required_text("name")?.to_owned(),
        description: arguments.text("description").map(str::to_owned),
        method: method.to_owned(),
        parameters,
    };
    if policy.cookie().is_some_and(|name| name.parse::<CookieName>().is_err()) {
        return Err(ApiError::invalid(
            "Failed to validate the cookie's name: use letters, digits, '-', '_' and '.'",
        ));
    }
    Ok(Begun::making_none(id, Lane::Network(network), move |running| async move {
        let core = &running.core;
        let before = core.read(|model| model.load_balancer_rules.get(rule).cloned());
        core.change(|model, _| {
            let rule = model.load_balancer_rules.edit(rule);
            // A router keeps clients in one way at a time: the newest policy takes the place of an older one.
            rule.ok_or_else(gone)?.stickiness = vec![policy];
            model.touch(network);
            Ok(())
        })
        .await?;
        if let Err(error) = core.apply_rules(network).await {
            put_back(&running, before, network).await?;
            return Err(ApiError::internal(format!("Failed to apply the stickiness policy: {error}")));
        }
        running.stickiness_answer(rule)
    }))
}

impl super::Running {
    fn stickiness_answer(&self, rule: Uuid) -> Result<Value, ApiError> {
        self.look(|look| {
            let rule = look.model.load_balancer_rules.get(rule);
            rule.map(|rule| json!({ "stickinesspolicies": stickiness_view(look, rule) }))
        })
        .ok_or_else(gone)
    }
}

/// The rule that `lbruleid`, or a policy's `id`, names.
fn rule_of_list<'a>(call: &'a Call<'_>) -> Result<Option<&'a LoadBalancerRule>, ApiError> {
    let rule = match (call.arguments.id("lbruleid"), call.arguments.id("id")) {
        (None, None) => {
            return Err(ApiError::invalid(
                "load balancer rule ID and stickiness policy ID can't be both null",
            ));
        }
        (Some(rule), _) => call.model.load_balancer_rules.get(rule),
        (None, Some(policy)) => rule_of(call.model, policy),
    };
    Ok(rule.filter(|rule| call.may_use(rule.account)))
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let found = rule_of_list(call)?.filter(|_| call.arguments.boolean("fordisplay") != Some(false));
    Listing::of("stickinesspolicies", call.arguments, found, |rule| stickiness_view(call.view(), rule))
}

fn list_health_checks(call: &Call<'_>) -> Result<Listing, ApiError> {
    let found = rule_of_list(call)?.filter(|_| call.arguments.boolean("fordisplay") != Some(false));
    Listing::of("healthcheckpolicies", call.arguments, found, |rule| {
        object([of_rule(call.view(), rule), json!({ "healthcheckpolicy": [] })])
    })
}

fn refuse_health_check(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("lbruleid")?;
    let rule = call.model.load_balancer_rules.get(id).ok_or_else(gone)?;
    Err(ApiError::malformed(format!(
        "Failed to create HealthCheck policy: Validation Failed (HealthCheck Policy is not supported by LB Provider for the LB \
         rule:LoadBalancer {{\"name\":\"{}\",\"id\":{},\"purpose\":\"LoadBalancing\",\"state\":\"{}\",\"uuid\":\"{id}\"}})",
        rule.name,
        rule.number,
        rule.state_name()
    )))
}

// No id is one of a health check, so that a call comes no further than to its `id`.
fn no_health_check(_: &mut Call<'_>) -> Result<Begun, ApiError> {
    Err(ApiError::invalid(
        "There is no health check policy here: virtual routers watch machines in their own way",
    ))
}

fn update(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let rule = rule_of(call.model, id).ok_or_else(gone)?.id;
    Ok(Begun::doing(Some(("None", None)), Lane::Free, move |running| async move {
        running.stickiness_answer(rule)
    }))
}

fn delete(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let (rule, network) = rule_of(call.model, id).map(|rule| (rule.id, rule.network)).ok_or_else(gone)?;
    Ok(Begun::doing(Some(("None", None)), Lane::Network(network), move |running| async move {
        let core = &running.core;
        let before = core.read(|model| model.load_balancer_rules.get(rule).cloned());
        core.change(|model, _| {
            let rule = model.load_balancer_rules.edit(rule).ok_or_else(gone)?;
            rule.stickiness.retain(|policy| policy.id != id);
            model.touch(network);
            Ok(())
        })
        .await?;
        if let Err(error) = core.apply_rules(network).await {
            put_back(&running, before, network).await?;
            return Err(ApiError::internal(format!("Failed to delete the stickiness policy: {error}")));
        }
        Ok(json!({ "success": true }))
    }))
}

/// What the server says of the rule itself: less than of other things.
fn of_rule(view: View<'_>, rule: &LoadBalancerRule) -> Value {
    let mut owner = view.ownership(rule.account);
    if let Some(owner) = owner.as_object_mut() {
        owner.retain(|name, _| RULE_OF_POLICIES.contains(&name.as_str()));
    }
    object([json!({ "lbruleid": rule.id }), owner])
}

fn stickiness_view(view: View<'_>, rule: &LoadBalancerRule) -> Value {
    let policies: Vec<Value> = rule
        .stickiness
        .iter()
        .map(|policy| {
            object([json!({
                "id": policy.id,
                "name": policy.name,
                "methodname": policy.method,
                "description": policy.description,
                "params": policy.parameters,
                "fordisplay": view.root_admin.then_some(true),
            })])
        })
        .collect();
    object([of_rule(view, rule), json!({ "stickinesspolicy": policies })])
}
