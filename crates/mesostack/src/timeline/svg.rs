//! A run as a drawing: a bar a step, jobs within it, the critical path in another colour and joined by lines.

use std::{fmt::Write, time::Duration};

use super::{
    picture::{Bar, Picture, Row},
    record::{Record, StepEnd},
};
use crate::drawing::{self, WIDTH, escaped, shortened};

const LABELS: f64 = 250.0;
/// Room for a bar's duration at its right.
const MARGIN: f64 = 70.0;
const TOP: f64 = 74.0;
const ROW: f64 = 18.0;

/// What a timeline has beyond what every drawing has.
const STYLE: &str = ".grid{stroke:#ddd;stroke-width:1}\
.odd{fill:#f6f6f4}.bar{fill:#9db8d6}.bar.c{fill:#e0843a}.bar.f{fill:#c43d3d}.bar.u{fill:#bbb}\
.job{fill:#33568a;opacity:.75}g .c~.job{fill:#8c430c}.tick{stroke:#2a7d3f;stroke-width:1.5}\
.path{stroke:#e0843a;stroke-width:1.5;fill:none}.crit{font-weight:600}\
@media (prefers-color-scheme:dark){.grid{stroke:#3a3d42}\
.odd{fill:#212429}.bar{fill:#4f6f95}.job{fill:#b9d0ee}g .c~.job{fill:#ffd9b8}}";

/// The whole drawing, as a file of its own.
pub fn svg(record: &Record) -> String {
    let picture = Picture::of(record);
    let height = TOP + ROW * picture.rows.len() as f64 + 14.0;
    let mut out = drawing::begin(&title(record), height, STYLE);
    let scale = Scale::of(record.length);
    legend(&mut out, record, &picture);
    axis(&mut out, &scale, record.length, height);
    for (at, row) in picture.rows.iter().enumerate() {
        draw_row(&mut out, record, &picture, row, at, &scale);
    }
    draw_path(&mut out, &picture, &scale);
    out.push_str("</svg>\n");
    out
}

