// Values on the wire (docs/protocol.md, "State"): variables have short numbers, values no tag, and floats the precision of
// their variable.
import { Input, type Output, rounded } from "./bytes.js";
import { type Value, type ValueKind, judge, putContent, takeContent } from "./value.js";

/** What a short number stands for. */
export interface Known {
  /** Id of the component type. */
  component: number;
  /** Id of the variable in it. */
  variable: number;
  kind: ValueKind;
  /** Smallest step worth sending: positive, and of floats, vectors and float lists only. */
  precision?: number;
}

/** The highest variable number. */
export const VARIABLE_NUMBER_MAX = 0xffff;

/** The short numbers of a catalog. */
export class Variables {
  private readonly byNumber = new Map<number, Known>();
  private readonly byName = new Map<string, number>();

  /** Gives a variable its number. False, and nothing is done, for a number that is none or that another variable has. */
  insert(number: number, known: Known): boolean {
    const name = `${known.component}.${known.variable}`;
    const other = this.byNumber.get(number);
    const taken = other !== undefined && `${other.component}.${other.variable}` !== name;
    const elsewhere = (this.byName.get(name) ?? number) !== number;
    if (!Number.isInteger(number) || number < 0 || number > VARIABLE_NUMBER_MAX || taken || elsewhere) return false;
    this.byNumber.set(number, known);
    this.byName.set(name, number);
    return true;
  }

  /** What the number stands for. */
  get(number: number): Known | undefined {
    return this.byNumber.get(number);
  }

  /** The number of a variable. */
  number(component: number, variable: number): number | undefined {
    return this.byName.get(`${component}.${variable}`);
  }
}

/** How floats of variables with a precision are written: in steps of it in slices, to the last bit elsewhere. */
export type Digits = "rounded" | "exact";

/** What is told of one variable. */
export interface Entry {
  number: number;
  known: Known;
  /** Nothing: the entity states no value of its own any more. */
  value: Value | undefined;
}

/** Takes all entries of the part "variables" of a row; errors count from its first byte. */
export function readEntries(bytes: Uint8Array, variables: Variables, digits: Digits): Entry[] {
  const input = new Input("entries", bytes);
  const entries: Entry[] = [];
  let next = 0;
  while (input.left > 0) {
    const start = input.at;
    const key = input.varint();
    const number = typeof key === "bigint" ? -1 : Math.floor(key / 2);
    const known = variables.get(number);
    if (known === undefined) throw input.error(start, `${key} is no key of a known variable`);
    if (number < next) throw input.error(start, "a variable stands after an equal or greater one");
    next = number + 1;
    const cleared = Number(key) % 2 === 1;
    entries.push({ number, known, value: cleared ? undefined : takeEntryValue(known, digits, input) });
  }
  return entries;
}

const STEPS = "count of steps of the precision";

function takeEntryValue({ kind, precision }: Known, digits: Digits, input: Input): Value {
  const start = input.at;
  const value = precision === undefined || digits === "exact" ? undefined : takeRounded(kind, precision, input);
  if (value === undefined) return takeContent(kind, start, input);
  judge(value, start, input);
  return value;
}

function takeRounded(kind: ValueKind, precision: number, input: Input): Value | undefined {
  const next = (): number => input.int(STEPS) * precision;
  switch (kind) {
    case "float":
      return { kind, value: next() };
    case "vector":
      return { kind, value: [next(), next(), next()] };
    case "float_list":
      return { kind, value: input.list(1, next) };
    default:
      return undefined;
  }
}

/** Appends the entry of a variable; they ascend by number. `precision` is that of the variable in slices, else none. */
export function putEntry(number: number, value: Value | undefined, precision: number | undefined, out: Output): void {
  if (!Number.isInteger(number) || number < 0 || number > VARIABLE_NUMBER_MAX) {
    throw new RangeError(`${number} is no number of a variable`);
  }
  out.number(2 * number + (value === undefined ? 1 : 0));
  if (value === undefined) return;
  const put = (float: number): void => out.int(steps(float, precision!));
  if (precision === undefined) putContent(value, out);
  else if (value.kind === "float") put(value.value);
  else if (value.kind === "vector") value.value.forEach(put);
  else if (value.kind === "float_list") out.list(value.value, put);
  else putContent(value, out);
}

/** The value in steps of the precision, not more than are finite when they are multiplied again. */
function steps(value: number, precision: number): number {
  const count = rounded(value / precision);
  return Number.isFinite(count * precision) ? count : count - Math.sign(count);
}
