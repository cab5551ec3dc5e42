//! The golden frames, written by the real writers.

use entitygraph_schema::{
    EntityId, Epoch, Value as Held, Visibility,
    wire::{
        Kind,
        cell::{Cell, Grid},
        control::{self, Message, message},
        event::{self, Event},
        exact::ExactRow,
        horizon,
        input::{self, Applied, PlayerInput},
        number::put_handles,
        pose::{heading, pack_rotation, velocity_steps},
        report::{self, Outcome, Receipt, ReportWriter, Used},
        row::Row,
        state::{Head, Lane, Span},
        variable::{put_cleared, put_value},
    },
};
use glam::{DQuat, DVec3, Quat, Vec3};
use serde_json::{Value, json};

use super::meaning;
use crate::forms::{handle, hex, slice};

pub struct Case {
    pub file: &'static str,
    pub about: &'static str,
    pub frame: Vec<u8>,
    pub meaning: Value,
}

pub fn all() -> impl Iterator<Item = Case> {
    packed().into_iter().chain(messages())
}

/// The head of the example on the page.
pub fn example_head() -> Head {
    Head {
        moment: (16 * 90_017 + 3) as u16,
        age: 3,
        lane: Lane::Motion,
        class: Visibility::Public,
        span: Span::reaching(16).unwrap(),
        zone: handle(300),
        grid: Grid::new(Cell::new(5, [-2, 3, 0]).unwrap(), -6).unwrap(),
    }
}

/// The slice of the example on the page.
pub fn three_walkers() -> Vec<u8> {
    let head = example_head();
    let walker = |number, x, y, z, degrees: f64| {
        let position = Some(head.grid.steps(DVec3::new(x, y, z)));
        let heading = heading(DQuat::from_rotation_z(degrees.to_radians()));
        (handle(number), Row { position, heading, ..Row::default() })
    };
    let rows = [
        walker(4097, -63.492, 97.258, 1.008, 0.0),
        walker(4099, -39.992, 110.508, 1.008, 90.0),
        walker(4102, -32.008, 127.898, 1.758, 180.0),
    ];
    slice(&head, &rows)
}

/// One value of each kind, in the order of their numbers.
fn values() -> [Held; 10] {
    [
        Held::Bool(true),
        Held::Int(i64::MIN),
        Held::Float(-0.1),
        Held::Text("Tür".into()),
        Held::Entity(EntityId::new(u64::MAX).unwrap()),
        Held::Vector([1.0, -2.5, 1e21]),
        Held::Bytes([0, 255][..].into()),
        Held::IntList([0, -1, 300][..].into()),
        Held::FloatList([0.5][..].into()),
        Held::TextList(["".into(), "b".into()][..].into()),
    ]
}

/// Entries of all variables of [`meaning::variables`].
fn entries(rounded: bool) -> Vec<u8> {
    let mut out = vec![];
    for (number, value) in values().iter().enumerate() {
        put_value(number as u32, value, None, &mut out);
    }
    let precision = rounded.then_some(0.25);
    put_value(10, &Held::Float(-1.4), precision, &mut out);
    put_value(11, &Held::Vector([0.0, 0.3, -1000.0]), precision, &mut out);
    put_value(12, &Held::FloatList([0.125, -0.125, 7.0][..].into()), precision, &mut out);
    out
}

fn packed() -> Vec<Case> {
    let case = |file, about, frame: Vec<u8>| {
        let head = if frame[1] < 0x80 { 2 } else { 3 };
        let meaning = meaning::of(Kind::from_number(frame[0]).unwrap(), &frame[head..]);
        Case { file, about, frame, meaning }
    };
    let mut horizon = vec![];
    horizon::put(16 * 90_017, &mut horizon);
    let mut input = vec![];
    let walk = PlayerInput { character: handle(4097), number: 700, content: &[1, 0x7f, 0] };
    walk.put_frame(&mut input);
    let mut inputs = vec![];
    let stand = PlayerInput { character: handle(12), number: 1, content: &[] };
    input::put_inputs(&[walk, stand], &mut inputs);
    let mut applied = vec![];
    Applied { moment: 64_019, number: 700 }.put_frame(&mut applied);
    vec![
        case("40-state", "the three walkers of docs/protocol.md", three_walkers()),
        case(
            "40-state-free",
            "full, of a large cell: rotations and velocities, and one that stopped",
            ships(),
        ),
        case(
            "40-state-variables",
            "values of every kind and precision, for an owner; one that is cleared",
            variables(),
        ),
        case("40-state-widest", "42 bits an axis, the lowest level, longest span", widest()),
        case("41-report", "two groups: rows of all parts, receipts, an input, an event", report()),
        case("41-report-empty", "nothing changed, and more of the tick follows", empty_report()),
        case("42-events", "two shots in a cell", events()),
        case("43-horizon", "a whole moment", horizon),
        case("44-input", "what a player does now", input),
        case("45-inputs", "of two characters, one without content", inputs),
        case("46-applied", "which input the next slice contains", applied),
    ]
}

