//! The files a specification names, as far as they can be known wrong before anything is made.

use std::{
    fs::{self, File},
    path::Path,
};

use remote::{Identity, KeyError};

use super::{PackageSource, Packages, Spec, problem::Problem, source::Source};

/// Every file that is named and cannot be used. A private key that does not exist yet is no problem: it is made.
pub(super) fn check(spec: &Spec, source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some((message, help)) = check_private_key(&spec.access.private_key) {
        let problem = source.problem("access.private_key", message);
        problems.push(Problem { help, ..problem });
    }
    let certificates = spec.cloud.ca_file.iter().map(|file| ("cloud.ca_file".to_owned(), file.as_path()));
    let debs = match &spec.image.packages {
        Packages::Debs(sources) => sources.as_slice(),
        Packages::ClusterD { .. } | Packages::StandIn => &[],
    };
    let packages = debs.iter().filter_map(|deb| match deb {
        PackageSource::File(file) => {
            Some((format!("image.packages.debs.{}", file.display()), file.as_path()))
        }
        _ => None,
    });
    for (path, file) in certificates.chain(packages) {
        if let Err(error) = File::open(file) {
            problems.push(source.problem(&path, format!("cannot read {}: {error}", file.display())));
        }
    }
    problems
}

/// A key that is there has to be one that can be used.
fn check_private_key(path: &Path) -> Option<(String, Option<String>)> {
    if !fs::exists(path).unwrap_or(true) {
        return None;
    }
    let error = Identity::load(path).err()?;
    let help = match &error {
        KeyError::Exposed { .. } => Some(format!("chmod 600 {}", path.display())),
        KeyError::Unreadable { .. } => Some(
            "name a key you can read; leave a path where nothing is yet, and a key is made there".to_owned(),
        ),
        _ => None,
    };
    Some((error.to_string(), help))
}
