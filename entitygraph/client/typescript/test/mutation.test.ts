import assert from "node:assert/strict";
import { test } from "node:test";

import * as wire from "../src/wire/index.js";
import { readDelta } from "../src/record/delta.js";
import { readEntity } from "../src/record/entity.js";
import { View } from "../src/view.js";
import { goldenFrames, goldenVariables, hex, unhex } from "./golden.js";
import { rewritten } from "./meaning.js";
import { Random } from "./random.js";

const MUTATIONS = 10_000;
const SEED = Number(process.env["SEED"] ?? 4711);
const variables = goldenVariables();

/** Reads all that is in a message, as a peer does. */
function readAll(message: Uint8Array): void {
  for (const { kind, body } of wire.frames(message, wire.limitsUp("server"))) {
    const again = rewritten(kind, body);
    if (kind === "State") {
      for (const row of wire.readSlice(body).rows) wire.readEntries(row.variables ?? new Uint8Array(), variables, "rounded");
    } else if (kind === "Report") {
      for (const row of wire.readReport(body).groups.flatMap((group) => group.rows)) {
        wire.exactRowFault(row);
        wire.readEntries(row.variables ?? new Uint8Array(), variables, "exact");
      }
    } else if (kind === "Activate") {
      wire.readMessage(kind, body).changed.forEach((rows) => wire.readExactRows(rows));
    }
    // A NaN may come back with other bits: which ones is not said by JavaScript.
    if (wire.isPacked(kind) && !hasNaN(kind, body)) assert.equal(hex(again), hex(wire.frame(kind, body)), "it has one spelling");
  }
}

function hasNaN(kind: wire.Kind, body: Uint8Array): boolean {
  if (kind !== "Report") return false;
  const rows = wire.readReport(body).groups.flatMap((group) => group.rows);
  return rows.some((row) => [row.position, row.rotation, row.velocity].some((part) => part?.some(Number.isNaN)));
}

function mutated(frames: Uint8Array[], random: Random): Uint8Array {
  let bytes = [...random.of(frames)];
  for (let count = 1 + random.below(4); count > 0; count -= 1) {
    const at = random.below(bytes.length + 1);
    switch (random.below(6)) {
      case 0:
        bytes[Math.min(at, bytes.length - 1)]! ^= 1 << random.below(8);
        break;
      case 1:
        bytes[Math.min(at, bytes.length - 1)] = random.of([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
        break;
      case 2:
        bytes = bytes.slice(0, Math.max(1, at));
        break;
      case 3:
        bytes.splice(at, 0, random.below(256));
        break;
      case 4:
        bytes.splice(at, 1 + random.below(4));
        break;
      default:
        bytes.push(...random.of(frames));
    }
    if (bytes.length === 0) bytes = [0];
  }
  // Half of them get a length that fits, so that the body is reached.
  if (random.below(2) === 0 && bytes.length > 3) {
    const kind = wire.kindOf(bytes[0]!);
    if (kind !== undefined) return wire.frame(kind, Uint8Array.from(bytes.slice(2)));
  }
  return Uint8Array.from(bytes);
}

test(`${MUTATIONS} mutated golden frames are read or refused, and do nothing else`, () => {
  const frames = goldenFrames().map(([, golden]) => unhex(golden.hex));
  const random = new Random(SEED);
  let refused = 0;
  for (let index = 0; index < MUTATIONS; index += 1) {
    const bytes = mutated(frames, random);
    try {
      readAll(bytes);
    } catch (error) {
      if (!(error instanceof wire.WireError)) {
        throw new Error(`SEED=${SEED}, mutation ${index}, ${hex(bytes)}: ${String(error)}`, { cause: error });
      }
      assert.ok(error.offset >= 0 && error.offset <= bytes.length, `${error.message} in ${hex(bytes)}`);
      refused += 1;
    }
  }
  assert.ok(refused > MUTATIONS / 4 && refused < MUTATIONS, `${refused} were refused`);
});

test("a view takes or refuses whatever frames come", () => {
  const frames = goldenFrames().map(([, golden]) => unhex(golden.hex));
  const random = new Random(SEED + 1);
  for (let round = 0; round < 200; round += 1) {
    const view = new View();
    for (let index = 0; index < 25; index += 1) {
      const bytes = mutated(frames, random);
      try {
        for (const frame of wire.frames(bytes, wire.limitsUp("server"))) view.apply(frame);
      } catch (error) {
        if (error instanceof wire.WireError) continue;
        throw new Error(`SEED=${SEED}, round ${round}, ${hex(bytes)}: ${String(error)}`, { cause: error });
      }
    }
    view.reset();
  }
});

test("any bytes are an entity, a delta, or refused", () => {
  const random = new Random(SEED);
  for (let index = 0; index < MUTATIONS; index += 1) {
    const bytes = Uint8Array.from({ length: random.below(40) }, () => random.of([0, 1, 2, 65, random.below(256)]));
    for (const read of [readEntity, readDelta]) {
      try {
        read(bytes);
      } catch (error) {
        assert.ok(error instanceof wire.WireError, `${hex(bytes)}: ${String(error)}`);
      }
    }
  }
});
