// Cells and positions in them (docs/protocol.md, "State"). Lengths are metres in the zone.
import { INT_MAX, type Input, type Output } from "./bytes.js";
import { COORDINATE_MAX, type Vec3 } from "./pose.js";

/** A cube of a zone: edge 2^level metres, lower corner (x, y, z) x 2^level. */
export interface Cell {
  level: number;
  at: Vec3;
}

/** A cell, and the step that positions in it are rounded to: 2^step metres. */
export interface Grid extends Cell {
  step: number;
}

export const LEVEL_MIN = -3;
export const LEVEL_MAX = 69;
const BITS_MAX = 42;
const LAST_BYTE = "last byte of a position";

/** Whether there is such a cell: places are ints, and it holds coordinates that the model has. */
export function isCell({ level, at }: Cell): boolean {
  const edge = 2 ** level;
  const holds = (place: number): boolean =>
    Number.isInteger(place) &&
    Math.abs(place) <= INT_MAX &&
    place * edge <= COORDINATE_MAX &&
    place * edge + edge > -COORDINATE_MAX;
  return Number.isInteger(level) && level >= LEVEL_MIN && level <= LEVEL_MAX && at.every(holds);
}

/** The cell of this level that holds a point of the zone, if there is one. */
export function cellHolding(level: number, point: Vec3): Cell | undefined {
  const place = (coordinate: number): number => Math.floor(coordinate * 2 ** -level) + 0;
  const cell: Cell = { level, at: [place(point[0]), place(point[1]), place(point[2])] };
  return isCell(cell) ? cell : undefined;
}

/** Bits of an axis. */
export function gridBits(grid: Grid): number {
  return grid.level - grid.step;
}

/** Whether the edge of the cell is 2^1 to 2^42 steps. */
export function isGrid(grid: Grid): boolean {
  const bits = gridBits(grid);
  return isCell(grid) && Number.isInteger(bits) && bits >= 1 && bits <= BITS_MAX;
}

/** Steps from the corner of the cell; a point outside is told at the nearest edge. */
export function stepsOf(grid: Grid, point: Vec3): Vec3 {
  const last = 2 ** gridBits(grid) - 1;
  const steps = (axis: 0 | 1 | 2): number => {
    const exact = (point[axis] - grid.at[axis] * 2 ** grid.level) * 2 ** -grid.step;
    return exact > 0 ? Math.min(Math.floor(exact), last) : 0;
  };
  return [steps(0), steps(1), steps(2)];
}

/** The point in the zone, in metres: the middle of the step. */
export function pointOf(grid: Grid, steps: Vec3): Vec3 {
  const point = (axis: 0 | 1 | 2): number => grid.at[axis] * 2 ** grid.level + (steps[axis] + 0.5) * 2 ** grid.step;
  return [point(0), point(1), point(2)];
}

/** Takes level and place. */
export function takeCell(input: Input): Cell {
  const start = input.at;
  const level = input.i8();
  return takePlace(level, start, input);
}

export function takeGrid(input: Input): Grid {
  const start = input.at;
  const level = input.i8();
  const step = input.i8();
  const grid = { ...takePlace(level, start, input), step };
  if (!isGrid(grid)) {
    throw input.error(start + 1, `${step & 0xff} is no step 1 to 42 below the level (its two's complement)`);
  }
  return grid;
}


function takePlace(level: number, start: number, input: Input): Cell {
  if (level < LEVEL_MIN || level > LEVEL_MAX) {
    throw input.error(start, `${level & 0xff} is no level of a cell (its two's complement)`);
  }
  const at = input.at;
  const cell: Cell = { level, at: input.ints("place of a cell") };
  if (!isCell(cell)) {
    const largest = Math.max(...cell.at.map(Math.abs));
    throw input.error(at, `${largest} is no place of a cell with coordinates up to 1e21 m`);
  }
  return cell;
}

export function putCell(cell: Cell, out: Output): void {
  if (!isCell(cell)) throw new RangeError(`there is no cell ${cell.at.join(" ")} of level ${cell.level}`);
  out.i8(cell.level);
  cell.at.forEach((place) => out.int(place));
}

export function putGrid(grid: Grid, out: Output): void {
  if (!isGrid(grid)) throw new RangeError(`there are no steps of 2^${grid.step} m in cells of level ${grid.level}`);
  out.i8(grid.level);
  out.i8(grid.step);
  grid.at.forEach((place) => out.int(place));
}

export function takeSteps(grid: Grid, input: Input): Vec3 {
  const bits = gridBits(grid);
  const bytes = input.bits(LAST_BYTE, 3 * bits);
  return [bitsAt(bytes, 0, bits), bitsAt(bytes, bits, bits), bitsAt(bytes, 2 * bits, bits)];
}

export function putSteps(grid: Grid, steps: Vec3, out: Output): void {
  const bits = gridBits(grid);
  const bytes = new Uint8Array(Math.ceil((3 * bits) / 8));
  steps.forEach((value, axis) => {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) {
      throw new RangeError(`${value} is no whole number of ${bits} bits`);
    }
    setBits(bytes, axis * bits, bits, value);
  });
  out.raw(bytes);
}

/** `count` bits, up to 53 of them, from bit `from` on. */
function bitsAt(bytes: Uint8Array, from: number, count: number): number {
  let value = 0;
  for (let done = 0; done < count; ) {
    const bit = from + done;
    const width = Math.min(8 - (bit & 7), count - done);
    value += ((bytes[bit >> 3]! >> (bit & 7)) & ((1 << width) - 1)) * 2 ** done;
    done += width;
  }
  return value;
}

function setBits(bytes: Uint8Array, from: number, count: number, value: number): void {
  let rest = value;
  for (let done = 0; done < count; ) {
    const bit = from + done;
    const width = Math.min(8 - (bit & 7), count - done);
    bytes[bit >> 3]! |= (rest % 2 ** width) << (bit & 7);
    rest = Math.floor(rest / 2 ** width);
    done += width;
  }
}
