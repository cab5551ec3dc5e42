//! The packed frames of docs/protocol.md, in ns per entity: `cargo bench -p entitygraph-schema --bench wire`.
//!
//! - a slice of 50 walkers (position and heading), written from exact poses and read;
//! - the same with a rounded variable each, whose entries are read too;
//! - a report of 500 walkers (position, velocity), written and read.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use entitygraph_schema::{
    ComponentId, Epoch, Handle, Value, ValueKind, VariableId, Visibility,
    wire::{
        Role,
        cell::{Cell, Grid},
        exact::ExactRow,
        frame::Frames,
        limits::Limits,
        pose::heading,
        report::{self, Report, ReportWriter},
        row::{Mask, Row},
        state::{self, Lane, Slice, SliceWriter, Span},
        variable::{Digits, Entries, Known, Variables, put_value},
    },
};
use glam::{DQuat, DVec3, Vec3};

const SLICE: usize = 50;
const REPORT: usize = 500;
const TIME: Duration = Duration::from_millis(500);
const ROUNDS: usize = 5;
const PRECISION: f64 = 0.01;

struct Walker {
    handle: Handle,
    position_m: DVec3,
    rotation: DQuat,
    velocity_m_s: DVec3,
    stamina: Value,
}

fn main() -> Result<(), &'static str> {
    let walkers: Vec<_> = (0..REPORT as u32).map(walker).collect::<Option<_>>().ok_or("a walker")?;
    let head = state::Head {
        moment: 64_019,
        age: 3,
        lane: Lane::Motion,
        class: Visibility::Public,
        span: Span::reaching(16).ok_or("a span")?,
        zone: Handle::new(300).ok_or("a zone")?,
        grid: Cell::new(5, [-2, 3, 0]).and_then(|cell| Grid::new(cell, -6)).ok_or("a grid")?,
    };
    let known = Known {
        component: ComponentId::new(1).ok_or("a component")?,
        variable: VariableId::new(1).ok_or("a variable")?,
        kind: ValueKind::Float,
        precision: Some(PRECISION),
    };
    let mut variables = Variables::default();
    if !variables.insert(1, known) {
        return Err("a number");
    }
    let crowd = &walkers[..SLICE];
    let mut out = Vec::new();
    let mut scratch = Vec::new();

    let walked = Mask::POSITION.and(Mask::HEADING);
    measure("slice of 50, write", SLICE, || {
        out.clear();
        let mut slice = SliceWriter::begin(&head, &mut out);
        slice.section(walked, crowd.iter().map(|walker| walker.handle));
        crowd.iter().for_each(|walker| slice.row(&moved(walker, &head.grid)));
        slice.end();
        black_box(&out);
    });
    println!("  {} bytes", out.len());
    measure("slice of 50, read", SLICE, || read_slice(&out, &head.grid));

    measure("slice of 50 with a variable, write", SLICE, || {
        out.clear();
        let mut slice = SliceWriter::begin(&head, &mut out);
        slice.section(walked.and(Mask::VARIABLES), crowd.iter().map(|walker| walker.handle));
        for walker in crowd {
            scratch.clear();
            put_value(1, &walker.stamina, Some(PRECISION), &mut scratch);
            slice.row(&Row { variables: Some(&scratch), ..moved(walker, &head.grid) });
        }
        slice.end();
        black_box(&out);
    });
    println!("  {} bytes", out.len());
    measure("slice of 50 with a variable, read", SLICE, || {
        for (handle, row) in slice_rows(&out) {
            for entry in Entries::new(row.variables.unwrap_or_default(), &variables, Digits::Rounded) {
                black_box((handle, entry.is_ok()));
            }
        }
    });

    measure("report of 500, write", REPORT, || {
        out.clear();
        let report = report::Head { batch: 12, tick: 90_017, last_of_tick: true };
        let mut report = ReportWriter::begin(&report, 1, &mut out);
        let handles = walkers.iter().map(|walker| walker.handle);
        let mut group = report.group(Epoch::from_number(130), head.zone, handles);
        for walker in &walkers {
            group.row(&ExactRow {
                position_m: Some(walker.position_m),
                velocity_m_s: Some(walker.velocity_m_s.as_vec3()),
                ..ExactRow::default()
            });
        }
        group.end(&[], &[], &[]);
        report.end();
        black_box(&out);
    });
    println!("  {} bytes", out.len());
    measure("report of 500, read and check", REPORT, || {
        let body = body(&out);
        for group in Report::read(body).iter().flat_map(Report::groups) {
            for (handle, row) in group.rows {
                black_box((
                    handle,
                    row.position_m,
                    row.velocity_m_s.unwrap_or(Vec3::ZERO),
                    row.check().is_ok(),
                ));
            }
        }
    });
    Ok(())
}

fn walker(number: u32) -> Option<Walker> {
    let turn = f64::from(number) * 0.7;
    Some(Walker {
        handle: Handle::new(4097 + number * 2)?,
        position_m: DVec3::new(-64.0 + turn % 32.0, 96.0 + turn * 3.0 % 32.0, 1.0),
        rotation: DQuat::from_rotation_z(turn),
        velocity_m_s: DVec3::new(turn.cos(), turn.sin(), 0.0),
        stamina: Value::Float(turn % 100.0),
    })
}

fn moved(walker: &Walker, grid: &Grid) -> Row<'static> {
    Row { position: Some(grid.steps(walker.position_m)), heading: heading(walker.rotation), ..Row::default() }
}

fn body(message: &[u8]) -> &[u8] {
    let frame =
        Frames::new(message, Limits::up(Role::Server)).ok().and_then(|mut frames| frames.next()?.ok());
    frame.map_or(&[], |frame| frame.body)
}

fn slice_rows(message: &[u8]) -> impl Iterator<Item = (Handle, Row<'_>)> {
    Slice::read(body(message)).ok().into_iter().flat_map(|slice| slice.rows())
}

fn read_slice(message: &[u8], grid: &Grid) {
    for (handle, row) in slice_rows(message) {
        black_box((handle, row.position.map(|steps| grid.point_m(steps)), row.heading));
    }
}

/// The fastest of some rounds: others use the machine too.
fn measure(what: &str, entities: usize, mut run: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let (start, mut runs) = (Instant::now(), 0_u32);
        while start.elapsed() < TIME / ROUNDS as u32 {
            (0..100).for_each(|_| run());
            runs += 100;
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(runs));
    }
    println!("{what}: {:.1} ns an entity, {:.2} us", best * 1e9 / entities as f64, best * 1e6);
}
