// Slices (docs/protocol.md, "State", kind 40): what is now so in one cell, for all who follow it.
import { Input, Output } from "./bytes.js";
import { type Grid, putGrid, putSteps, takeGrid, takeSteps } from "./cell.js";
import { packed } from "./frame.js";
import { putHandles, takeHandles } from "./handles.js";
import { type Vec3, isRotation, takeRotation } from "./pose.js";

export const LANES = ["motion", "prompt", "slow"] as const;
export const VISIBILITIES = ["public", "owner", "server"] as const;

/** What is sent how often. */
export type Lane = (typeof LANES)[number];

/** For whom a slice is. */
export type Visibility = (typeof VISIBILITIES)[number];

const EXPONENT_MAX = 10;
const FULL = 15;

const POSITION = 1;
const HEADING = 2;
const ROTATION = 4;
const VELOCITY = 8;
const VARIABLES = 16;

/** What a slice says of one entity, as it stands in the bytes. */
export interface Row {
  handle: number;
  /** Steps from the corner of the cell, see `pointOf`. */
  position?: Vec3;
  /** See `rotationOfHeading`; not together with a rotation. */
  heading?: number;
  /** See `unpackRotation`. */
  rotation?: number;
  /** See `velocityOf`. */
  velocity?: Vec3;
  /** For `readEntries`, rounded. Not copied. */
  variables?: Uint8Array;
}

/** What a slice says before its rows. */
export interface SliceHead {
  /** Lower 16 bits of the moment it was made at, see `nearestMoment`. */
  moment: number;
  /** Moments since the end of the simulation tick of the newest change in it. */
  age: bigint;
  lane: Lane;
  class: Visibility;
  /** It covers 2^span moments, 0 to 10; `full` is the pose of each entity of the cell that ever moved. */
  span: number | "full";
  /** Handle of the zone host that the cell is in. */
  zone: number;
  grid: Grid;
}

/** A slice; its rows are in the order of the bytes. */
export interface Slice extends SliceHead {
  rows: Row[];
}

/** Which parts a row has, as the bits of its section's mask. */
export function maskOf(row: Row): number {
  return (
    (row.position === undefined ? 0 : POSITION) |
    (row.heading === undefined ? 0 : HEADING) |
    (row.rotation === undefined ? 0 : ROTATION) |
    (row.velocity === undefined ? 0 : VELOCITY) |
    (row.variables === undefined ? 0 : VARIABLES)
  );
}

function isMask(mask: number): boolean {
  return mask !== 0 && mask < 32 && (mask & (HEADING | ROTATION)) !== (HEADING | ROTATION);
}

/** Reads the body of a State frame, all of it but the entries of variables. */
export function readSlice(body: Uint8Array): Slice {
  const input = new Input("State", body);
  const slice: Slice = { ...takeHead(input), rows: [] };
  const seen = new Set<number>();
  let last = 0;
  while (input.left > 0) {
    const start = input.at;
    const mask = input.byte();
    if (!isMask(mask)) throw input.error(start, `${mask} is no mask of a section`);
    const at = input.at;
    // A handle and a row take two bytes at least.
    const count = input.count(2);
    if (count === 0) throw input.error(at, "0 is no count of a section");
    const handles = takeHandles(count, input);
    if (mask <= last) throw input.error(start, "a section stands after an equal or greater one");
    last = mask;
    for (const handle of handles) {
      if (seen.has(handle)) throw input.error(start, "a handle that stood in another section stands after an equal or greater one");
    }
    for (const handle of handles) {
      seen.add(handle);
      slice.rows.push(takeRow(handle, mask, slice.grid, input));
    }
  }
  return slice;
}

function takeHead(input: Input): SliceHead {
  const moment = input.u16();
  const age = input.number();
  const start = input.at;
  const shape = input.byte();
  const lane = LANES[shape & 3];
  const visibility = VISIBILITIES[(shape >> 2) & 3];
  const exponent = shape >> 4;
  if (lane === undefined || visibility === undefined || (exponent > EXPONENT_MAX && exponent !== FULL)) {
    throw input.error(start, `${shape} is no shape of a slice`);
  }
  const zone = input.handle();
  const span = exponent === FULL ? "full" : exponent;
  return { moment, age, lane, class: visibility, span, zone, grid: takeGrid(input) };
}

function takeRow(handle: number, mask: number, grid: Grid, input: Input): Row {
  const row: Row = { handle };
  if (mask & POSITION) row.position = takeSteps(grid, input);
  if (mask & HEADING) row.heading = input.byte();
  if (mask & ROTATION) row.rotation = takeRotation(input);
  if (mask & VELOCITY) row.velocity = input.ints("velocity in 1/16 m/s");
  if (mask & VARIABLES) row.variables = input.sized();
  return row;
}

/** A slice as a whole frame; rows may come in any order, each handle once. */
export function sliceFrame(slice: Slice): Uint8Array<ArrayBuffer> {
  return packed("State", (out) => {
    putHead(slice, out);
    const sections = new Map<number, Row[]>();
    const seen = new Set<number>();
    for (const row of slice.rows) {
      const mask = maskOf(row);
      if (!isMask(mask)) throw new RangeError(`the row of handle ${row.handle} has no part, or heading and rotation`);
      if (seen.has(row.handle)) throw new RangeError(`handle ${row.handle} stands twice in a slice`);
      seen.add(row.handle);
      const section = sections.get(mask);
      if (section === undefined) sections.set(mask, [row]);
      else section.push(row);
    }
    for (const [mask, rows] of [...sections].sort(([a], [b]) => a - b)) {
      rows.sort((a, b) => a.handle - b.handle);
      out.byte(mask);
      out.number(rows.length);
      putHandles(rows.map((row) => row.handle), out);
      rows.forEach((row) => putRow(row, slice.grid, out));
    }
  });
}

function putHead(head: SliceHead, out: Output): void {
  out.u16(head.moment);
  out.number(head.age);
  const span = head.span === "full" ? FULL : head.span;
  if (!Number.isInteger(span) || span < 0 || (span > EXPONENT_MAX && span !== FULL)) {
    throw new RangeError(`${span} is no span of a slice`);
  }
  out.byte(LANES.indexOf(head.lane) | (VISIBILITIES.indexOf(head.class) << 2) | (span << 4));
  out.handle(head.zone);
  putGrid(head.grid, out);
}

function putRow(row: Row, grid: Grid, out: Output): void {
  if (row.position !== undefined) putSteps(grid, row.position, out);
  if (row.heading !== undefined) out.byte(row.heading);
  if (row.rotation !== undefined) {
    if (!isRotation(row.rotation)) throw new RangeError(`${row.rotation} is no rotation`);
    out.u32(row.rotation);
  }
  row.velocity?.forEach((axis) => out.int(axis));
  if (row.variables !== undefined) out.sized(row.variables);
}
