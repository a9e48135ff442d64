//! What the specification names, found in the cloud: every name that means nothing there is reported at once, with
//! the nearest right one.

use cloudstack::{
    Client, Id,
    resource::{
        ListNetworkOfferings, ListNetworks, ListServiceOfferings, ListTemplates, ListZones, Network,
        NetworkOffering, ServiceOffering, Template, TemplateFilter, Zone,
    },
};

use super::error::{Error, Result};
use crate::spec::Spec;

/// Where an image is built, and of what.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) zone: Zone,
    pub(super) offering: ServiceOffering,
    pub(super) base: Template,
    pub(super) network: Surroundings,
}

/// The network that the build machine lives in.
#[derive(Clone, Debug)]
pub(super) enum Surroundings {
    /// One of its own, for the time of the build.
    ThrowAway { offering: Id },
    /// One that is there and stays.
    Existing { id: Id },
}

/// Looks everything up, side by side: four calls.
///
/// # Errors
/// [`Error::Invalid`] with every problem, or the first call that failed.
pub(super) async fn look_up(client: &Client, spec: &Spec) -> Result<Place> {
    let image = &spec.image;
    let (zones, offerings, templates) =
        (ListZones::new(), ListServiceOfferings::new(), ListTemplates::new(TemplateFilter::Executable));
    let surroundings = async {
        match &image.network {
            Some(_) => client.list(&ListNetworks::new()).await.map(Networks::Existing),
            None => client.list(&ListNetworkOfferings::new().state("Enabled")).await.map(Networks::Offerings),
        }
    };
    let found =
        tokio::try_join!(client.list(&zones), client.list(&offerings), client.list(&templates), surroundings);
    let (zones, offerings, templates, networks) = found.map_err(|source| Error::Cloud {
        doing: "look up what the file names".to_owned(),
        source: Box::new(source),
    })?;

    let mut problems = Problems::default();
    let zone = problems.keep(pick("zone", &spec.cloud.zone, zones, |it| (&it.id, &it.name)));
    let in_zone = |id: &Id| zone.as_ref().is_none_or(|zone| id.is_empty() || *id == zone.id);
    let offering =
        problems.keep(pick("service offering", &image.offering, offerings, |it| (&it.id, &it.name)));
    // A template that is not ready has a line here as well.
    let ready = templates.into_iter().filter(|it| it.is_ready && in_zone(&it.zone_id)).collect();
    let base = problems.keep(pick_newest("ready base template", &image.base, ready));
    let network = match networks {
        Networks::Existing(networks) => {
            let wanted = image.network.as_deref().unwrap_or_default();
            let here = networks.into_iter().filter(|it| in_zone(&it.zone_id)).collect();
            problems
                .keep(pick("network", wanted, here, |it: &Network| (&it.id, &it.name)))
                .map(|it| Surroundings::Existing { id: it.id })
        }
        Networks::Offerings(offerings) => problems
            .keep(pick(
                "enabled network offering",
                &spec.network.offering,
                offerings,
                |it: &NetworkOffering| (&it.id, &it.name),
            ))
            .map(|it| Surroundings::ThrowAway { offering: it.id }),
    };
    match (zone, offering, base, network) {
        (Some(zone), Some(offering), Some(base), Some(network)) => {
            Ok(Place { zone, offering, base, network })
        }
        _ => Err(Error::Invalid { problems: problems.0 }),
    }
}

enum Networks {
    Existing(Vec<Network>),
    Offerings(Vec<NetworkOffering>),
}

#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn keep<T>(&mut self, outcome: std::result::Result<T, String>) -> Option<T> {
        outcome.map_err(|problem| self.0.push(problem)).ok()
    }
}

/// The one of `things` that has `wanted` as its id or as its name; CloudStack compares names without regard to case.
fn pick<T>(
    what: &str,
    wanted: &str,
    things: Vec<T>,
    id_and_name: impl Fn(&T) -> (&Id, &String),
) -> std::result::Result<T, String> {
    let (names, mut fitting): (Vec<String>, Vec<T>) =
        things.into_iter().fold((Vec::new(), Vec::new()), |(mut names, mut fitting), thing| {
            let (id, name) = id_and_name(&thing);
            names.push(name.clone());
            if id.as_str() == wanted || name.eq_ignore_ascii_case(wanted) {
                fitting.push(thing);
            }
            (names, fitting)
        });
    match (fitting.pop(), fitting.is_empty()) {
        (Some(thing), true) => Ok(thing),
        (Some(_), false) => {
            Err(format!("{} are called \"{wanted}\" ({what}): write the id", fitting.len() + 1))
        }
        (None, _) => Err(missing(what, wanted, &names)),
    }
}

/// The newest of those templates that fit: a base that was published anew keeps its name.
fn pick_newest(what: &str, wanted: &str, templates: Vec<Template>) -> std::result::Result<Template, String> {
    let names: Vec<String> = templates.iter().map(|it| it.name.clone()).collect();
    templates
        .into_iter()
        .filter(|it| it.id.as_str() == wanted || it.name.eq_ignore_ascii_case(wanted))
        .max_by(|one, other| one.created.cmp(&other.created))
        .ok_or_else(|| missing(what, wanted, &names))
}

fn missing(what: &str, wanted: &str, names: &[String]) -> String {
    let nearest = names
        .iter()
        .map(|name| (strsim::jaro_winkler(&name.to_lowercase(), &wanted.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    match (nearest, names.is_empty()) {
        (Some((_, name)), _) => format!("there is no {what} \"{wanted}\"; is \"{name}\" meant?"),
        (None, true) => format!("there is no {what} \"{wanted}\", nor any other"),
        (None, false) => {
            let mut all: Vec<&str> = names.iter().map(String::as_str).collect();
            all.sort_unstable();
            all.dedup();
            all.truncate(8);
            format!("there is no {what} \"{wanted}\"; there are: {}", all.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn things() -> Vec<(Id, String)> {
        [("1", "Medium Instance"), ("2", "Small Instance"), ("3", "twice"), ("4", "twice")]
            .map(|(id, name)| (Id::from(id), name.to_owned()))
            .to_vec()
    }

    fn picked(wanted: &str) -> std::result::Result<String, String> {
        pick("service offering", wanted, things(), |it| (&it.0, &it.1)).map(|(id, _)| id.to_string())
    }

    #[test]
    fn a_thing_is_found_by_id_and_by_name() {
        assert_eq!(picked("2").as_deref(), Ok("2"));
        assert_eq!(picked("small instance").as_deref(), Ok("2"));
    }

    #[test]
    fn a_missing_one_is_told_with_the_nearest_right_name() {
        assert!(picked("Smal Instance").unwrap_err().contains("is \"Small Instance\" meant?"));
        assert!(picked("xyz").unwrap_err().contains("there are: Medium Instance"));
    }

    #[test]
    fn two_of_one_name_are_not_guessed_between() {
        assert!(picked("twice").unwrap_err().contains("2 are called"));
    }
}
