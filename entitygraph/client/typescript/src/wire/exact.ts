// Exact rows (docs/protocol.md, "Report"): what a server says of an entity, to the last bit. Reports have them, and the
// message `ExactRows` of second snapshots.
import { Input, Output } from "./bytes.js";
import { putHandles, readHandles, takeHandles } from "./handles.js";
import { type Quat, type Vec3, pointFault, rotationFault } from "./pose.js";

const POSITION = 1;
const ROTATION = 2;
const VELOCITY = 4;
const VARIABLES = 8;

/** What changed of one entity. It may hold any floats: `exactRowFault` judges. */
export interface ExactRow {
  handle: number;
  /** Place in the zone, in metres. */
  position?: Vec3;
  /** Attitude in the zone, a unit quaternion x y z w of 32-bit floats. */
  rotation?: Quat;
  /** Velocity in the zone, in m/s, of 32-bit floats. */
  velocity?: Vec3;
  /** For `readEntries`, exact. Not copied. */
  variables?: Uint8Array;
}

function takeRow(handle: number, input: Input): ExactRow {
  const start = input.at;
  const mask = input.byte();
  if (mask > 0x0f) throw input.error(start, `${mask} is no mask of an exact row`);
  const row: ExactRow = { handle };
  const [f32, f64] = [(): number => input.f32(), (): number => input.f64()];
  if (mask & POSITION) row.position = [f64(), f64(), f64()];
  if (mask & ROTATION) row.rotation = [f32(), f32(), f32(), f32()];
  if (mask & VELOCITY) row.velocity = [f32(), f32(), f32()];
  if (mask & VARIABLES) row.variables = input.sized();
  return row;
}

/** Takes the handles, `count` of them, then their rows. */
export function takeExactRows(count: number, input: Input): ExactRow[] {
  return takeHandles(count, input).map((handle) => takeRow(handle, input));
}

/** The rows of a message: its fields `handles`, `count` and `rows`. */
export function readExactRows(message: { handles: Uint8Array; count: number; rows: Uint8Array }): ExactRow[] {
  const handles = readHandles(message.handles, message.count);
  const input = new Input("exact rows", message.rows);
  const rows = handles.map((handle) => takeRow(handle, input));
  input.end();
  return rows;
}

/** Appends the handles, which ascend, then the rows. */
export function putExactRows(rows: readonly ExactRow[], out: Output): void {
  putHandles(rows.map((row) => row.handle), out);
  rows.forEach((row) => putRow(row, out));
}

/** The fields `handles`, `count` and `rows` of a message. */
export function exactRowsFields(rows: readonly ExactRow[]): { handles: Uint8Array<ArrayBuffer>; count: number; rows: Uint8Array<ArrayBuffer> } {
  const [handles, bytes] = [new Output(), new Output()];
  putHandles(rows.map((row) => row.handle), handles);
  rows.forEach((row) => putRow(row, bytes));
  return { handles: handles.done(), count: rows.length, rows: bytes.done() };
}

function putRow(row: ExactRow, out: Output): void {
  out.byte(
    (row.position === undefined ? 0 : POSITION) |
      (row.rotation === undefined ? 0 : ROTATION) |
      (row.velocity === undefined ? 0 : VELOCITY) |
      (row.variables === undefined ? 0 : VARIABLES),
  );
  row.position?.forEach((axis) => out.f64(axis));
  row.rotation?.forEach((part) => out.f32(part));
  row.velocity?.forEach((axis) => out.f32(axis));
  if (row.variables !== undefined) out.sized(row.variables);
}

/** Why no entity can have this (`BAD_VALUE`), if so: a coordinate, a float that is not finite, a rotation's length. */
export function exactRowFault(row: ExactRow): string | undefined {
  const endless = row.velocity?.find((axis) => !Number.isFinite(axis));
  return (
    (row.position && pointFault("the position", row.position)) ??
    (row.rotation && rotationFault(row.rotation)) ??
    (endless === undefined ? undefined : `the velocity is not finite: ${endless}`)
  );
}
