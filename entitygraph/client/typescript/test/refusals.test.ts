// What readers refuse, and that they say what, where and why: the cases of schema/tests/wire/refusals.rs, in its words.
import assert from "node:assert/strict";
import { test } from "node:test";

import * as wire from "../src/wire/index.js";
import { goldenFrames, unhex } from "./golden.js";
import { rewritten } from "./meaning.js";

function refused(kind: wire.Kind, body: Uint8Array, why: string): void {
  assert.throws(() => rewritten(kind, body), (error) => error instanceof wire.WireError && error.message === why, why);
}

/** The body of the example on the page with one byte replaced. */
function walkers(at: number, byte: number): Uint8Array {
  const golden = goldenFrames().find(([file]) => file === "40-state.json");
  const body = unhex(golden![1].hex).slice(2);
  body[at] = byte;
  return body;
}

const bytes = (text: string): Uint8Array => unhex(text.replaceAll(" ", ""));
const zeros = (count: number): string => "00".repeat(count);

test("bad slices are refused by byte and reason", () => {
  const state = (at: number, byte: number, why: string): void => refused("State", walkers(at, byte), `byte ${why}`);
  state(3, 0x43, "3 of the State: 67 is no shape of a slice");
  state(3, 0x4c, "3 of the State: 76 is no shape of a slice");
  state(3, 0xb0, "3 of the State: 176 is no shape of a slice");
  state(5, 0x00, "4 of the State: a number is not in its shortest form or is above 64 bits");
  state(6, 70, "6 of the State: 70 is no level of a cell (its two's complement)");
  state(6, 0xfc, "6 of the State: 252 is no level of a cell (its two's complement)");
  state(7, 5, "7 of the State: 5 is no step 1 to 42 below the level (its two's complement)");
  state(7, 0xda, "7 of the State: 218 is no step 1 to 42 below the level (its two's complement)");
  state(11, 0, "11 of the State: 0 is no mask of a section");
  state(11, 7, "11 of the State: 7 is no mask of a section");
  state(11, 0x23, "11 of the State: 35 is no mask of a section");
  state(12, 0, "12 of the State: 0 is no count of a section");
  state(12, 100, "12 of the State: 100 items are announced, but only 22 bytes are left");
  state(21, 0x02, "17 of the State: 2 is no last byte of a position");
  state(12, 2, "16 of the State: 16 is no last byte of a position");
  refused("State", walkers(0, 0).slice(0, 34), "byte 34 of the State: 1 bytes are needed, 0 are left");
  refused("State", new Uint8Array(), "byte 0 of the State: 2 bytes are needed, 0 are left");
});

test("an entity stands in one section and a section once", () => {
  const slice = (sections: string): Uint8Array => bytes(`0000 00 00 01 00 ff 00 00 00 ${sections}`);
  const velocity = "08 01 05 000000";
  rewritten("State", slice(velocity));
  const order = "byte 16 of the State: a section stands after an equal or greater one";
  refused("State", slice(`${velocity} ${velocity}`), order);
  refused("State", slice(`${velocity} 02 01 06 00`), order);
  const twice = "byte 14 of the State: a handle that stood in another section stands after an equal or greater one";
  refused("State", slice(`02 01 05 00 ${velocity}`), twice);
  refused("State", slice("08 01 00 000000"), "byte 12 of the State: 0 is no step to a higher handle");
});

test("places and speeds beyond the limits are refused", () => {
  const far = "byte 4 of the Events: 3 is no place of a cell with coordinates up to 1e21 m";
  refused("Events", bytes("0000 2c 45 00 06 00 00"), far);
  const fast = "byte 13 of the State: 1125899906842625 is no velocity in 1/16 m/s";
  refused("State", bytes("0000 00 00 01 00 ff 00 00 00 08 01 05 8280808080808004 00 00"), fast);
});

test("bad reports are refused by byte and reason", () => {
  const report = (hex: string, why: string): void => refused("Report", bytes(hex), `byte ${why}`);
  report("01 01 02 00", "2 of the Report: 2 is no set of flags");
  report("01 01 01 01", "3 of the Report: 1 items are announced, but only 0 bytes are left");
  report("01 01 01 01 07 00 00 00 00 00", "5 of the Report: 0 is no handle");
  report("01 01 01 01 07 01 01 05 10 00 00 00", "8 of the Report: 16 is no mask of an exact row");
  report("01 01 01 01 07 01 00 01 4d 05 09 02 00 00 00", "11 of the Report: 2 is no tag of a receipt's outcome");
  report("01 01 01 00 00", "4 of the Report: 1 bytes follow the end of the record");
  const long = `01 01 01 01 07 01 00 01 4d 05 09 00 8108 ${zeros(1025)} 00 00`;
  report(long, "12 of the Report: 1025 is no length of an answer");
});

