use entitygraph_schema::wire::{Role, frame::Frames, limits::Limits};

use super::*;

fn handle(number: u32) -> Handle {
    Handle::new(number).unwrap()
}

fn group(handle: Handle) -> Option<Group> {
    let number = handle.get();
    let zone = Handle::new(1 + number % 2).unwrap();
    (number < 1_000).then_some(Group { epoch: Epoch::from_number(7), zone })
}

/// Epoch, zone, handles of its rows, and how many receipts, inputs and events.
type Told = (u64, u32, Vec<u32>, usize, usize, usize);

fn read(frames: &[Vec<u8>]) -> Vec<(Head, Vec<Told>)> {
    let mut heads = Vec::new();
    for frame in frames {
        let frame = Frames::new(frame, Limits::up(Role::Server)).unwrap().next().unwrap().unwrap();
        let report = report::Report::read(frame.body).unwrap();
        let groups = report.groups().map(|group| {
            let handles = group.rows.clone().map(|(handle, _)| handle.get()).collect();
            let (receipts, inputs, events) =
                (group.receipts.count(), group.inputs.count(), group.events.count());
            (group.epoch.number(), group.zone.get(), handles, receipts, inputs, events)
        });
        heads.push((report.head, groups.collect()));
    }
    heads
}

#[test]
fn it_is_written_by_epoch_and_zone_in_ascending_order() {
    let mut report = Report::new(90);
    for number in [9, 4, 7, 2, 5_000] {
        report.motion(handle(number), Some(DVec3::splat(number.into())), None, None).unwrap();
    }
    report.motion(handle(4), None, None, Some(Vec3::X)).unwrap();
    report.variable(handle(4), 3, Some(Value::Int(5)));
    report.variable(handle(4), 1, None);
    report.used(handle(6), 12);
    report.happened(handle(7), 1, b"shot").unwrap();
    let action = message::Action { number: 3, session: 8, target: 2, ..Default::default() };
    report.judged(&action, Outcome::Done, b"yes").unwrap();
    let written = report.write(40, 1 << 20, &[], group);
    let head = Head { batch: 41, tick: 90, last_of_tick: true };
    assert_eq!(
        read(&written.frames),
        [(head, vec![(7, 1, vec![2, 4], 1, 1, 0), (7, 2, vec![7, 9], 0, 0, 1)])]
    );
    assert_eq!(written.left_out, [handle(5_000)]);
}

#[test]
fn what_is_too_much_for_a_frame_goes_into_several_of_one_tick() {
    let mut report = Report::new(90);
    for number in 1..500 {
        report.motion(handle(number), Some(DVec3::ONE), Some(Quat::IDENTITY), Some(Vec3::ONE)).unwrap();
    }
    let written = report.write(0, 4_000, &[], group);
    assert!(
        written.frames.iter().all(|frame| frame.len() <= 4_000),
        "{:?}",
        written.frames.iter().map(Vec::len)
    );
    let reports = read(&written.frames);
    let batches: Vec<_> = reports.iter().map(|(head, _)| (head.batch, head.last_of_tick)).collect();
    let count = reports.len() as u64;
    assert!(count > 3);
    assert_eq!(batches, (1..=count).map(|batch| (batch, batch == count)).collect::<Vec<_>>());
    let rows: usize = reports.iter().flat_map(|(_, groups)| groups).map(|group| group.2.len()).sum();
    assert_eq!(rows, 499);
}

#[test]
fn what_nothing_can_be_is_refused_where_it_is_said() {
    let mut report = Report::new(1);
    let nan = report.motion(handle(3), Some(DVec3::NAN), None, None).unwrap_err().to_string();
    assert!(nan.contains("handle 3") && nan.contains("position"), "{nan}");
    assert!(matches!(report.happened(handle(3), 1, &[0; 257]), Err(Bad::Long { .. })));
    let action = message::Action { target: 3, ..Default::default() };
    assert!(matches!(report.judged(&action, Outcome::Done, &[0; 1_025]), Err(Bad::Long { .. })));
    assert!(report.is_empty());
    let written = report.write(0, 1_000, &[], group);
    assert_eq!(read(&written.frames), [(Head { batch: 1, tick: 1, last_of_tick: true }, vec![])]);
}
