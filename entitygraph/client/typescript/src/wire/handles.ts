// Handles (docs/protocol.md, "Framing"): strictly ascending, neighbours cost a byte.
import { Input, Output, U32_MAX } from "./bytes.js";

/** Takes `count` handles in the form "handles". */
export function takeHandles(count: number, input: Input): number[] {
  const handles: number[] = [];
  let previous = 0;
  for (let index = 0; index < count; index += 1) {
    const start = input.at;
    const number = input.varint();
    const next = typeof number === "bigint" ? Number.NaN : index === 0 ? number : previous + number + 1;
    if (!(next > 0 && next <= U32_MAX)) throw input.error(start, `${number} is no step to a higher handle`);
    handles.push(next);
    previous = next;
  }
  return handles;
}

/** The handles of a message: its fields `handles` and `count`. */
export function readHandles(bytes: Uint8Array, count: number): number[] {
  const input = new Input("handles", bytes);
  const handles = takeHandles(input.announced(count, 1), input);
  input.end();
  return handles;
}

/** Appends handles, which ascend. */
export function putHandles(handles: readonly number[], out: Output): void {
  let previous = 0;
  handles.forEach((handle, index) => {
    if (handle <= previous) throw new RangeError(`handle ${handle} stands after ${previous}`);
    out.number(index === 0 ? handle : handle - previous - 1);
    if (handle > U32_MAX) throw new RangeError(`${handle} is no handle`);
    previous = handle;
  });
}

/** The handles in the form "handles", for messages. */
export function handlesBytes(handles: readonly number[]): Uint8Array<ArrayBuffer> {
  const out = new Output();
  putHandles(handles, out);
  return out.done();
}
