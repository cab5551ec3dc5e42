// The forms that packed frames and records are made of (docs/protocol.md, "Framing"; docs/data-model.md, "Parts").
import { WireError } from "./error.js";

/** Largest magnitude of an int in a packed frame, beside exact ints of variables. */
export const INT_MAX = 2 ** 50;

/** Largest handle, and largest number of 32 bits. */
export const U32_MAX = 0xffff_ffff;

const U64_MAX = (1n << 64n) - 1n;
const texts = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Reads forms from bytes, one after the other. What is read has no other spelling. */
export class Input {
  at = 0;
  private readonly view: DataView;

  constructor(
    readonly record: string,
    readonly bytes: Uint8Array,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  error(offset: number, reason: string): WireError {
    return new WireError(this.record, offset, reason);
  }

  /** Refuses bytes behind the last field. */
  end(): void {
    if (this.left > 0) throw this.error(this.at, `${this.left} bytes follow the end of the record`);
  }

  /** Passes over `count` bytes and says where they begin. */
  private skip(count: number): number {
    const start = this.at;
    if (count > this.left) throw this.error(start, `${count} bytes are needed, ${this.left} are left`);
    this.at += count;
    return start;
  }

  /** The next bytes, not copied. */
  take(count: number): Uint8Array {
    const start = this.skip(count);
    return this.bytes.subarray(start, start + count);
  }

  byte(): number {
    return this.bytes[this.skip(1)]!;
  }

  u16(): number {
    return this.view.getUint16(this.skip(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.skip(4), true);
  }

  i8(): number {
    return this.view.getInt8(this.skip(1));
  }

  /** Any f32, also one that is not finite. */
  f32(): number {
    return this.view.getFloat32(this.skip(4), true);
  }

  /** Any f64, also one that is not finite. */
  f64(): number {
    return this.view.getFloat64(this.skip(8), true);
  }

  /** A finite f64. */
  float(): number {
    const start = this.at;
    const value = this.f64();
    if (!Number.isFinite(value)) throw this.error(start, `a float is not finite: ${value}`);
    return value;
  }

  bool(): boolean {
    const start = this.at;
    const tag = this.byte();
    if (tag > 1) throw this.error(start, `${tag} is no tag of a yes or no`);
    return tag === 1;
  }

  /** A number: a `bigint` only where it is above 2^53 - 1. */
  varint(): number | bigint {
    const start = this.at;
    let value = 0;
    let scale = 1;
    // Seven bytes are 49 bits: a float has room for them.
    for (let index = 0; index < 7; index += 1) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte >= 0x80) continue;
      if (byte === 0 && index > 0) throw this.spelling(start);
      return value;
    }
    let long = BigInt(value);
    for (let index = 7; index < 10; index += 1) {
      const byte = this.byte();
      const low = byte & 0x7f;
      if (index === 9 && low > 1) break;
      long |= BigInt(low) << BigInt(7 * index);
      if (byte >= 0x80) continue;
      if (byte === 0) break;
      return long <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(long) : long;
    }
    throw this.spelling(start);
  }

  private spelling(start: number): WireError {
    return this.error(start, "a number is not in its shortest form or is above 64 bits");
  }

  /** A number of up to 64 bits. */
  number(): bigint {
    return BigInt(this.varint());
  }

  /** A number from `min` to `max`, which are below 2^53; `what` is what another one is not. */
  small(what: string, min: number, max: number): number {
    const start = this.at;
    const number = this.varint();
    if (typeof number === "bigint" || number < min || number > max) throw this.error(start, `${number} is no ${what}`);
    return number;
  }

  /** The number of an entity: up to 64 bits, not zero. */
  entityId(): bigint {
    const start = this.at;
    const id = this.number();
    if (id === 0n) throw this.error(start, "0 is no entity id");
    return id;
  }

  handle(): number {
    return this.small("handle", 1, U32_MAX);
  }

  /** An int of at most [INT_MAX] in magnitude. */
  int(what: string): number {
    const start = this.at;
    const number = this.varint();
    const magnitude = typeof number === "bigint" ? (number >> 1n) + (number & 1n) : Math.ceil(number / 2);
    if (magnitude > INT_MAX) throw this.error(start, `${magnitude} is no ${what}`);
    const int = Number(magnitude);
    return Number(number) % 2 === 0 ? int : -int;
  }

  ints(what: string): [number, number, number] {
    return [this.int(what), this.int(what), this.int(what)];
  }

  /** An int of 64 bits. */
  integer(): bigint {
    const number = this.number();
    return (number >> 1n) ^ -(number & 1n);
  }

  /** How many items of at least `itemBytes` bytes each follow: never more than there is room for. */
  count(itemBytes: number): number {
    const start = this.at;
    return this.announced(this.varint(), itemBytes, start);
  }

  announced(count: number | bigint, itemBytes: number, start = this.at): number {
    if (typeof count === "bigint" || count > Math.floor(this.left / itemBytes)) {
      throw this.error(start, `${count} items are announced, but only ${this.left} bytes are left`);
    }
    return count;
  }

  list<T>(itemBytes: number, take: () => T): T[] {
    const count = this.count(itemBytes);
    const items: T[] = [];
    for (let index = 0; index < count; index += 1) items.push(take());
    return items;
  }

