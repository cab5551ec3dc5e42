//! Round trips of every packed frame, and bytes that are none.

use std::collections::BTreeMap;

use entitygraph_schema::{
    Epoch, Handle, Visibility,
    wire::{
        Body, Kind, Role,
        cell::{Cell, Grid},
        control::Control,
        event::{self, Event},
        exact::ExactRow,
        frame::Frames,
        input::{self, Applied, PlayerInput},
        limits::Limits,
        report::{self, Outcome, Receipt, Report, ReportWriter, Used},
        row::Row,
        state::{Head, Lane, Slice, Span},
    },
};
use glam::{DVec3, Quat, Vec3};
use proptest::{collection, option, prelude::*, sample};

use crate::{
    forms::{frame, handle, rewritten, slice},
    golden::all_frames,
};

fn handles() -> impl Strategy<Value = Handle> {
    prop_oneof![1..300_u32, 1..=u32::MAX].prop_map(handle)
}

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    collection::vec(any::<u8>(), 0..=max)
}

fn cells() -> impl Strategy<Value = Cell> {
    let places = prop_oneof![-9..9_i64, -(1_i64 << 50)..=1 << 50];
    (-3..=69_i8, [places.clone(), places.clone(), places])
        .prop_filter_map("a cell of the model", |(level, at)| Cell::new(level, at))
}

fn heads() -> impl Strategy<Value = Head> {
    let spans = prop_oneof![(0..=10_u8).prop_map(|n| Span::of_exponent(n).unwrap()), Just(Span::FULL)];
    let lanes = sample::select(vec![Lane::Motion, Lane::Prompt, Lane::Slow]);
    let classes = sample::select(vec![Visibility::Public, Visibility::OwnerOnly, Visibility::ServerOnly]);
    let grids = (cells(), 1..=42_i8).prop_map(|(cell, bits)| Grid::new(cell, cell.level() - bits).unwrap());
    (any::<u16>(), any::<u64>(), lanes, classes, spans, handles(), grids).prop_map(
        |(moment, age, lane, class, span, zone, grid)| Head { moment, age, lane, class, span, zone, grid },
    )
}

/// The parts of a row, with bytes of its own; at least one, and at most one attitude.
type Parts = (Option<[u64; 3]>, Option<Result<u8, [u32; 4]>>, Option<[i64; 3]>, Option<Vec<u8>>);

fn parts() -> impl Strategy<Value = Parts> {
    let speeds = prop_oneof![-100..100_i64, -(1_i64 << 50)..=1 << 50];
    let attitudes = prop_oneof![
        any::<u8>().prop_map(Ok),
        [0..4_u32, 1..1024_u32, 1..1024_u32, 1..1024_u32].prop_map(Err)
    ];
    let parts = (
        option::of(any::<[u64; 3]>()),
        option::of(attitudes),
        option::of([speeds.clone(), speeds.clone(), speeds]),
        option::of(bytes(9)),
    );
    parts.prop_filter("something", |(position, attitude, velocity, variables)| {
        position.is_some() || attitude.is_some() || velocity.is_some() || variables.is_some()
    })
}

fn row<'a>((position, attitude, velocity, variables): &'a Parts, grid: &Grid) -> Row<'a> {
    Row {
        position: position.map(|steps| steps.map(|axis| axis & ((1 << grid.bits()) - 1))),
        heading: attitude.and_then(|attitude| attitude.ok()),
        rotation: attitude
            .and_then(|attitude| attitude.err())
            .map(|[largest, a, b, c]| largest << 30 | c << 20 | b << 10 | a),
        velocity: *velocity,
        variables: variables.as_deref(),
    }
}

fn contents(max: usize) -> impl Strategy<Value = Vec<(Handle, u64, Vec<u8>)>> {
    collection::vec((handles(), any::<u64>(), bytes(max)), 0..4)
}

fn events(given: &[(Handle, u64, Vec<u8>)]) -> Vec<Event<'_>> {
    given
        .iter()
        .map(|(source, kind, content)| Event { source: *source, kind: *kind as u32, content })
        .collect()
}

fn exact_rows() -> impl Strategy<Value = BTreeMap<Handle, (ExactRow<'static>, Option<Vec<u8>>)>> {
    let row = (
        option::of(any::<[f64; 3]>().prop_map(DVec3::from_array)),
        option::of(any::<[f32; 4]>().prop_map(Quat::from_array)),
        option::of(any::<[f32; 3]>().prop_map(Vec3::from_array)),
        option::of(bytes(9)),
    );
    let row = row.prop_map(|(position_m, rotation, velocity_m_s, variables)| {
        (ExactRow { position_m, rotation, velocity_m_s, variables: None }, variables)
    });
    collection::btree_map(handles(), row, 0..6)
}

/// Refused, or written again just so: no frame has two spellings.
fn canonical(kind: Kind, body: &[u8]) -> Result<(), TestCaseError> {
    match kind.body() {
        Body::Packed => {
            if let Ok(again) = rewritten(kind, body) {
                prop_assert_eq!(again, frame(kind, body));
            }
        }
        // Messages have many spellings; what is read is written in one of them.
        Body::Proto => {
            if let Ok(control) = Control::read(kind, body) {
                let mut once = vec![];
                control.put(&mut once);
                let read = Frames::new(&once, Limits::up(Role::Server)).unwrap().next().unwrap().unwrap();
                let mut twice = vec![];
                Control::read(kind, read.body).unwrap().put(&mut twice);
                prop_assert_eq!(once, twice);
            }
        }
    }
    Ok(())
}

