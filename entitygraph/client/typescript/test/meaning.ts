// What frames say, as the JSON of the golden files (schema/proto/golden/README.md).
import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";

import * as wire from "../src/wire/index.js";
import { goldenVariables, hex } from "./golden.js";

/** What a packed frame says. */
export function packedMeaning(kind: wire.PackedKind, body: Uint8Array): unknown {
  switch (kind) {
    case "State":
      return slice(wire.readSlice(body));
    case "Report":
      return report(wire.readReport(body));
    case "Events": {
      const { moment, zone, cell, events } = wire.readEvents(body);
      return { moment, zone, level: cell.level, cell: cell.at, events: events.map(event) };
    }
    case "Horizon":
      return { moment: Number(wire.readHorizon(body)) };
    case "Input":
      return input(wire.readInput(body));
    case "Inputs":
      return { inputs: wire.readInputs(body).map(input) };
    case "Applied": {
      const { moment, number } = wire.readApplied(body);
      return { moment, number: Number(number) };
    }
  }
}

/** The frame, written anew from what was read of it. */
export function rewritten(kind: wire.Kind, body: Uint8Array): Uint8Array {
  switch (kind) {
    case "State":
      return wire.sliceFrame(wire.readSlice(body));
    case "Report":
      return wire.reportFrame(wire.readReport(body));
    case "Events":
      return wire.eventsFrame(wire.readEvents(body));
    case "Horizon":
      return wire.horizonFrame(wire.readHorizon(body));
    case "Input":
      return wire.inputFrame(wire.readInput(body));
    case "Inputs":
      return wire.inputsFrame(wire.readInputs(body));
    case "Applied":
      return wire.appliedFrame(wire.readApplied(body));
    default:
      return wire.messageFrame(kind, wire.readMessage(kind, body));
  }
}

function slice(read: wire.Slice): unknown {
  const rows = read.rows.map((row) => {
    const { handle, position, heading, rotation, velocity, variables } = row;
    return {
      handle,
      mask: wire.maskOf(row),
      ...(position && { position, position_m: wire.pointOf(read.grid, position) }),
      ...(heading !== undefined && { heading, heading_xyzw: wire.rotationOfHeading(heading) }),
      ...(rotation !== undefined && { rotation, rotation_xyzw: wire.unpackRotation(rotation) }),
      ...(velocity && { velocity, velocity_m_s: wire.velocityOf(velocity) }),
      ...(variables && { variables: entries(variables, "rounded") }),
    };
  });
  return {
    moment: read.moment,
    age: Number(read.age),
    lane: read.lane,
    class: read.class,
    span_moments: read.span === "full" ? null : 2 ** read.span,
    zone: read.zone,
    level: read.grid.level,
    step: read.grid.step,
    cell: read.grid.at,
    rows,
  };
}

function report(read: wire.Report): unknown {
  const groups = read.groups.map((group) => ({
    epoch: Number(group.epoch),
    zone: group.zone,
    rows: group.rows.map(exactRow),
    receipts: group.receipts.map(({ session, action, target, outcome, answer }) => ({
      session: Number(session),
      action: Number(action),
      target,
      outcome,
      answer: hex(answer),
    })),
    inputs: group.inputs.map(({ character, number }) => ({ character, number: Number(number) })),
    events: group.events.map(event),
  }));
  return { batch: Number(read.batch), tick: Number(read.tick), last_of_tick: read.lastOfTick, groups };
}

function exactRow({ handle, position, rotation, velocity, variables }: wire.ExactRow): unknown {
  return {
    handle,
    ...(position && { position_m: position }),
    ...(rotation && { rotation_xyzw: rotation }),
    ...(velocity && { velocity_m_s: velocity }),
    ...(variables && { variables: entries(variables, "exact") }),
  };
}

function event({ source, kind, content }: wire.Event): unknown {
  return { source, kind, content: hex(content) };
}

function input({ character, number, content }: wire.PlayerInput): unknown {
  return { character, number: Number(number), content: hex(content) };
}

function entries(bytes: Uint8Array, digits: wire.Digits): unknown {
  return wire.readEntries(bytes, goldenVariables(), digits).map(({ number, known, value }) => ({
    number,
    kind: known.kind,
    precision: known.precision ?? null,
    value: value === undefined ? null : plain(value.value),
  }));
}

function plain(value: wire.Value["value"]): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return hex(value);
  return Array.isArray(value) ? value.map((item) => plain(item)) : value;
}

/** What a message says: the names of the .proto, without fields that are not said. */
export function messageMeaning(kind: wire.MessageKind, body: Uint8Array): unknown {
  return said(reflect(wire.SCHEMAS[kind] as DescMessage, wire.readMessage(kind, body)));
}

function said(message: ReflectMessage): Record<string, unknown> {
  const meaning: Record<string, unknown> = {};
  for (const field of message.fields.filter((one) => message.isSet(one))) {
    meaning[field.name] = fieldMeaning(field, message.get(field));
  }
  if (message.desc.name === "ExactRows") {
    meaning["read"] = wire.readExactRows(message.message as Message & Parameters<typeof wire.readExactRows>[0]).map(exactRow);
  }
  return meaning;
}

function fieldMeaning(field: DescField, value: unknown): unknown {
  if (field.fieldKind === "list") return Array.from(value as Iterable<unknown>, (item) => oneMeaning(field, item));
  return oneMeaning(field, value);
}

function oneMeaning(field: DescField, value: unknown): unknown {
  if (field.message !== undefined) return said(value as ReflectMessage);
  if (field.enum !== undefined) return field.enum.value[value as number]?.name ?? value;
  if (value instanceof Uint8Array) return hex(value);
  if (typeof value === "bigint") return field.scalar === ScalarType.FIXED64 ? value.toString() : Number(value);
  return value;
}
