// Values of variables in record form (docs/data-model.md).
import { type Input, type Output, textBytes } from "./bytes.js";
import type { Vec3 } from "./pose.js";

/** Kinds of values, in the order of their tags from 1 on. */
export const VALUE_KINDS = [
  "bool",
  "int",
  "float",
  "text",
  "entity",
  "vector",
  "bytes",
  "int_list",
  "float_list",
  "text_list",
] as const;

export type ValueKind = (typeof VALUE_KINDS)[number];

/** What a variable holds; ints and entity ids have 64 bits. */
export type Value =
  | { kind: "bool"; value: boolean }
  | { kind: "int"; value: bigint }
  | { kind: "float"; value: number }
  | { kind: "text"; value: string }
  | { kind: "entity"; value: bigint }
  | { kind: "vector"; value: Vec3 }
  | { kind: "bytes"; value: Uint8Array }
  | { kind: "int_list"; value: bigint[] }
  | { kind: "float_list"; value: number[] }
  | { kind: "text_list"; value: string[] };

/** Most bytes of a value. */
export const VALUE_BYTES_MAX = 64 * 1024;

/** Takes the content of a value of this kind; it begins, with its tag if it has one, at byte `start`. */
export function takeContent(kind: ValueKind, start: number, input: Input): Value {
  const value = taken(kind, input);
  judge(value, start, input);
  return value;
}

function taken(kind: ValueKind, input: Input): Value {
  switch (kind) {
    case "bool":
      return { kind, value: input.bool() };
    case "int":
      return { kind, value: input.integer() };
    case "float":
      return { kind, value: input.float() };
    case "text":
      return { kind, value: input.text() };
    case "entity":
      return { kind, value: input.entityId() };
    case "vector":
      return { kind, value: [input.float(), input.float(), input.float()] };
    case "bytes":
      return { kind, value: input.sized() };
    case "int_list":
      return { kind, value: input.list(1, () => input.integer()) };
    case "float_list":
      return { kind, value: input.list(1, () => input.float()) };
    case "text_list":
      return { kind, value: input.list(1, () => input.text()) };
  }
}

/** Refuses values over [VALUE_BYTES_MAX], and floats that are not finite. */
export function judge(value: Value, start: number, input: Input): void {
  const fault = valueFault(value);
  if (fault !== undefined) throw input.error(start, fault);
}

function valueFault(value: Value): string | undefined {
  const floats = value.kind === "float" ? [value.value] : value.kind === "vector" || value.kind === "float_list" ? value.value : [];
  const bad = floats.find((float) => !Number.isFinite(float));
  if (bad !== undefined) return `the value is not finite: ${bad}`;
  const bytes = sizeOf(value);
  return bytes > VALUE_BYTES_MAX ? `the value takes ${bytes} bytes, the limit is ${VALUE_BYTES_MAX}` : undefined;
}

function sizeOf(value: Value): number {
  switch (value.kind) {
    case "text":
      return textBytes(value.value);
    case "bytes":
      return value.value.length;
    case "int_list":
    case "float_list":
      return 8 * value.value.length;
    case "text_list":
      return value.value.reduce((sum, text) => sum + textBytes(text) + 16, 0);
    default:
      return 24;
  }
}

/** Appends the content, without a tag. */
export function putContent(value: Value, out: Output): void {
  const fault = valueFault(value);
  if (fault !== undefined) throw new RangeError(fault);
  switch (value.kind) {
    case "bool":
      return out.byte(value.value ? 1 : 0);
    case "int":
      return out.integer(value.value);
    case "float":
      return out.float(value.value);
    case "text":
      return out.text(value.value);
    case "entity":
      return out.entityId(value.value);
    case "vector":
      return value.value.forEach((axis) => out.float(axis));
    case "bytes":
      return out.sized(value.value);
    case "int_list":
      return out.list(value.value, (item) => out.integer(item));
    case "float_list":
      return out.list(value.value, (item) => out.float(item));
    case "text_list":
      return out.list(value.value, (item) => out.text(item));
  }
}

/** Takes tag and content; nothing where the tag is 0 and `optional`. */
export function takeValue(input: Input, optional: true): Value | undefined;
export function takeValue(input: Input): Value;
export function takeValue(input: Input, optional = false): Value | undefined {
  const start = input.at;
  const tag = input.byte();
  if (tag === 0 && optional) return undefined;
  const kind = VALUE_KINDS[tag - 1];
  if (kind === undefined) throw input.error(start, `${tag} is no tag of a value`);
  return takeContent(kind, start, input);
}

/** Appends tag and content. */
export function putValue(value: Value, out: Output): void {
  out.byte(VALUE_KINDS.indexOf(value.kind) + 1);
  putContent(value, out);
}
