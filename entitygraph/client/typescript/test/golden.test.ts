import assert from "node:assert/strict";
import { test } from "node:test";

import * as wire from "../src/wire/index.js";
import { goldenFrames, hex, unhex } from "./golden.js";
import { messageMeaning, packedMeaning, rewritten } from "./meaning.js";

/** Equal but for floats, which are equal to 1e-12 of their size. */
function same(read: unknown, expected: unknown, path: string): void {
  if (typeof read === "number" && typeof expected === "number") {
    const off = Math.abs(read - expected);
    assert.ok(off <= 1e-12 * Math.max(1, Math.abs(expected)), `${path}: ${read} is not ${expected}`);
  } else if (typeof read === "object" && read !== null && typeof expected === "object" && expected !== null) {
    assert.deepEqual(Object.keys(read).sort(), Object.keys(expected).sort(), path);
    for (const [key, value] of Object.entries(expected)) {
      same((read as Record<string, unknown>)[key], value, `${path}.${key}`);
    }
  } else {
    assert.deepEqual(read, expected, path);
  }
}

for (const [file, golden] of goldenFrames()) {
  test(`${file} is read as it says, and written to the byte`, () => {
    const message = unhex(golden.hex);
    const found = [...wire.frames(message, wire.limitsUp("server"))];
    assert.equal(found.length, 1);
    const { kind, body } = found[0]!;
    assert.equal(kind, golden.name);
    assert.equal(wire.KIND[kind], Number.parseInt(golden.kind, 16));
    same(wire.isPacked(kind) ? packedMeaning(kind, body) : messageMeaning(kind, body), golden.meaning, file);
    assert.equal(hex(rewritten(kind, body)), golden.hex);
  });
}

test("every packed kind has a golden frame", () => {
  const names = new Set(goldenFrames().map(([, golden]) => golden.name));
  assert.deepEqual(wire.PACKED.filter((kind) => !names.has(kind)), []);
});
