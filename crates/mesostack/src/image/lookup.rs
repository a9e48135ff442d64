//! What the specification names, found in the cloud: every name that means nothing there is reported at once, with
//! the nearest right one.

use cloudstack::{
    Client, Id,
    resource::{
        ListNetworkOfferings, ListNetworks, ListServiceOfferings, ListTemplates, ListZones, Network,
        NetworkOffering, ServiceOffering, Template, TemplateFilter,
    },
};

use super::error::{Error, Result};
use crate::{
    cluster::{Named, Obstacle, absent, named, zone_of},
    spec::Spec,
};

/// Where an image is built, and of what.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) zone: Named,
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

/// Looks everything up, side by side: three calls, and one more where no template tells of the zone.
///
/// # Errors
/// [`Error::Obstacles`] with every problem, or the first call that failed.
pub(super) async fn look_up(client: &Client, spec: &Spec) -> Result<Place> {
    let image = &spec.image;
    let (offerings, templates) =
        (ListServiceOfferings::new(), ListTemplates::new(TemplateFilter::Executable));
    let surroundings = async {
        match &image.network {
            Some(_) => client.list(&ListNetworks::new()).await.map(Networks::Existing),
            None => client.list(&ListNetworkOfferings::new().state("Enabled")).await.map(Networks::Offerings),
        }
    };
    let failed =
        |source| Error::Cloud { doing: "look up what the file names".to_owned(), source: Box::new(source) };
    let found = tokio::try_join!(client.list(&offerings), client.list(&templates), surroundings);
    let (offerings, templates, networks) = found.map_err(failed)?;

    let mut obstacles = Obstacles::default();
    let zone = match zone_of(&spec.cloud.zone, &templates) {
        Some(zone) => Some(zone),
        None => {
            let zones = client.list(&ListZones::new()).await.map_err(failed)?;
            let zone = pick("cloud.zone", "zone", &spec.cloud.zone, zones, |it| (&it.id, &it.name));
            obstacles.keep(zone.map(|zone| named(&zone.id, &zone.name)))
        }
    };
    let in_zone = |id: &Id| zone.as_ref().is_none_or(|zone| id.is_empty() || *id == zone.id);
    let offering =
        pick("image.offering", "service offering", &image.offering, offerings, |it| (&it.id, &it.name));
    let offering = obstacles.keep(offering.and_then(with_a_size));
    // A template that is not ready has a line here as well.
    let ready = templates.into_iter().filter(|it| it.is_ready && in_zone(&it.zone_id)).collect();
    let base = obstacles.keep(pick_newest("image.base", "ready template", &image.base, ready));
    let network = match networks {
        Networks::Existing(networks) => {
            let wanted = image.network.as_deref().unwrap_or_default();
            let here = networks.into_iter().filter(|it| in_zone(&it.zone_id)).collect();
            obstacles
                .keep(pick("image.network", "network", wanted, here, |it: &Network| (&it.id, &it.name)))
                .map(|it| Surroundings::Existing { id: it.id })
        }
        Networks::Offerings(offerings) => {
            let wanted = &spec.network.offering;
            let found =
                pick("network.offering", "network offering", wanted, offerings, |it| (&it.id, &it.name));
            obstacles.keep(found).map(|it| Surroundings::ThrowAway { offering: it.id })
        }
    };
    match (zone, offering, base, network) {
        (Some(zone), Some(offering), Some(base), Some(network)) if obstacles.0.is_empty() => {
            Ok(Place { zone, offering, base, network })
        }
        _ => Err(Error::Obstacles { obstacles: obstacles.0 }),
    }
}

enum Networks {
    Existing(Vec<Network>),
    Offerings(Vec<NetworkOffering>),
}

#[derive(Default)]
struct Obstacles(Vec<Obstacle>);

impl Obstacles {
    fn keep<T>(&mut self, outcome: std::result::Result<T, Obstacle>) -> Option<T> {
        outcome.map_err(|obstacle| self.0.push(obstacle)).ok()
    }
}

/// The one of `things` that has `wanted` as its id or as its name; CloudStack compares names without regard to case.
fn pick<T>(
    path: &str,
    kind: &str,
    wanted: &str,
    things: Vec<T>,
    id_and_name: impl Fn(&T) -> (&Id, &String),
) -> std::result::Result<T, Obstacle> {
    let mut names = Vec::with_capacity(things.len());
    let mut fitting = Vec::new();
    for thing in things {
        let (id, name) = id_and_name(&thing);
        let name = named(id, name);
        if name.is(wanted) {
            fitting.push((thing, name.id.clone()));
        }
        names.push(name);
    }
    match (fitting.pop(), fitting.is_empty()) {
        (Some((thing, _)), true) => Ok(thing),
        (Some((_, last)), false) => {
            let ids = fitting.iter().map(|(_, id)| id).chain([&last]).map(Id::as_str).collect::<Vec<_>>();
            let message = format!("{} {kind}s are called {wanted}", ids.len());
            Err(Obstacle::new(path, message).help(format!("write the id of one: {}", ids.join(", "))))
        }
        (None, _) => Err(absent(path, kind, wanted, &names)),
    }
}