fn ships() -> Vec<u8> {
    let grid = Grid::new(Cell::new(12, [-1, 0, 7]).unwrap(), -4).unwrap();
    let head = Head {
        lane: Lane::Motion,
        class: Visibility::ServerOnly,
        span: Span::FULL,
        zone: handle(1),
        grid,
        ..example_head()
    };
    let ship = |number, point, rotation: DQuat, velocity: Option<DVec3>| {
        let row = Row {
            position: Some(grid.steps(point)),
            rotation: Some(pack_rotation(rotation.normalize())),
            velocity: velocity.map(velocity_steps),
            ..Row::default()
        };
        (handle(number), row)
    };
    let still = ship(9, DVec3::new(-4096.0, 4095.99, 28_672.0), DQuat::from_xyzw(0.5, -0.5, -0.5, 0.5), None);
    let moving = ship(
        8,
        DVec3::new(-1.5, 2000.25, 30_000.0),
        DQuat::from_xyzw(0.1, -0.2, 0.3, -0.9),
        Some(DVec3::new(250.0, -0.03125, -3.0)),
    );
    let stopped = (handle(3), Row { velocity: Some([0; 3]), ..Row::default() });
    slice(&head, &[still, stopped, moving])
}

fn variables() -> Vec<u8> {
    let head = Head {
        lane: Lane::Prompt,
        class: Visibility::OwnerOnly,
        span: Span::of_exponent(0).unwrap(),
        age: 300,
        ..example_head()
    };
    let entries = entries(true);
    let mut cleared = vec![];
    put_cleared(1, &mut cleared);
    put_value(2, &Held::Float(0.5), None, &mut cleared);
    let row = |number, bytes| (handle(number), Row { variables: Some(bytes), ..Row::default() });
    slice(&head, &[row(1, &entries[..]), row(u32::MAX, &cleared[..])])
}

fn widest() -> Vec<u8> {
    let grid = Grid::new(Cell::new(-3, [-9, 1 << 50, 0]).unwrap(), -45).unwrap();
    let head = Head {
        lane: Lane::Slow,
        span: Span::of_exponent(10).unwrap(),
        zone: handle(u32::MAX),
        grid,
        ..example_head()
    };
    let row =
        Row { position: Some([0, (1 << 42) - 1, 1]), velocity: Some([-1, 0, 1 << 50]), ..Row::default() };
    slice(&head, &[(handle(1), row)])
}

fn report() -> Vec<u8> {
    let entries = entries(false);
    let all = ExactRow {
        position_m: Some(DVec3::new(-63.492, 97.258, 1e21)),
        rotation: Some(Quat::from_xyzw(0.0, 0.6, 0.0, -0.8)),
        velocity_m_s: Some(Vec3::new(1.25, 0.0, -3.5)),
        variables: Some(&entries),
    };
    let walked = ExactRow { position_m: Some(DVec3::new(0.1, 0.2, 0.3)), ..ExactRow::default() };
    let shot = Event { source: handle(4102), kind: 3, content: &[1, 2] };
    let opened =
        Receipt { session: 77, action: 5, target: handle(4099), outcome: Outcome::Done, answer: b"ok" };
    let refused = Receipt { action: 6, outcome: Outcome::Refused, answer: &[], ..opened };
    let used = Used { character: handle(4097), number: 700 };
    let mut out = vec![];
    let head = report::Head { batch: 12, tick: 90_017, last_of_tick: true };
    let mut writer = ReportWriter::begin(&head, 2, &mut out);
    let mut group = writer.group(Epoch::from_number(130), handle(300), [4097, 4102].map(handle).into_iter());
    group.row(&walked);
    group.row(&all);
    group.end(&[opened, refused], &[used], &[shot]);
    writer.group(Epoch::from_number(131), handle(301), [].into_iter()).end(&[], &[], &[]);
    writer.end();
    out
}

fn empty_report() -> Vec<u8> {
    let mut out = vec![];
    ReportWriter::begin(&report::Head { batch: 1, tick: 0, last_of_tick: false }, 0, &mut out).end();
    out
}

