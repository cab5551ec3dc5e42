// Frames: kind, length, body (docs/protocol.md, "Framing").
import { Output } from "./bytes.js";
import { WireError } from "./error.js";
import { KIND, type Kind, kindOf } from "./kind.js";
import { type Limits, bodyLimit } from "./limits.js";

/** Most bytes that a body can have: what a length of four bytes can say. */
export const BODY_BYTES_MAX = 2 ** 28 - 1;

const LENGTH_BYTES_MAX = 4;

/** One frame of a message. */
export interface Frame {
  kind: Kind;
  /** Not copied. */
  body: Uint8Array;
  /** Where the body begins in the message: errors of bodies count from there. */
  offset: number;
}

/** Kind and length of a frame. */
export interface FrameHead {
  kind: Kind;
  /** Bytes of kind and length: where the body begins. */
  bytes: number;
  /** Bytes of the body. */
  length: number;
}

/**
 * Reads the head of the frame that begins at byte `at`, as soon as all of it is there: before that, nothing. So a length is
 * judged before its body has come.
 */
export function readHead(message: Uint8Array, at: number, limits: Limits): FrameHead | undefined {
  const number = message[at];
  if (number === undefined) return undefined;
  const kind = kindOf(number);
  if (kind === undefined) throw refused(at, `${hex(number)} is no kind of frame`);
  let length = 0;
  for (let index = 0; index < LENGTH_BYTES_MAX; index += 1) {
    const byte = message[at + 1 + index];
    if (byte === undefined) return undefined;
    length |= (byte & 0x7f) << (7 * index);
    if (byte >= 0x80) continue;
    if (byte === 0 && index > 0) break;
    const max = bodyLimit(limits, kind);
    if (length > max) {
      throw refused(at + 1, `the ${kind} is to have ${length} bytes, the limit is ${max}`, "TOO_LARGE");
    }
    return { kind, bytes: index + 2, length };
  }
  throw refused(at + 1, `the length of the ${kind} is not as short as possible, or over four bytes`);
}

/** The frames of a message, in order. One that is refused is thrown when it is reached. */
export function* frames(message: Uint8Array, limits: Limits): Generator<Frame, void, void> {
  if (message.length === 0) throw refused(0, "it has no frame");
  if (message.length > limits.messageBytes) {
    throw refused(0, `it has ${message.length} bytes, the limit is ${limits.messageBytes}`, "TOO_LARGE");
  }
  let at = 0;
  while (at < message.length) {
    const left = message.length - at;
    const head = readHead(message, at, limits);
    const needed = head === undefined ? left + 1 : head.bytes + head.length;
    if (head === undefined || needed > left) {
      throw refused(at, `${needed} bytes of a frame are needed, ${left} are left`);
    }
    const offset = at + head.bytes;
    at += needed;
    yield { kind: head.kind, body: message.subarray(offset, at), offset };
  }
}

/** A frame with this body. */
export function frame(kind: Kind, body: Uint8Array): Uint8Array<ArrayBuffer> {
  if (body.length > BODY_BYTES_MAX) throw new RangeError(`a body of ${body.length} bytes is over ${BODY_BYTES_MAX}`);
  const out = new Output();
  out.byte(KIND[kind]);
  out.sized(body);
  return out.done();
}

/** A frame whose body is written by `put`. */
export function packed(kind: Kind, put: (out: Output) => void): Uint8Array<ArrayBuffer> {
  const body = new Output();
  put(body);
  return frame(kind, body.done());
}

function refused(offset: number, reason: string, code?: "TOO_LARGE"): WireError {
  return new WireError("message", offset, reason, code);
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, "0");
}
