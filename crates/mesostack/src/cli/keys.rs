//! API keys that cannot be got, or that the cloud does not accept: told at the line of the file that says where they come
//! from, by every command alike.

use std::error::Error;

use cloudstack::credentials;
use mesostack::spec::{Credentials, Document, Problem};

/// A complaint about the keys, at their line of the file; any other complaint as it is.
pub(super) fn at_the_line(complaint: miette::Report, document: Option<&Document>) -> miette::Report {
    match document.and_then(|document| Some((document, problem(&complaint, document)?))) {
        Some((document, problem)) => document.source.refuse(vec![problem]).into(),
        None => complaint,
    }
}

fn problem(complaint: &miette::Report, document: &Document) -> Option<Problem> {
    let path = origin(&document.spec.cloud.credentials);
    if let Some(missing) = cause::<credentials::Error>(complaint) {
        let problem =
            document.source.problem(path, format!("could not get the API keys: {}", whole(missing)));
        return Some(problem.help(
            "keys come from the environment, a cloudmonkey profile, a cloudstack.ini or a command; \
             docs/mesostack.toml.md says how each is named in [cloud]",
        ));
    }
    let refused = cause::<cloudstack::Error>(complaint).filter(|error| error.is_unauthorized())?;
    let problem = document.source.problem(path, format!("the cloud does not accept the keys: {refused}"));
    Some(
        problem.label("where they come from").help(
            "compare the keys with the cloud's user page, and this machine's clock with the right time",
        ),
    )
}

/// The key of the file that says where the API keys come from; the section where none does.
fn origin(credentials: &Credentials) -> &'static str {
    match credentials {
        Credentials::Ambient => "cloud",
        Credentials::Profile(_) => "cloud.profile",
        Credentials::Ini { .. } => "cloud.ini",
        Credentials::Command(_) => "cloud.command",
    }
}

/// The first of a complaint's causes that is such an error, also where it is kept in a box.
fn cause<T: Error + 'static>(complaint: &miette::Report) -> Option<&T> {
    complaint.chain().find_map(|cause| {
        let boxed = || cause.downcast_ref::<Box<T>>().map(|boxed| &**boxed);
        cause.downcast_ref::<T>().or_else(boxed)
    })
}

/// An error with all its causes, in one line.
fn whole(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        told.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    told
}
