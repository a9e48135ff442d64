//! What the zone offers of what the file names; what it does not, with what it has instead.

use cloudstack::{Client, resource::*};
use futures::try_join;

use crate::{
    cluster::{
        desired::Desired,
        error::Error,
        look::{MadeFrom, Standing, all},
        observed::{Catalogue, Named, Observed},
        plan::Obstacle,
        planner,
        quota::{self, Size},
    },
    spec::{BuildAccess, nearest},
};

/// How many names a report lists when none is near.
const LISTED: usize = 12;

/// What a look at the cloud says of a file.
#[derive(Clone, Debug, Default)]
pub struct Validation {
    /// What has to be put right first: everything the file names and the cloud does not have, and everything that would
    /// be in the way of an apply.
    pub problems: Vec<Obstacle>,
    /// What could not be seen, and is no reason to stop.
    pub remarks: Vec<String>,
}

/// Everything that has to be put right before an apply can work, in one report. Nothing is made. Up to 14 calls.
///
/// # Errors
/// The keys are not accepted, or a list could not be read.
pub async fn validate(client: &Client, desired: &Desired) -> Result<Validation, Error> {
    let spec = &desired.spec;
    let (standing, made_from, networks, zones, network_offerings) = try_join!(
        Standing::read(client, desired),
        MadeFrom::read(client),
        async { build_networks(client, desired).await.map_err(Error::from) },
        async { all(client, ListZones::new()).await.map_err(Error::from) },
        async { all(client, ListNetworkOfferings::new()).await.map_err(Error::from) },
    )?;
    let mut catalogue = Catalogue::default();
    catalogue.look_up_zone(&spec.cloud.zone, &zones);
    catalogue.look_up_network_offering(&spec.network.offering, &network_offerings);
    let MadeFrom { templates, offerings } = &made_from;
    catalogue.look_up_offering("cluster.master_offering", &spec.cluster.master_offering, offerings);
    catalogue.look_up_offering("cluster.agent_offering", &spec.cluster.agent_offering, offerings);
    catalogue.look_up_offering("image.offering", &spec.image.offering, offerings);
    catalogue.look_up_image(&spec.image.name, templates);
    catalogue.look_up_template("image.base", &spec.image.base, templates);
    if let Some((name, networks)) = networks {
        let networks = networks.iter().map(|network| named(&network.id, &network.name)).collect::<Vec<_>>();
        catalogue.look_up("image.network", "network", name, &networks);
    }
    let observed = Observed::second_round(client, desired, standing, &made_from).await?;
    let plan = planner::plan(desired, &observed);
    let remains = plan.remains().map(ToString::to_string);
    let remarks = plan.remarks.iter().cloned().chain(remains).collect();
    let needs = quota::Needs::of_image(&catalogue);
    let mut problems = catalogue.absent;
    quota::check(&needs, &observed.allowance, &mut problems);
    for obstacle in plan.obstacles {
        if !problems.contains(&obstacle) {
            problems.push(obstacle);
        }
    }
    Ok(Validation { problems, remarks })
}

/// The network an image is to be built in, and those there are.
async fn build_networks<'a>(
    client: &Client,
    desired: &'a Desired,
) -> Result<Option<(&'a str, Vec<Network>)>, cloudstack::Error> {
    let image = &desired.spec.image;
    match image.network.as_deref().filter(|_| image.access != BuildAccess::None) {
        Some(name) => Ok(Some((name, all(client, ListNetworks::new()).await?))),
        None => Ok(None),
    }
}

/// The zone of that name or id, as a template that is in it names it: zones need not be listed then.
pub(crate) fn zone_of(wanted: &str, templates: &[Template]) -> Option<Named> {
    let mut zones = templates.iter().map(|template| named(&template.zone_id, &template.zone_name));
    zones.find(|zone| zone.is(wanted) && !zone.id.is_empty())
}

impl Catalogue {
    pub(super) fn look_up_zone(&mut self, wanted: &str, zones: &[Zone]) {
        let zones = zones.iter().map(|zone| named(&zone.id, &zone.name)).collect::<Vec<_>>();
        self.zone = self.look_up("cloud.zone", "zone", wanted, &zones);
    }

    pub(super) fn look_up_network_offering(&mut self, wanted: &str, offerings: &[NetworkOffering]) {
        // A disabled offering is listed, and refused when it is used.
        let usable = |offering: &&NetworkOffering| {
            offering.state.is_empty() || offering.state.eq_ignore_ascii_case("Enabled")
        };
        let usable = offerings.iter().filter(usable).collect::<Vec<_>>();
        let names = usable.iter().map(|offering| named(&offering.id, &offering.name)).collect::<Vec<_>>();
        self.network_offering = self.look_up("network.offering", "network offering", wanted, &names);
        let found = usable
            .iter()
            .find(|offering| self.network_offering.as_ref().is_some_and(|found| found.id == offering.id));
        self.egress_allowed = found.and_then(|offering| offering.egress_default_policy).unwrap_or(false);
        if let Some(found) = found
            && !found.guest_ip_type.is_empty()
            && !found.guest_ip_type.eq_ignore_ascii_case("Isolated")
        {
            let message = format!(
                "the network offering {wanted} is for {} networks, not isolated ones",
                found.guest_ip_type
            );
            self.absent.push(Obstacle::new("network.offering", message));
        }
    }

