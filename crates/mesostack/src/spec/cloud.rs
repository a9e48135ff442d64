//! The section `[cloud]`: which cloud, and where its keys are. Keys themselves are refused.

use super::{
    Cloud, Credentials,
    place::Place,
    problem::Problem,
    section::{Findings, Located, Section},
};

/// What a limit of calls in a second may be at most; whoever wants more wants none.
const MOST_CALLS: u32 = 1000;

/// `None` only together with a problem.
pub(super) fn read_cloud(mut cloud: Section<'_>, found: &mut Findings, place: &Place) -> Option<Cloud> {
    let api_url = cloud.text(found, "api_url");
    if let Some(url) = &api_url {
        check_api_url(url, found);
    }
    let credentials = read_credentials(&mut cloud, found, place);
    let ca_file = cloud.text(found, "ca_file").map(|file| place.resolve(&file.value));
    let verify_tls = cloud.boolean_or(found, "verify_tls", true);
    if !verify_tls {
        let span = found.places.get("cloud.verify_tls").cloned().unwrap_or(cloud.span());
        found.warn(
            span,
            "the server's certificate is not checked: whoever is in between can read the keys' effect",
        );
    }
    let calls_per_second = cloud.number(found, "calls_per_second", 1..=MOST_CALLS).map(|most| most.value);
    let zone = cloud.text(found, "zone");
    if zone.is_none() && !found.places.contains_key("cloud.zone") {
        let problem = Problem::new(cloud.span(), "the file names no zone");
        found.refuse(problem.help("zone = \"…\" in [cloud]; `mesostack zone up` makes one called devcloud"));
    }
    for key in ["api_key", "secret_key"] {
        if let Some(value) = cloud.value(found, key) {
            let problem = Problem::new(value.span(), format!("`{key}` does not belong in this file"));
            found.refuse(problem.label("a secret").help(
                "keys are named, never written: CLOUDSTACK_API_KEY and CLOUDSTACK_SECRET_KEY, profile, ini or command",
            ));
        }
    }
    cloud.finish(found);
    let api_url = api_url.map(|url| url.value);
    Some(Cloud { api_url, credentials, ca_file, verify_tls, calls_per_second, zone: zone?.value })
}

fn check_api_url(url: &Located<String>, found: &mut Findings) {
    let complaint = match url::Url::parse(&url.value) {
        Err(error) => format!("this is not an address: {error}"),
        Ok(parsed) if !matches!(parsed.scheme(), "http" | "https") => {
            "the API's address begins with https:// or http://".to_owned()
        }
        Ok(parsed)
            if !parsed.username().is_empty() || parsed.password().is_some() || parsed.query().is_some() =>
        {
            "the API's address holds no user, password or query".to_owned()
        }
        Ok(_) => return,
    };
    found.refuse(
        Problem::new(url.span.clone(), complaint).help("such as https://cloud.example.org/client/api"),
    );
}

fn read_credentials(cloud: &mut Section<'_>, found: &mut Findings, place: &Place) -> Credentials {
    let profile = cloud.text(found, "profile");
    let command = cloud.texts(found, "command");
    let has_ini = cloud.value(found, "ini").is_some();
    let ini = has_ini.then(|| {
        let mut ini = cloud.section(found, "ini");
        let file = ini.text(found, "file");
        let section = ini.text_or(found, "section", "cloudstack").value;
        if file.is_none() {
            found.refuse(Problem::new(ini.span(), "`cloud.ini` names no `file`"));
        }
        ini.finish(found);
        (file.map(|file| place.resolve(&file.value)).unwrap_or_default(), section)
    });
    let ways = [
        profile.as_ref().map(|profile| profile.span.clone()),
        command.as_ref().map(|command| command.span.clone()),
        has_ini.then(|| found.places.get("cloud.ini").cloned().unwrap_or_default()),
    ];
    if let Some(second) = ways.into_iter().flatten().nth(1) {
        let problem = Problem::new(second, "the keys come from one place: profile, ini or command");
        found.refuse(problem.label("the second place"));
    }
    match (profile, ini, command) {
        (Some(profile), ..) => Credentials::Profile(profile.value),
        (_, Some((file, section)), _) => Credentials::Ini { file, section },
        (.., Some(command)) => {
            if command.value.is_empty() {
                found.refuse(Problem::new(command.span, "`cloud.command` names no program"));
            }
            Credentials::Command(command.value.into_iter().map(|part| part.value).collect())
        }
        (None, None, None) => Credentials::Ambient,
    }
}
