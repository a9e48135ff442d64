//! The files a specification names, as far as they can be known wrong before anything is made.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use super::{PackageSource, Packages, Spec, problem::Problem, source::Source};

/// Every file that is named and cannot be used. A private key that does not exist yet is no problem: it is made.
pub(super) fn check(spec: &Spec, source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(problem) = check_private_key(&spec.access.private_key) {
        problems.push(problem.at(source, "access.private_key"));
    }
    let certificates = spec.cloud.ca_file.iter().map(|file| ("cloud.ca_file".to_owned(), file.as_path()));
    let debs = match &spec.image.packages {
        Packages::Debs(sources) => sources.as_slice(),
        Packages::ClusterD | Packages::StandIn => &[],
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

struct Unusable {
    message: String,
    help: String,
}

impl Unusable {
    fn at(self, source: &Source, path: &str) -> Problem {
        source.problem(path, self.message).help(self.help)
    }
}

fn check_private_key(path: &Path) -> Option<Unusable> {
    let shown = path.display();
    let unreadable = |error: io::Error| Unusable {
        message: format!("the private key {shown} cannot be read: {error}"),
        help: "name a key you can read; leave a path where nothing is yet, and a key is made there"
            .to_owned(),
    };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(unreadable(error)),
    };
    let mode = metadata.permissions().mode() & 0o777;
    if metadata.is_file() && mode & 0o077 != 0 {
        return Some(Unusable {
            message: format!("the private key {shown} may be read or written by others (mode {mode:03o})"),
            help: format!("chmod 600 {shown}"),
        });
    }
    // Enough to tell a private key from its public half; whether it can be used shows when it is.
    let mut head = [0; 11];
    let read = File::open(path).and_then(|mut file| file.read(&mut head));
    match read {
        Err(error) => Some(unreadable(error)),
        Ok(read) if &head[..read] != b"-----BEGIN " => Some(Unusable {
            message: format!("{shown} is not a private key"),
            help: "a private key begins with -----BEGIN; the file ending in .pub is its public half"
                .to_owned(),
        }),
        Ok(_) => None,
    }
}