  /** Length and that many bytes, not copied. */
  sized(): Uint8Array {
    const start = this.at;
    const length = this.varint();
    if (length > this.left) throw this.error(start, `${length} bytes are needed, ${this.left} are left`);
    return this.take(Number(length));
  }

  /** Length and that many bytes, at most `max`. */
  sizedUpTo(what: string, max: number): Uint8Array {
    const start = this.at;
    const bytes = this.sized();
    if (bytes.length > max) throw this.error(start, `${bytes.length} is no ${what}`);
    return bytes;
  }

  text(): string {
    const start = this.at;
    try {
      return texts.decode(this.sized());
    } catch (error) {
      throw error instanceof WireError ? error : this.error(start, "a text is not UTF-8");
    }
  }

  /** `N` booleans in one number, and no bit above them. */
  fields(count: number): boolean[] {
    const bits = this.small("set of fields", 0, 2 ** count - 1);
    return Array.from({ length: count }, (_, field) => ((bits >> field) & 1) === 1);
  }

  /** bits: an unsigned integer of `count` bits whose unused upper bits are zero, as its bytes. */
  bits(what: string, count: number): Uint8Array {
    const start = this.at;
    const taken = this.take(Math.ceil(count / 8));
    const last = taken[taken.length - 1]!;
    if (count % 8 !== 0 && last >> (count % 8) !== 0) throw this.error(start, `${last} is no ${what}`);
    return taken;
  }
}

/** Writes forms, one behind the other. What no reader would take is a `RangeError`. */
export class Output {
  private buffer = new Uint8Array(64);
  private view = new DataView(this.buffer.buffer);
  length = 0;

  private room(count: number): number {
    const start = this.length;
    if (start + count > this.buffer.length) {
      const grown = new Uint8Array(Math.max(2 * this.buffer.length, start + count));
      grown.set(this.buffer);
      this.buffer = grown;
      this.view = new DataView(grown.buffer);
    }
    this.length += count;
    return start;
  }

  /** The bytes so far, copied. */
  done(): Uint8Array<ArrayBuffer> {
    return this.buffer.slice(0, this.length);
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    const start = this.room(bytes.length);
    this.buffer.set(bytes, start);
  }

  byte(value: number): void {
    const start = this.room(1);
    this.buffer[start] = within(value, 0, 0xff);
  }

  u16(value: number): void {
    const start = this.room(2);
    this.view.setUint16(start, within(value, 0, 0xffff), true);
  }

  u32(value: number): void {
    const start = this.room(4);
    this.view.setUint32(start, within(value, 0, U32_MAX), true);
  }

  i8(value: number): void {
    const start = this.room(1);
    this.view.setInt8(start, within(value, -0x80, 0x7f));
  }

  f32(value: number): void {
    const start = this.room(4);
    this.view.setFloat32(start, value, true);
  }

  f64(value: number): void {
    const start = this.room(8);
    this.view.setFloat64(start, value, true);
  }

  float(value: number): void {
    if (!Number.isFinite(value)) throw new RangeError(`a float is not finite: ${value}`);
    this.f64(value);
  }

  number(value: number | bigint): void {
    let rest: number;
    if (typeof value === "bigint") {
      if (value < 0n || value > U64_MAX) throw new RangeError(`${value} is no number of 64 bits`);
      let long = value;
      while (long > BigInt(Number.MAX_SAFE_INTEGER)) {
        this.byte(Number(long & 0x7fn) | 0x80);
        long >>= 7n;
      }
      rest = Number(long);
    } else {
      rest = within(value, 0, Number.MAX_SAFE_INTEGER);
    }
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }

  entityId(id: bigint): void {
    if (id === 0n) throw new RangeError("0 is no entity id");
    this.number(id);
  }

  handle(handle: number): void {
    this.number(within(handle, 1, U32_MAX));
  }

  /** An int of at most [INT_MAX] in magnitude. */
  int(value: number): void {
    within(value, -INT_MAX, INT_MAX);
    this.number(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** An int of 64 bits. */
  integer(value: bigint): void {
    if (BigInt.asIntN(64, value) !== value) throw new RangeError(`${value} is no int of 64 bits`);
    this.number(value < 0n ? -2n * value - 1n : 2n * value);
  }

  /** Length, then the bytes, at most `max`. */
  sized(bytes: Uint8Array, max = Number.MAX_SAFE_INTEGER): void {
    if (bytes.length > max) throw new RangeError(`${bytes.length} bytes are over the limit of ${max}`);
    this.number(bytes.length);
    this.raw(bytes);
  }

  text(text: string): void {
    this.sized(encoder.encode(text));
  }

  list<T>(items: readonly T[], put: (item: T) => void): void {
    this.number(items.length);
    items.forEach((item) => put(item));
  }
}

function within(value: number, min: number, max: number): number {
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw new RangeError(`${value} is no whole number from ${min} to ${max}`);
  }
  return value;
}

/** The nearest int of at most [INT_MAX]; halves away from zero, no number is zero. */
export function rounded(value: number): number {
  if (Number.isNaN(value)) return 0;
  const whole = Math.trunc(value);
  const nearest = Math.abs(value - whole) >= 0.5 ? whole + Math.sign(value) : whole;
  // Adding zero makes one of minus zero.
  return Math.min(INT_MAX, Math.max(-INT_MAX, nearest)) + 0;
}

/** Bytes of a text in UTF-8. */
export function textBytes(text: string): number {
  return encoder.encode(text).length;
}