/// Every frame of a message, until one is refused.
fn read_all(message: &[u8]) -> Result<(), TestCaseError> {
    for role in [Role::Server, Role::Player] {
        let Ok(frames) = Frames::new(message, Limits::up(role)) else { continue };
        for frame in frames.map_while(Result::ok) {
            canonical(frame.kind, frame.body)?;
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn slices_survive(head in heads(), entities in collection::btree_map(handles(), parts(), 0..12)) {
        let mut rows: Vec<_> = entities.iter().map(|(handle, parts)| (*handle, row(parts, &head.grid))).collect();
        rows.sort_by_key(|(handle, row)| (row.mask(), *handle));
        let written = slice(&head, &rows);
        let read = Frames::new(&written, Limits::up(Role::Server)).unwrap().next().unwrap().unwrap();
        let read = Slice::read(read.body).unwrap();
        prop_assert_eq!(read.head, head);
        prop_assert_eq!(read.rows().collect::<Vec<_>>(), rows);
    }

    #[test]
    fn reports_survive(
        batch in any::<u64>(), tick in any::<u64>(), last_of_tick in any::<bool>(),
        groups in collection::vec((any::<u64>(), handles(), exact_rows(), contents(20), contents(0), contents(20)), 0..3),
    ) {
        let head = report::Head { batch, tick, last_of_tick };
        let mut written = vec![];
        let mut writer = ReportWriter::begin(&head, groups.len(), &mut written);
        for (epoch, zone, rows, receipts, used, shots) in &groups {
            let mut group = writer.group(Epoch::from_number(*epoch), *zone, rows.keys().copied());
            for (row, variables) in rows.values() {
                group.row(&ExactRow { variables: variables.as_deref(), ..*row });
            }
            let receipts: Vec<_> = receipts.iter().map(|(target, number, answer)| Receipt {
                session: number >> 7, action: *number, target: *target, answer,
                outcome: if number % 2 == 0 { Outcome::Done } else { Outcome::Refused },
            }).collect();
            let used: Vec<_> = used.iter().map(|(character, number, _)| Used { character: *character, number: *number }).collect();
            group.end(&receipts, &used, &events(shots));
        }
        writer.end();
        let body = Frames::new(&written, Limits::up(Role::Server)).unwrap().next().unwrap().unwrap().body;
        let report = Report::read(body).unwrap();
        prop_assert_eq!(report.head, head);
        for (read, (epoch, zone, rows, receipts, used, shots)) in report.groups().zip(&groups) {
            prop_assert_eq!((read.epoch.number(), read.zone), (*epoch, *zone));
            // NaN is not equal to itself, but here its bits are.
            let rows = rows.iter().map(|(handle, (row, variables))| (*handle, ExactRow { variables: variables.as_deref(), ..*row }));
            prop_assert_eq!(format!("{:?}", read.rows.collect::<Vec<_>>()), format!("{:?}", rows.collect::<Vec<_>>()));
            prop_assert_eq!((read.receipts.len(), read.inputs.len()), (receipts.len(), used.len()));
            prop_assert_eq!(read.events.collect::<Vec<_>>(), events(shots));
        }
        prop_assert_eq!(rewritten(Kind::Report, body), Ok(written));
    }

    #[test]
    fn events_and_inputs_survive(
        moment in any::<u16>(), number in any::<u64>(), zone in handles(), cell in cells(), given in contents(256),
    ) {
        let mut written = vec![];
        event::put(moment, zone, &cell, &events(&given), &mut written);
        let inputs: Vec<_> = given.iter()
            .map(|(character, number, content)| PlayerInput { character: *character, number: *number, content }).collect();
        input::put_inputs(&inputs, &mut written);
        inputs.iter().for_each(|input| input.put_frame(&mut written));
        Applied { moment, number }.put_frame(&mut written);
        let frames: Vec<_> = Frames::new(&written, Limits::up(Role::Server)).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(frames.len(), 3 + inputs.len());
        let again: Vec<u8> = frames.iter().flat_map(|frame| rewritten(frame.kind, frame.body).unwrap()).collect();
        prop_assert_eq!(input::read_inputs(frames[1].body).unwrap().collect::<Vec<_>>(), inputs);
        prop_assert_eq!(again, written);
    }

    #[test]
    fn any_bytes_are_refused_or_are_the_one_form_of_a_frame(kind in sample::select(Kind::ALL), body in bytes(80)) {
        canonical(kind, &body)?;
        read_all(&body)?;
    }

    #[test]
    fn small_numbers_are_refused_or_are_the_one_form_of_a_frame(
        kind in sample::select(Kind::ALL), body in collection::vec(0..9_u8, 0..60),
    ) {
        canonical(kind, &body)?;
    }

    #[test]
    fn a_frame_with_some_bytes_changed_is_refused_or_is_the_one_form_of_another(
        frame in sample::select(all_frames()),
        changes in collection::vec((any::<sample::Index>(), 0..3_u8, any::<u8>()), 1..4),
    ) {
        let mut message = frame;
        for (at, change, byte) in changes {
            let at = at.index(message.len());
            match change {
                0 => message[at] = byte,
                1 => message.insert(at, byte),
                _ if message.len() > 1 => drop(message.remove(at)),
                _ => {}
            }
        }
        read_all(&message)?;
        // The length too: what is behind the kind is a body of another length.
        if let Some(kind) = Kind::from_number(message[0]) && message.len() > 2 {
            canonical(kind, &message[2..])?;
        }
    }

    #[test]
    fn a_frame_cut_short_is_refused(frame in sample::select(all_frames()), at in any::<sample::Index>()) {
        let cut = &frame[..at.index(frame.len())];
        let whole = Frames::new(cut, Limits::up(Role::Server)).map(|mut frames| frames.all(|frame| frame.is_ok()));
        prop_assert_ne!(whole, Ok(true));
    }
}
