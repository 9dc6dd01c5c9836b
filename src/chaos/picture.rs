//! The timeline of a run as a picture: faults as bars, and beneath them what users noticed.

use std::fmt::Write;

use super::{
    fault::{Kind, name},
    journal::{Injected, Sample},
    report::Report,
};

const WIDTH: f64 = 1_000.0;
const LEFT: f64 = 150.0;
const BAR: f64 = 16.0;
const CURVE: f64 = 90.0;
const GAP: f64 = 26.0;

/// A curve over the run.
struct Curve {
    title: &'static str,
    colour: &'static str,
    value: fn(&Sample) -> f64,
}

const CURVES: [Curve; 4] = [
    Curve { title: "ready nodes", colour: "#2a7", value: |sample| sample.ready as f64 },
    Curve {
        title: "persistent calls answered, %",
        colour: "#27a",
        value: |sample| match sample.agreed + sample.failed {
            0 => 0.0,
            all => 100.0 * sample.agreed as f64 / all as f64,
        },
    },
    Curve { title: "lag of subscribers, ms", colour: "#a52", value: |sample| sample.lag as f64 },
    Curve { title: "slowest push, ms", colour: "#a27", value: |sample| sample.push as f64 },
];

/// An SVG document.
pub fn draw(report: &Report) -> String {
    let end = report.samples.last().map_or(1.0, |last| last.at.max(1.0));
    let x = |at: f64| LEFT + (WIDTH - LEFT - 20.0) * at / end;
    let mut kinds: Vec<Kind> = report.injected.iter().map(|one| one.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut body = String::new();
    for (row, kind) in kinds.iter().enumerate() {
        bars(&mut body, 30.0 + row as f64 * BAR, *kind, &report.injected, x);
    }
    let top = 30.0 + kinds.len() as f64 * BAR + GAP;
    for (row, one) in CURVES.iter().enumerate() {
        curve(&mut body, top + row as f64 * (CURVE + GAP), one, &report.samples, x);
    }
    let height = top + CURVES.len() as f64 * (CURVE + GAP) + 20.0;
    for tenth in 0..=10 {
        let at = end * f64::from(tenth) / 10.0;
        text(&mut body, x(at), height - 8.0, "middle", &format!("{at:.0} s"));
    }
    let title = format!("{}: {} nodes, seed {}", report.verdict, report.nodes, report.seed);
    text(&mut body, 10.0, 16.0, "start", &title);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="white"/>
{body}</svg>
"#
    )
}

fn bars(out: &mut String, y: f64, kind: Kind, injected: &[Injected], x: impl Fn(f64) -> f64) {
    text(out, LEFT - 8.0, y + BAR - 4.0, "end", &name(&kind));
    for one in injected.iter().filter(|one| one.kind == kind) {
        let (from, until) = (x(one.from), x(one.until));
        let colour = if one.evidence.is_some() { "#c44" } else { "#bbb" };
        // A text cannot be too long to be written.
        let _ = writeln!(
            out,
            r#"<rect x="{from:.1}" y="{:.1}" width="{:.1}" height="{:.1}" fill="{colour}"/>"#,
            y + 2.0,
            (until - from).max(1.5),
            BAR - 4.0
        );
    }
}

fn curve(out: &mut String, y: f64, curve: &Curve, samples: &[Sample], x: impl Fn(f64) -> f64) {
    let most = samples.iter().map(curve.value).fold(1.0, f64::max);
    text(out, LEFT - 8.0, y + 12.0, "end", curve.title);
    text(out, LEFT - 8.0, y + 26.0, "end", &format!("up to {most:.0}"));
    let points = samples
        .iter()
        .map(|sample| format!("{:.1},{:.1}", x(sample.at), y + CURVE - CURVE * (curve.value)(sample) / most));
    let points = points.collect::<Vec<_>>().join(" ");
    let _ = writeln!(out, r##"<line x1="{LEFT}" y1="{0:.1}" x2="{WIDTH}" y2="{0:.1}" stroke="#ddd"/>"##, y + CURVE);
    let _ = writeln!(out, r#"<polyline points="{points}" fill="none" stroke="{}"/>"#, curve.colour);
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, says: &str) {
    let says = says.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(out, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{says}</text>"#);
}
