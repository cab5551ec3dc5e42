// Hand-made frames of a small world: what a hub sends.
import { handlesBytes, exactRowsFields, kindOf, messageFrame, sliceFrame, Output, type ExactRow, type Frame, type Inits, type MessageKind, type Slice, type Row } from "../src/wire/index.js";
import { type Value, putValue } from "../src/wire/value.js";

/** A frame as a view takes it. */
export function taken(bytes: Uint8Array): Pick<Frame, "kind" | "body"> {
  let at = 1;
  while (bytes[at]! >= 0x80) at += 1;
  return { kind: kindOf(bytes[0]!)!, body: bytes.subarray(at + 1) };
}

export function message<K extends MessageKind>(kind: K, init: Inits[K]): Pick<Frame, "kind" | "body"> {
  return taken(messageFrame(kind, init));
}

export interface Draft {
  id: bigint;
  name?: string;
  at?: [number, number, number];
  zone?: boolean;
  labels?: string[];
  values?: [variable: number, value: Value][];
}

/** An entity in record form; its values are of component 1. */
export function entityBytes({ id, name = "", at, zone = false, labels = [], values = [] }: Draft): Uint8Array<ArrayBuffer> {
  const out = new Output();
  out.number(1);
  out.number(0);
  out.number(id);
  out.text("thing");
  const bits = [name !== "", false, false, at !== undefined, false, values.length > 0, false, labels.length > 0, false, zone];
  out.number(bits.reduce((sum, bit, index) => sum + (bit ? 2 ** index : 0), 0));
  if (name !== "") out.text(name);
  if (at !== undefined) {
    out.byte(1);
    at.forEach((axis) => out.float(axis));
  }
  if (values.length > 0) {
    out.number(1);
    out.number(1);
    out.list(values, ([variable, value]) => {
      out.number(variable);
      putValue(value, out);
    });
  }
  if (labels.length > 0) out.list(labels, (label) => out.text(label));
  if (zone) [-100, -100, -100, 100, 100, 100].forEach((axis) => out.float(axis));
  return out.done();
}

/** A component type in record form: id 1, variables 1 to n with these defaults. */
export function componentBytes(defaults: Value[]): Uint8Array<ArrayBuffer> {
  const out = new Output();
  out.number(1);
  out.number(1);
  out.text("hull");
  out.list(defaults, (value) => {
    out.number(defaults.indexOf(value) + 1);
    out.text(`v${defaults.indexOf(value) + 1}`);
    putValue(value, out);
    out.number(0);
  });
  return out.done();
}

export function handles(...list: number[]): { handles: Uint8Array<ArrayBuffer>; count: number } {
  return { handles: handlesBytes(list), count: list.length };
}

export function exactRows(zone: number, ...rows: ExactRow[]): { zone: number; handles: Uint8Array<ArrayBuffer>; count: number; rows: Uint8Array<ArrayBuffer> } {
  return { zone, ...exactRowsFields(rows) };
}

/** A slice of a cell at the origin with steps of 1 m. */
export function state(moment: bigint, zone: number, rows: Row[], more: Partial<Slice> = {}): Pick<Frame, "kind" | "body"> {
  const grid = { level: 6, at: [0, 0, 0] as [number, number, number], step: 0 };
  const head = { moment: Number(moment & 0xffffn), age: 0n, lane: "motion", class: "public", span: 4, zone, grid } as const;
  return taken(sliceFrame({ ...head, ...more, rows }));
}

/** A batch of a zone and walkers in it, each an aggregate of its own whose id, and place in metres along x, is its handle. */
export function walkers(number: bigint, zone: number, list: number[]): Inits["Bind"] {
  const single = (handle: number, parent: number, entity: Draft) => ({
    member: { case: "single" as const, value: { handle, parent, root: handle, entity: entityBytes(entity) } },
  });
  const members = list.map((handle) => single(handle, zone, { id: BigInt(handle), at: [handle, 2, 3] }));
  return { seq: number, batch: number, moment: 1n, members: [single(zone, 0, { id: BigInt(zone), zone: true }), ...members] };
}
