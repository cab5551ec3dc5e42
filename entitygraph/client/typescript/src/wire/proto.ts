// Whether bytes are a message by the rules of proto3, judged before they are decoded: the protobuf runtime looks neither at
// wire types nor at the ends of messages inside messages, and reads something else instead of refusing.
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";

import { Input } from "./bytes.js";

const VARINT = 0;
const FIXED64 = 1;
const SIZED = 2;
const GROUP = 3;
const GROUP_END = 4;
const FIXED32 = 5;

/** Messages inside messages, and groups that nobody knows, at most. */
const DEPTH_MAX = 100;

/** Refuses what is not a message of this type. Unknown fields are passed over. */
export function judgeMessage(schema: DescMessage, record: string, bytes: Uint8Array): void {
  const input = new Input(record, bytes);
  judge(schema, input, bytes.length, DEPTH_MAX);
}

function judge(schema: DescMessage, input: Input, end: number, depth: number): void {
  while (input.at < end) {
    const start = input.at;
    const { number, wire } = tag(input);
    const field = schema.fields.find((one) => one.number === number);
    if (field === undefined) pass(number, wire, start, input, depth);
    else judgeField(field, wire, start, input, depth);
    if (input.at > end) throw input.error(start, `a field ends behind the ${schema.name} that it is in`);
  }
}

function judgeField(field: DescField, wire: number, start: number, input: Input, depth: number): void {
  const expected = wireOf(field);
  const packed = field.fieldKind === "list" && expected !== SIZED && wire === SIZED;
  if (wire !== expected && !packed) {
    throw input.error(start, `the field ${field.name} has wire type ${wire}, not ${expected}`);
  }
  if (packed) {
    const bytes = length(input);
    const end = input.at + bytes;
    while (input.at < end) pass(field.number, expected, start, input, depth);
    if (input.at > end) throw input.error(start, `an item of the field ${field.name} ends behind it`);
  } else if (field.message !== undefined) {
    if (depth === 0) throw input.error(start, "messages are nested too deep");
    const bytes = length(input);
    judge(field.message, input, input.at + bytes, depth - 1);
  } else if (field.scalar === ScalarType.STRING) {
    const at = input.at;
    const text = input.take(length(input));
    if (!isUtf8(text)) throw input.error(at, `the field ${field.name} is not UTF-8`);
  } else {
    pass(field.number, wire, start, input, depth);
  }
}

/** Passes over the content of a field. */
function pass(number: number, wire: number, start: number, input: Input, depth: number): void {
  switch (wire) {
    case VARINT:
      varint(input);
      return;
    case FIXED64:
      input.take(8);
      return;
    case SIZED:
      input.take(length(input));
      return;
    case FIXED32:
      input.take(4);
      return;
    case GROUP:
      passGroup(number, start, input, depth);
      return;
    default:
      throw input.error(start, wire === GROUP_END ? "a group ends that did not begin" : `there is no wire type ${wire}`);
  }
}

function passGroup(number: number, start: number, input: Input, depth: number): void {
  if (depth === 0) throw input.error(start, "groups are nested too deep");
  for (;;) {
    const at = input.at;
    const next = tag(input);
    if (next.wire !== GROUP_END) pass(next.number, next.wire, at, input, depth - 1);
    else if (next.number === number) return;
    else throw input.error(at, `the group ${next.number} ends inside the group ${number}`);
  }
}

function tag(input: Input): { number: number; wire: number } {
  const start = input.at;
  const key = varint(input);
  if (key > 0xffff_ffffn || key < 8n) throw input.error(start, `${key} is no tag of a field`);
  return { number: Number(key >> 3n), wire: Number(key & 7n) };
}

function length(input: Input): number {
  const start = input.at;
  const bytes = varint(input);
  if (bytes > BigInt(input.left)) throw input.error(start, `${bytes} bytes are needed, ${input.left} are left`);
  return Number(bytes);
}

/** A number of up to ten bytes, which need not be as short as possible here. */
function varint(input: Input): bigint {
  const start = input.at;
  let number = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = input.byte();
    number |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80 && (shift < 63n || byte < 2)) return number;
  }
  throw input.error(start, "a number is above 64 bits");
}

function wireOf(field: DescField): number {
  if (field.message !== undefined) return SIZED;
  switch (field.scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return SIZED;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return FIXED64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return FIXED32;
    default:
      return VARINT;
  }
}

const texts = new TextDecoder("utf-8", { fatal: true });

function isUtf8(bytes: Uint8Array): boolean {
  try {
    texts.decode(bytes);
    return true;
  } catch {
    return false;
  }
}