/// An offering without a size of its own would have to be told one.
fn with_a_size(offering: ServiceOffering) -> std::result::Result<ServiceOffering, Obstacle> {
    if !offering.is_customized {
        return Ok(offering);
    }
    let message = format!("the service offering {} has no size of its own", offering.name);
    let help = "name one with a fixed number of processors and amount of memory";
    Err(Obstacle::new("image.offering", message).help(help))
}

/// The newest of those templates that fit: a base that was published anew keeps its name.
fn pick_newest(
    path: &str,
    kind: &str,
    wanted: &str,
    templates: Vec<Template>,
) -> std::result::Result<Template, Obstacle> {
    let names: Vec<Named> = templates.iter().map(|it| named(&it.id, &it.name)).collect();
    templates
        .into_iter()
        .filter(|it| named(&it.id, &it.name).is(wanted))
        .max_by(|one, other| one.created.cmp(&other.created))
        .ok_or_else(|| absent(path, kind, wanted, &names))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        cluster::refusal,
        image::testing::Cloud,
        spec::{Document, Problem},
    };

    fn things() -> Vec<(Id, String)> {
        [("1", "Medium Instance"), ("2", "Small Instance"), ("3", "twice"), ("4", "twice")]
            .map(|(id, name)| (Id::from(id), name.to_owned()))
            .to_vec()
    }

    fn picked(wanted: &str) -> std::result::Result<String, Obstacle> {
        pick("image.offering", "service offering", wanted, things(), |it| (&it.0, &it.1))
            .map(|(id, _)| id.to_string())
    }

    #[test]
    fn a_thing_is_found_by_id_and_by_name() {
        assert_eq!(picked("2").as_deref(), Ok("2"));
        assert_eq!(picked("small instance").as_deref(), Ok("2"));
    }

    #[test]
    fn two_of_one_name_are_not_guessed_between() {
        let obstacle = picked("twice").unwrap_err();
        assert!(obstacle.message.contains("2 service offerings are called twice"), "{obstacle:?}");
        assert!(obstacle.help.unwrap().ends_with("3, 4"));
    }

    /// The keys of the file that an image is looked up by, and the names that are right for them in the test zone.
    const KEYS: [(&str, &str); 4] = [
        ("zone", "devcloud"),
        ("offering", "t1.medium"),
        ("base", "Debian 12"),
        ("network_offering", "DefaultIsolatedNetworkOfferingWithSourceNatService"),
    ];

    fn file(names: [&str; 4]) -> (Document, String) {
        let [zone, offering, base, network_offering] = names.map(|name| toml::Value::from(name).to_string());
        let text = format!(
            "[cloud]\nzone = {zone}\n[access]\nallow = [\"192.0.2.1\"]\n[network]\noffering = {network_offering}\n\
             [image]\noffering = {offering}\nbase = {base}\n"
        );
        (Document::parse(&text, "mesostack.toml", Path::new("/")).unwrap(), text)
    }

    /// What is told of a file with these names, each with the text that is underlined.
    fn told((document, text): &(Document, String)) -> Vec<(Problem, String)> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let outcome = runtime.block_on(async {
            let cloud = Cloud::open().await;
            look_up(&cloud.client, &document.spec).await.map(|_| ())
        });
        let Err(Error::Obstacles { obstacles }) = outcome else { return Vec::new() };
        let refused = refusal(&obstacles, &document.source).unwrap();
        let underlined = |problem: &Problem| {
            text[problem.span.offset()..problem.span.offset() + problem.span.len()].to_owned()
        };
        refused.problems().iter().map(|problem| (problem.clone(), underlined(problem))).collect()
    }

    #[test]
    fn right_names_are_found_and_nothing_is_told() {
        assert_eq!(told(&file(KEYS.map(|(_, name)| name))), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// One slip of the finger in any of the names: dropped, doubled, or two the wrong way round.
        #[test]
        fn a_slip_is_underlined_with_the_right_name_offered(key in 0usize..4, at in 1usize..100, slip in 0u8..3) {
            let mut names = KEYS.map(|(_, name)| name.to_owned());
            let right = names[key].clone();
            let mut letters: Vec<char> = right.chars().collect();
            let at = at % (letters.len() - 1);
            match slip {
                0 => drop(letters.remove(at)),
                1 => letters.insert(at, letters[at]),
                _ => letters.swap(at, at + 1),
            }
            let wrong: String = letters.into_iter().collect();
            prop_assume!(!wrong.eq_ignore_ascii_case(&right));
            names[key].clone_from(&wrong);
            let told = told(&file(names.each_ref().map(String::as_str)));
            prop_assert_eq!(told.len(), 1, "{:?}", told);
            let (problem, underlined) = &told[0];
            prop_assert!(underlined.contains(&wrong), "{} is underlined for {}", underlined, wrong);
            prop_assert!(problem.message.contains(&wrong));
            let help = problem.help.clone().unwrap_or_default();
            prop_assert!(help.starts_with(&format!("did you mean {right}?")), "{}", help);
        }
    }
}
