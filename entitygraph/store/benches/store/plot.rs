//! Draws how the questions scale, as an SVG that needs nothing but a browser.

use std::fmt::Write as _;

use crate::{Result, questions::Timing};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 520.0;
/// Left, right, top and bottom of the plot.
const LEFT: f64 = 80.0;
const RIGHT: f64 = 620.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 460.0;
/// Smallest distance of two labels.
const LINE: f64 = 18.0;
const COLOURS: [&str; 12] = [
    "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22",
    "#17becf", "#393b79", "#843c39",
];

/// Medians over the number of entities, both logarithmic.
pub fn svg(engine: &str, timings: &[Timing]) -> Result<String> {
    let x_axis = Axis::of(timings.iter().map(|timing| timing.entities as f64), LEFT, RIGHT);
    let y_axis = Axis::of(timings.iter().map(|timing| timing.p50), BOTTOM, TOP);
    let mut svg = String::new();
    writeln!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13" fill="#222">"##
    )?;
    writeln!(svg, r##"<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>"##)?;
    writeln!(
        svg,
        r#"<text x="{LEFT}" y="28" font-size="16">Time of a question at a fixed size of its answer ({engine}, median)</text>"#
    )?;
    for power in x_axis.powers() {
        let x = x_axis.place(power);
        writeln!(svg, r##"<path d="M{x:.1} {TOP}V{BOTTOM}" stroke="#ddd"/>"##)?;
        writeln!(
            svg,
            r#"<text x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            BOTTOM + 20.0,
            short(power)
        )?;
    }
    for power in y_axis.powers() {
        let y = y_axis.place(power);
        writeln!(svg, r##"<path d="M{LEFT} {y:.1}H{RIGHT}" stroke="#ddd"/>"##)?;
        writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
            LEFT - 8.0,
            y + 4.0,
            time(power)
        )?;
    }
    writeln!(
        svg,
        r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">entities in the world</text>"#,
        (LEFT + RIGHT) / 2.0,
        BOTTOM + 44.0
    )?;
    let mut labels = Vec::new();
    let smallest = timings.first().map_or(0, |timing| timing.entities);
    let questions = timings.iter().filter(|timing| timing.entities == smallest).map(|timing| timing.question);
    for (question, colour) in questions.zip(COLOURS.iter().cycle()) {
        let points: Vec<(f64, f64)> = timings
            .iter()
            .filter(|timing| timing.question == question)
            .map(|timing| (x_axis.place(timing.entities as f64), y_axis.place(timing.p50)))
            .collect();
        let line: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
            line.join(" ")
        )?;
        for (x, y) in &points {
            writeln!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{colour}"/>"#)?;
        }
        labels.extend(points.last().map(|(_, y)| (*y, question, *colour)));
    }
    labels.sort_by(|one, other| one.0.total_cmp(&other.0));
    let rows = spread(labels.iter().map(|label| label.0));
    for ((y, question, colour), beside) in labels.into_iter().zip(rows) {
        writeln!(
            svg,
            r#"<path d="M{:.1} {y:.1}L{:.1} {beside:.1}" stroke="{colour}"/>"#,
            RIGHT + 4.0,
            RIGHT + 22.0
        )?;
        writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" fill="{colour}">{question}</text>"#,
            RIGHT + 26.0,
            beside + 4.0
        )?;
    }
    writeln!(svg, "</svg>")?;
    Ok(svg)
}

/// Moves ascending places apart, so that each has a line for itself and the last one is not below the plot.
fn spread(places: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut rows: Vec<f64> = Vec::new();
    for place in places {
        rows.push(rows.last().map_or(place, |above| place.max(above + LINE)));
    }
    let mut lowest = BOTTOM;
    for row in rows.iter_mut().rev() {
        *row = row.min(lowest);
        lowest = *row - LINE;
    }
    rows
}

/// A logarithmic axis over whole powers of ten.
struct Axis {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Axis {
    fn of(figures: impl Iterator<Item = f64> + Clone, start: f64, end: f64) -> Self {
        // A world of 1,000,002 entities does not need an axis to ten million.
        const SLACK: f64 = 0.02;
        let least = (figures.clone().fold(f64::INFINITY, f64::min).log10() + SLACK).floor();
        let most = (figures.fold(0.0, f64::max).log10() - SLACK).ceil();
        Self { from: least, to: most.max(least + 1.0), start, end }
    }

    fn place(&self, figure: f64) -> f64 {
        self.start + (figure.log10() - self.from) / (self.to - self.from) * (self.end - self.start)
    }

    fn powers(&self) -> impl Iterator<Item = f64> {
        (self.from as i32..=self.to as i32).map(|power| 10f64.powi(power))
    }
}

fn time(microseconds: f64) -> String {
    if microseconds >= 1e3 { format!("{} ms", microseconds / 1e3) } else { format!("{microseconds} &#181;s") }
}

fn short(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{} M", n / 1e6),
        n if n >= 1e3 => format!("{} K", n / 1e3),
        n => format!("{n}"),
    }
}