fn events() -> Vec<u8> {
    let mut out = vec![];
    let shots = [
        Event { source: handle(4097), kind: 3, content: &[0xde, 0xad] },
        Event { source: handle(4097), kind: 200, content: &[] },
    ];
    event::put(64_019, handle(300), &Cell::new(5, [-2, 3, 0]).unwrap(), &shots, &mut out);
    out
}

/// Meanings have the names of the .proto, without fields that are not said; bytes are hex, 64-bit ids texts.
fn messages() -> Vec<Case> {
    fn case<M: Message>(file: &'static str, about: &'static str, message: M, meaning: Value) -> Case {
        let mut frame = vec![];
        control::put(&message, &mut frame);
        Case { file, about, frame, meaning }
    }
    let hello = message::Hello {
        version_min: 1,
        version_max: 1,
        login: Some(message::hello::Login::Subject(message::Subject {
            name: "anna".into(),
            role: message::Role::Player.into(),
        })),
        software: "test 1".into(),
        ..Default::default()
    };
    let refused = message::Refused {
        code: message::Code::Flood.into(),
        reason: "too fast".into(),
        retry_after_ms: 5000,
        ..Default::default()
    };
    let action = message::Action {
        number: 5,
        target: 4099,
        kind: 2,
        content: vec![1, 2, 3],
        tick: 90_017,
        ..Default::default()
    };
    let (mut handles, mut rows) = (vec![], vec![]);
    put_handles([4097, 4099].map(handle), &mut handles);
    let moved = ExactRow { position_m: Some(DVec3::new(0.1, 0.2, 0.3)), ..ExactRow::default() };
    let turned = ExactRow { rotation: Some(Quat::IDENTITY), ..ExactRow::default() };
    moved.put(&mut rows);
    turned.put(&mut rows);
    let row_meaning = json!({
        "zone": 300, "count": 2, "handles": hex(&handles), "rows": hex(&rows),
        "read": [meaning::exact_row(handle(4097), &moved), meaning::exact_row(handle(4099), &turned)],
    });
    let activate = message::Activate {
        seq: 8,
        batch: 7,
        moment: 16 * 90_017,
        changed: vec![message::ExactRows { zone: 300, count: 2, handles, rows }],
        ..Default::default()
    };
    assert!(activate.changed[0].read().is_ok_and(|rows| rows.len() == 2));
    let instance = message::Instance {
        container: 4,
        version: 2,
        first_id: u64::MAX - 9,
        first_handle: 5000,
        count: 10,
        parent: 300,
        pose: Some(message::Pose {
            zone: 300,
            translation_m: Some(message::Vector { x: 1.5, y: -2.0, z: 0.0 }),
            rotation: vec![0.0, 0.0, 0.0, 1.0],
        }),
        ..Default::default()
    };
    let bind = message::Bind {
        seq: 7,
        batch: 7,
        moment: 16 * 90_000,
        members: vec![message::Member { member: Some(message::member::Member::Instance(instance)) }],
        rest: true,
    };
    vec![
        case(
            "01-hello",
            "a login without keys",
            hello,
            json!({
                "version_min": 1, "version_max": 1, "subject": { "name": "anna", "role": "ROLE_PLAYER" },
                "software": "test 1",
            }),
        ),
        case(
            "03-refused",
            "a code, a reason, and when to try again",
            refused,
            json!({ "code": "CODE_FLOOD", "reason": "too fast", "retry_after_ms": 5000 }),
        ),
        case(
            "04-ping",
            "a number of several bytes",
            message::Ping { sender_us: 1_234_567_890_123 },
            json!({ "sender_us": 1_234_567_890_123_u64 }),
        ),
        case("0D-register", "a message without a byte", message::Register::default(), json!({})),
        case(
            "20-action",
            "what a player sends",
            action,
            json!({ "number": 5, "target": 4099, "kind": 2, "content": "010203", "tick": 90_017 }),
        ),
        case(
            "60-bind",
            "an instance with an id beyond 2^53",
            bind,
            json!({
                "seq": 7, "batch": 7, "moment": 16 * 90_000, "rest": true,
                "members": [{ "instance": {
                    "container": 4, "version": 2, "first_id": (u64::MAX - 9).to_string(), "first_handle": 5000,
                    "count": 10, "parent": 300,
                    "pose": {
                        "zone": 300, "translation_m": { "x": 1.5, "y": -2.0 },
                        "rotation": [0.0, 0.0, 0.0, 1.0],
                    },
                } }],
            }),
        ),
        case(
            "62-activate",
            "exact rows inside a message",
            activate,
            json!({ "seq": 8, "batch": 7, "moment": 16 * 90_017, "changed": [row_meaning] }),
        ),
    ]
}
