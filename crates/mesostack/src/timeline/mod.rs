//! What runs took, and what it was spent on: kept while they run, drawn afterwards, and used to say how long the next
//! will take.
//!
//! A [`Recorder`] hears a run's events and appends them to a journal, a line each; [`Journals`] keeps the last runs' of a
//! cluster. All else is pure: a [`Record`] is read from a journal, its critical path is found in it, and
//! pictures are drawn of it. A journal is no state: losing it loses nothing but the picture and a better estimate.

mod critical;
mod estimate;
mod html;
mod journals;
mod picture;
mod record;
mod recorder;
mod summary;
mod svg;

pub use self::{
    critical::{Link, Why, critical_path, length_of},
    estimate::{Estimate, Figures, Left, Rough, remaining},
    html::html,
    journals::{Journals, KEPT},
    record::{Ended, Job, Record, Step, StepEnd, Wait},
    recorder::Recorder,
    summary::{Kind, Summary},
    svg::svg,
};