test("small frames are refused by byte and reason", () => {
  refused("Horizon", bytes("01 01"), "byte 1 of the Horizon: 1 bytes follow the end of the record");
  const spelling = "byte 0 of the Horizon: a number is not in its shortest form or is above 64 bits";
  refused("Horizon", bytes("81 00"), spelling);
  refused("Horizon", bytes("ffffffffffffffffff02"), spelling);
  refused("Applied", bytes("01"), "byte 0 of the Applied: 2 bytes are needed, 1 are left");
  refused("Input", bytes("00 01"), "byte 0 of the Input: 0 is no handle");
  refused("Input", bytes(`01 01 ${zeros(257)}`), "byte 2 of the Input: 257 is no length of an input's content");
  refused("Inputs", bytes("05"), "byte 0 of the Inputs: 5 items are announced, but only 0 bytes are left");
  const event = bytes(`0000 2c 05 00 00 00 01 05 03 8102 ${zeros(257)}`);
  refused("Events", event, "byte 10 of the Events: 257 is no length of an event's content");
});

test("lengths are judged before the body is there", () => {
  const limits = wire.limitsUp("player");
  const head = (hex: string): unknown => wire.readHead(bytes(hex), 0, limits);
  assert.equal(head(""), undefined);
  assert.equal(head("20 80"), undefined);
  assert.deepEqual(head("20 85 01"), { kind: "Action", bytes: 3, length: 133 });
  const fails = (hex: string, why: string, code: wire.WireCode): void =>
    assert.throws(() => head(hex), (error) => error instanceof wire.WireError && error.message === why && error.code === code);
  fails("20 81 80 01", "byte 1 of the message: the Action is to have 16385 bytes, the limit is 16384", "TOO_LARGE");
  const long = "byte 1 of the message: the length of the Action is not as short as possible, or over four bytes";
  fails("20 81 00", long, "BAD_FRAME");
  fails("20 ff ff ff ff", long, "BAD_FRAME");
  fails("0f", "byte 0 of the message: 0F is no kind of frame", "BAD_FRAME");
});

test("half frames and messages without one or over the limit are refused", () => {
  const limits = wire.limitsDown("viewer");
  const all = (message: Uint8Array): unknown => [...wire.frames(message, limits)];
  assert.throws(() => all(new Uint8Array()), /it has no frame/);
  assert.throws(() => all(bytes("40 01 09 43 02 01")), /byte 3 of the message: 4 bytes of a frame are needed, 3 are left/);
  assert.throws(() => all(new Uint8Array(limits.messageBytes + 1)), { code: "TOO_LARGE" });
});

test("messages are refused for what the runtime of protobuf would read as something else", () => {
  const message = (kind: wire.MessageKind, hex: string) => (): unknown => wire.readMessage(kind, bytes(hex));
  assert.throws(message("Ping", "09 0000000000000000"), /byte 0 of the Ping: the field sender_us has wire type 1, not 0/);
  assert.throws(message("Ping", "08 ff"), /byte 2 of the Ping: 1 bytes are needed, 0 are left/);
  assert.throws(message("Hello", "2a 02 0a04616e6e61"), /byte 2 of the Hello: a field ends behind the Subject that it is in/);
  assert.throws(message("Goodbye", "0a 01 ff"), /byte 1 of the Goodbye: the field address is not UTF-8/);
  assert.throws(message("Ping", "0b"), /Ping/);
  assert.throws(message("Goodbye", `12 8102 ${"78".repeat(257)}`), /the reason has 257 bytes, the limit is 256/);
  message("Ping", "70 01")();
  message("Ping", "73 08 01 74")();
});

test("writers refuse what no reader takes", () => {
  assert.throws(() => wire.handlesBytes([5, 5]), RangeError);
  assert.throws(() => wire.horizonFrame(-1n), RangeError);
  assert.throws(() => wire.inputFrame({ character: 0, number: 1n, content: new Uint8Array() }), RangeError);
  assert.throws(() => wire.inputFrame({ character: 1, number: 1n, content: new Uint8Array(257) }), RangeError);
});

test("a moment is found again by its lower 16 bits", () => {
  const moment = 16n * 90_017n + 3n;
  for (const off of [-32_767n, -5n, 0n, 5n, 32_768n]) assert.equal(wire.nearestMoment(64_019, moment + off), moment);
  assert.equal(wire.nearestMoment(64_019, moment + 32_769n), moment + 65_536n);
  assert.equal(wire.nearestMoment(0xffff, 3n), 0xffffn);
  assert.deepEqual([wire.momentAt(33_332n, 33_333), wire.momentAt(33_333n, 33_333)], [15n, 16n]);
});

test("poses are rounded as in Rust", () => {
  assert.deepEqual(wire.velocitySteps([1.03, -2, Number.NaN]), [16, -32, 0]);
  assert.deepEqual(wire.velocitySteps([-1 / 32, Infinity, 1 / 32]), [-1, 2 ** 50, 1]);
  assert.equal(wire.packRotation([0, 0, 0, 1]), 3 * 2 ** 30 + (512 << 20) + (512 << 10) + 512);
  assert.equal(wire.packRotation([-0.5, 0.5, 0.5, -0.5]) >>> 30, 0);
  assert.equal(wire.headingOf([0, 0, -Math.SQRT1_2, -Math.SQRT1_2]), 64);
  assert.equal(wire.headingOf([0.1, 0, 0, 0.99]), undefined);
});