    pub(super) fn look_up_offering(&mut self, path: &str, wanted: &str, offerings: &[ServiceOffering]) {
        let names = offerings.iter().map(|offering| named(&offering.id, &offering.name)).collect::<Vec<_>>();
        let Some(found) = self.look_up(path, "service offering", wanted, &names) else { return };
        if offerings.iter().any(|offering| offering.id == found.id && offering.is_customized) {
            let message = format!("the service offering {wanted} has no size of its own");
            let help = "name one with a fixed number of processors and amount of memory";
            self.absent.push(Obstacle::new(path, message).help(help));
            return;
        }
        if let Some(offering) = offerings.iter().find(|offering| offering.id == found.id) {
            let (processors, memory_mib) = (offering.cpu_number, offering.memory);
            let size = Size {
                processors: processors.unwrap_or_default(),
                memory_mib: memory_mib.unwrap_or_default(),
                root_disk_gib: gib(offering.root_disk_size.unwrap_or_default()),
            };
            self.sizes.insert(wanted.to_owned(), size);
        }
        self.offerings.insert(wanted.to_owned(), found);
    }

    /// The cluster's image: the newest ready template of that name, or the one with that id.
    pub(super) fn look_up_image(&mut self, wanted: &str, templates: &[Template]) {
        let sizes = templates.iter().filter_map(|template| Some((template.id.clone(), gib(template.size?))));
        self.template_sizes = sizes.collect();
        match self.newest_ready(wanted, templates) {
            Newest::Ready(found) => self.template = Some(found),
            Newest::Unready(status) => {
                let message = format!("the image {wanted} is not ready: {status}");
                self.absent
                    .push(Obstacle::new("image.name", message).help("wait until it is, then try again"));
            }
            Newest::None => {
                let message = format!("there is no image called {wanted} in this zone");
                self.absent
                    .push(Obstacle::new("image.name", message).help("`mesostack image build` makes it"));
            }
        }
    }

    /// Another template, that was there before us.
    fn look_up_template(&mut self, path: &str, wanted: &str, templates: &[Template]) {
        if !matches!(self.newest_ready(wanted, templates), Newest::Ready(_)) {
            let here = templates.iter().filter(|template| template.is_ready && self.in_zone(template));
            let names = here.map(|template| named(&template.id, &template.name)).collect::<Vec<_>>();
            self.absent.push(absent(path, "ready template", wanted, &names));
        }
    }

    fn in_zone(&self, template: &Template) -> bool {
        // A template of every zone may be listed without one.
        self.zone.as_ref().is_none_or(|zone| template.zone_id.is_empty() || template.zone_id == zone.id)
    }

    fn newest_ready(&self, wanted: &str, templates: &[Template]) -> Newest {
        let of_name = templates
            .iter()
            .filter(|template| named(&template.id, &template.name).is(wanted) && self.in_zone(template))
            .collect::<Vec<_>>();
        let ready = of_name.iter().filter(|template| template.is_ready);
        match (ready.max_by_key(|template| (template.created, &template.id)), of_name.first()) {
            (Some(newest), _) => Newest::Ready(named(&newest.id, &newest.name)),
            (None, Some(unready)) => Newest::Unready(unready.status.clone().unwrap_or_default()),
            (None, None) => Newest::None,
        }
    }

    /// The thing of that name or id; noted as absent when there is none.
    fn look_up(&mut self, path: &str, kind: &str, wanted: &str, existing: &[Named]) -> Option<Named> {
        let found = existing.iter().find(|thing| thing.is(wanted)).cloned();
        if found.is_none() {
            self.absent.push(absent(path, kind, wanted, existing));
        }
        found
    }
}

/// Bytes as GiB, rounded up.
fn gib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 30)
}

enum Newest {
    Ready(Named),
    Unready(String),
    None,
}

/// What to say of a name that means nothing here: the nearest right one, and those there are.
pub(crate) fn absent(path: &str, kind: &str, wanted: &str, existing: &[Named]) -> Obstacle {
    let mut names = existing.iter().map(|thing| thing.name.as_str()).collect::<Vec<_>>();
    names.sort_unstable();
    names.dedup();
    let listed = match names.len() {
        0 => format!("the cloud shows no {kind} at all"),
        few if few <= LISTED => format!("there is {}", names.join(", ")),
        many => format!("there is {} and {} more", names[..LISTED].join(", "), many - LISTED),
    };
    let help = match nearest(wanted, &names) {
        Some(near) => format!("did you mean {near}? {listed}"),
        None => listed,
    };
    Obstacle::new(path, format!("there is no {kind} called {wanted}")).help(help)
}

pub(crate) fn named(id: &cloudstack::Id, name: &str) -> Named {
    Named { id: id.clone(), name: name.to_owned() }
}