/// `apply of mesos in zone devcloud, 2026-11-25 04:10 UTC: done in 12.6 s`.
pub(super) fn title(record: &Record) -> String {
    let run = &record.run;
    let began =
        record.began.map(|began| began.strftime(", %Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
    let ended = match record.ended {
        Some(ended) => format!("{:?} after", ended.outcome).to_lowercase(),
        None => "broken off after".to_owned(),
    };
    format!(
        "{} of {} in zone {}{began}: {ended} {}",
        run.command,
        run.cluster,
        run.zone,
        readable(record.length)
    )
}

/// A duration as people read it, to the tenth of a second.
pub(super) fn readable(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match duration.as_secs() {
        0..60 => format!("{seconds:.1} s"),
        whole @ 60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        whole => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

struct Scale {
    per_second: f64,
    tick: f64,
}

impl Scale {
    fn of(length: Duration) -> Self {
        let seconds = length.as_secs_f64().max(0.001);
        let steps =
            [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0];
        let tick = steps.into_iter().find(|tick| seconds / tick <= 12.0).unwrap_or(seconds / 10.0);
        Self { per_second: (WIDTH - LABELS - MARGIN) / seconds, tick }
    }

    fn x(&self, at: Duration) -> f64 {
        LABELS + at.as_secs_f64() * self.per_second
    }
}

fn legend(out: &mut String, record: &Record, picture: &Picture) {
    let critical = super::length_of(record, &picture.path);
    let calls = record.ended.map(|ended| format!(", {} calls", ended.calls)).unwrap_or_default();
    let text = format!(
        "{} steps, {} jobs{calls}; critical path {} steps, {}",
        record.steps.len(),
        record.jobs(),
        picture.path.len(),
        readable(critical)
    );
    let _ = writeln!(out, "<text class=\"faint\" x=\"12\" y=\"40\">{}</text>", escaped(&text));
    let mut x = WIDTH - 352.0;
    for (class, label, width) in [
        ("bar c", "critical path", 112.0),
        ("bar", "step", 56.0),
        ("job", "job", 50.0),
        ("bar f", "failed", 60.0),
    ] {
        let (y, high) = if class == "job" { (38.0, 3.0) } else { (31.0, 10.0) };
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"12\" height=\"{high}\" rx=\"2\"/><text class=\"faint\" x=\"{}\" y=\"40\">{label}</text>",
            x + 16.0
        );
        x += width + 16.0;
    }
}

fn axis(out: &mut String, scale: &Scale, length: Duration, height: f64) {
    let mut at = 0.0;
    while at <= length.as_secs_f64() + 1e-9 {
        let x = LABELS + at * scale.per_second;
        let label = if at >= 60.0 {
            format!("{:.0}:{:02.0}", (at / 60.0).floor(), at % 60.0)
        } else {
            format!("{}", (at * 100.0).round() / 100.0)
        };
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{}\" x2=\"{x:.1}\" y2=\"{}\"/><text class=\"faint\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label} s</text>",
            TOP - 8.0,
            height - 8.0,
            TOP - 13.0,
        );
        at += scale.tick;
    }
}

fn draw_row(out: &mut String, record: &Record, picture: &Picture, row: &Row, at: usize, scale: &Scale) {
    let y = TOP + ROW * at as f64;
    if at % 2 == 1 {
        let _ = writeln!(out, "<rect class=\"odd\" x=\"0\" y=\"{y}\" width=\"{LABELS}\" height=\"{ROW}\"/>");
    }
    let class = if row.critical { " class=\"crit\"" } else { "" };
    let _ = writeln!(
        out,
        "<text{class} x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        LABELS - 10.0,
        y + 13.0,
        escaped(&shortened(&row.label, 35))
    );
    for bar in &row.bars {
        draw_bar(out, record, picture, bar, y, scale);
    }
    if let [bar] = &row.bars[..] {
        let took = readable(bar.to.saturating_sub(bar.from));
        let _ = writeln!(
            out,
            "<text class=\"faint\" x=\"{:.1}\" y=\"{}\">{took}</text>",
            scale.x(bar.to) + 6.0,
            y + 13.0
        );
    }
}

fn draw_bar(out: &mut String, record: &Record, picture: &Picture, bar: &Bar, y: f64, scale: &Scale) {
    let step = &record.steps[bar.step];
    let class = match &step.end {
        StepEnd::Failed(_) => "bar f",
        StepEnd::Unknown => "bar u",
        StepEnd::Done(_) if picture.path.iter().any(|link| link.step == bar.step) => "bar c",
        StepEnd::Done(_) => "bar",
    };
    let x = scale.x(bar.from);
    let wide = (scale.x(bar.to) - x).max(1.5);
    let _ = write!(
        out,
        "<g data-step=\"{}\"><title>{}</title><rect class=\"{class}\" x=\"{x:.1}\" y=\"{}\" width=\"{wide:.1}\" height=\"12\" rx=\"2\"/>",
        bar.step,
        escaped(&details(record, bar.step).join("\n")),
        y + 3.0,
    );
    for job in &step.jobs {
        let (from, to) = (scale.x(job.from), scale.x(job.to));
        let _ = write!(
            out,
            "<rect class=\"job\" x=\"{from:.1}\" y=\"{}\" width=\"{:.1}\" height=\"3\"/>",
            y + 12.0,
            (to - from).max(1.0)
        );
    }
    for (_, at) in &step.ready {
        let x = scale.x(*at);
        let _ = write!(
            out,
            "<line class=\"tick\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\"/>",
            y + 2.0,
            y + 16.0
        );
    }
    out.push_str("</g>\n");
}

/// Lines from each step of the critical path to the next.
fn draw_path(out: &mut String, picture: &Picture, scale: &Scale) {
    let place = |step: usize| {
        let rows = picture.rows.iter().enumerate();
        let found = rows.flat_map(|(at, row)| row.bars.iter().map(move |bar| (at, bar)));
        found
            .into_iter()
            .find(|(_, bar)| bar.step == step)
            .map(|(at, bar)| (TOP + ROW * at as f64 + 9.0, *bar))
    };
    for pair in picture.path.windows(2) {
        let (Some((from_y, from)), Some((to_y, to))) = (place(pair[0].step), place(pair[1].step)) else {
            continue;
        };
        let (x, next) = (scale.x(from.to), scale.x(to.from));
        let _ = writeln!(out, "<path class=\"path\" d=\"M{x:.1} {from_y}V{to_y}H{next:.1}\"/>");
    }
}

/// What there is to say of a step, a line each.
pub(super) fn details(record: &Record, at: usize) -> Vec<String> {
    let step = &record.steps[at];
    let begun = step.begun.unwrap_or_default();
    let end = record.end_of(step);
    let mut lines = vec![
        step.name.clone(),
        format!("{} to {}: {}", readable(begun), readable(end), readable(end.saturating_sub(begun))),
    ];
    lines.extend(step.node.as_ref().map(|node| format!("node {node}")));
    match &step.end {
        StepEnd::Done(Some(detail)) => lines.push(detail.clone()),
        StepEnd::Done(None) => {}
        StepEnd::Failed(error) => lines.push(format!("failed: {error}")),
        StepEnd::Unknown => lines.push("its end was not heard of".to_owned()),
    }
    for job in &step.jobs {
        let error = job.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        lines.push(format!("job {} {}{error}", job.command, readable(job.to.saturating_sub(job.from))));
    }
    let mut waits: Vec<_> = step.waits.iter().map(|wait| (wait.to.saturating_sub(wait.from), wait)).collect();
    waits.sort_by_key(|(took, _)| std::cmp::Reverse(*took));
    for (took, wait) in waits.into_iter().take(8) {
        let node = wait.node.as_ref().map(|node| format!("{node}: ")).unwrap_or_default();
        lines.push(format!("waited {} for {node}{}", readable(took), wait.waits_for));
    }
    let ready = step.ready.iter().take(12);
    lines.extend(ready.map(|(node, at)| format!("{node} ready at {}", readable(*at))));
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::timeline::critical::tests::{any_record, record, step};

    #[test]
    fn a_name_cannot_break_out_of_the_drawing() {
        let record = record(vec![step("</text><script>alert(1)</script>\u{1b}", None, &[], 0, Some(5))]);
        let drawing = svg(&record);
        assert!(!drawing.contains("<script") && !drawing.contains('\u{1b}'), "{drawing}");
    }

    #[test]
    fn the_critical_path_is_marked_and_joined() {
        let record = record(vec![
            step("a", None, &[], 0, Some(10)),
            step("b", None, &[0], 10, Some(30)),
            step("aside", None, &[], 0, Some(5)),
        ]);
        let drawing = svg(&record);
        assert_eq!(drawing.matches("class=\"bar c\" x").count(), 3, "two, and the legend");
        assert_eq!(drawing.matches("class=\"path\"").count(), 1);
        assert_eq!(drawing.matches("data-step").count(), 3);
    }

    proptest! {
        #[test]
        fn any_run_can_be_drawn(record in any_record()) {
            let drawing = svg(&record);
            prop_assert!(!drawing.contains("NaN") && !drawing.contains("inf"));
            let begun = record.steps.iter().filter(|step| step.begun.is_some()).count();
            prop_assert_eq!(drawing.matches("data-step").count(), begun);
        }
    }
}
