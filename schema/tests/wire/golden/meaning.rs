//! What packed frames say, as JSON: the format is described in `proto/golden/README.md`.

use entitygraph_schema::{
    Handle, Value as Held, ValueKind, Visibility,
    id::{ComponentId, VariableId},
    wire::{
        Kind,
        event::{Event, Events},
        exact::ExactRow,
        horizon,
        input::{Applied, PlayerInput, read_inputs},
        pose::{rotation_of_heading, unpack_rotation, velocity_m_s},
        report::{Outcome, Report},
        row::Row,
        state::{Lane, Slice},
        variable::{Digits, Entries, Known, Variables},
    },
};
use serde_json::{Map, Value, json};

use crate::forms::hex;

/// The variables of the golden frames: one of each kind, in the order of [`ValueKind::ALL`], then three with precision.
pub fn variables() -> Variables {
    let mut variables = Variables::default();
    let precise = [ValueKind::Float, ValueKind::Vector, ValueKind::FloatList].map(|kind| (kind, Some(0.25)));
    let plain = ValueKind::ALL.map(|kind| (kind, None));
    for (number, (kind, precision)) in plain.into_iter().chain(precise).enumerate() {
        let variable = VariableId::new(number as u16 + 1).unwrap();
        let known = Known { component: ComponentId::new(1).unwrap(), variable, kind, precision };
        assert!(variables.insert(number as u32, known));
    }
    variables
}

pub fn of(kind: Kind, body: &[u8]) -> Value {
    match kind {
        Kind::State => state(&Slice::read(body).unwrap()),
        Kind::Report => report(&Report::read(body).unwrap()),
        Kind::Events => {
            let Events { moment, zone, cell, events } = Events::read(body).unwrap();
            json!({
                "moment": moment, "zone": zone.get(), "level": cell.level(), "cell": cell.at(),
                "events": events.map(event).collect::<Vec<_>>(),
            })
        }
        Kind::Horizon => json!({ "moment": horizon::read(body).unwrap() }),
        Kind::Input => input(PlayerInput::read(body).unwrap()),
        Kind::Inputs => json!({ "inputs": read_inputs(body).unwrap().map(input).collect::<Vec<_>>() }),
        Kind::Applied => {
            let Applied { moment, number } = Applied::read(body).unwrap();
            json!({ "moment": moment, "number": number })
        }
        _ => panic!("{kind} is not packed"),
    }
}

fn state(slice: &Slice<'_>) -> Value {
    let head = &slice.head;
    let lane = match head.lane {
        Lane::Motion => "motion",
        Lane::Prompt => "prompt",
        Lane::Slow => "slow",
    };
    let class = match head.class {
        Visibility::Public => "public",
        Visibility::OwnerOnly => "owner",
        Visibility::ServerOnly => "server",
    };
    let rows = slice.rows().map(|(handle, row)| {
        let Row { position, heading, rotation, velocity, variables } = row;
        let mut said = object(handle);
        said.insert("mask".to_owned(), row.mask().bits().into());
        let mut say = |name: &str, value: Value| said.insert(name.to_owned(), value);
        if let Some(position) = position {
            say("position", json!(position));
            say("position_m", json!(head.grid.point_m(position).to_array()));
        }
        if let Some(heading) = heading {
            say("heading", json!(heading));
            say("heading_xyzw", json!(rotation_of_heading(heading).to_array()));
        }
        if let Some(rotation) = rotation {
            say("rotation", json!(rotation));
            say("rotation_xyzw", json!(unpack_rotation(rotation).to_array()));
        }
        if let Some(velocity) = velocity {
            say("velocity", json!(velocity));
            say("velocity_m_s", json!(velocity_m_s(velocity).to_array()));
        }
        if let Some(bytes) = variables {
            say("variables", entries(bytes, Digits::Rounded));
        }
        Value::Object(said)
    });
    json!({
        "moment": head.moment, "age": head.age, "lane": lane, "class": class,
        "span_moments": head.span.moments(), "zone": head.zone.get(),
        "level": head.grid.cell().level(), "step": head.grid.step(), "cell": head.grid.cell().at(),
        "rows": rows.collect::<Vec<_>>(),
    })
}

fn report(report: &Report<'_>) -> Value {
    let groups = report.groups().map(|group| {
        let receipts = group.receipts.map(|receipt| {
            json!({
                "session": receipt.session, "action": receipt.action, "target": receipt.target.get(),
                "outcome": match receipt.outcome { Outcome::Done => "done", Outcome::Refused => "refused" },
                "answer": hex(receipt.answer),
            })
        });
        let inputs =
            group.inputs.map(|used| json!({ "character": used.character.get(), "number": used.number }));
        json!({
            "epoch": group.epoch.number(), "zone": group.zone.get(),
            "rows": group.rows.map(|(handle, row)| exact_row(handle, &row)).collect::<Vec<_>>(),
            "receipts": receipts.collect::<Vec<_>>(),
            "inputs": inputs.collect::<Vec<_>>(),
            "events": group.events.map(event).collect::<Vec<_>>(),
        })
    });
    let head = &report.head;
    json!({
        "batch": head.batch, "tick": head.tick, "last_of_tick": head.last_of_tick,
        "groups": groups.collect::<Vec<_>>(),
    })
}

pub fn exact_row(handle: Handle, row: &ExactRow<'_>) -> Value {
    let ExactRow { position_m, rotation, velocity_m_s, variables } = row;
    let mut said = object(handle);
    let mut say = |name: &str, value: Value| said.insert(name.to_owned(), value);
    if let Some(position) = position_m {
        say("position_m", json!(position.to_array()));
    }
    if let Some(rotation) = rotation {
        say("rotation_xyzw", json!(rotation.to_array()));
    }
    if let Some(velocity) = velocity_m_s {
        say("velocity_m_s", json!(velocity.to_array()));
    }
    if let Some(bytes) = variables {
        say("variables", entries(bytes, Digits::Exact));
    }
    Value::Object(said)
}

fn object(handle: Handle) -> Map<String, Value> {
    Map::from_iter([("handle".to_owned(), handle.get().into())])
}

fn event(event: Event<'_>) -> Value {
    json!({ "source": event.source.get(), "kind": event.kind, "content": hex(event.content) })
}

fn input(input: PlayerInput<'_>) -> Value {
    json!({ "character": input.character.get(), "number": input.number, "content": hex(input.content) })
}

fn entries(bytes: &[u8], digits: Digits) -> Value {
    let variables = variables();
    let entries = Entries::new(bytes, &variables, digits).map(|entry| {
        let entry = entry.unwrap();
        json!({
            "number": entry.number, "kind": entry.known.kind.name(), "precision": entry.known.precision,
            "value": entry.value.as_ref().map(value),
        })
    });
    Value::Array(entries.collect())
}

fn value(value: &Held) -> Value {
    match value {
        Held::Bool(value) => json!(value),
        Held::Int(value) => json!(value.to_string()),
        Held::Float(value) => json!(value),
        Held::Text(text) => json!(&**text),
        Held::Entity(id) => json!(id.to_string()),
        Held::Vector(axes) => json!(axes),
        Held::Bytes(bytes) => json!(hex(bytes)),
        Held::IntList(list) => json!(list.iter().map(i64::to_string).collect::<Vec<_>>()),
        Held::FloatList(list) => json!(&list[..]),
        Held::TextList(list) => json!(list.iter().map(|text| &**text).collect::<Vec<_>>()),
    }
}
