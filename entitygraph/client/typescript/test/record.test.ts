// Records with the golden bytes of schema/src/codec/tests.rs.
import assert from "node:assert/strict";
import { test } from "node:test";

import { readComponent } from "../src/record/component.js";
import { readDelta } from "../src/record/delta.js";
import { readEntity } from "../src/record/entity.js";
import type { Value } from "../src/wire/index.js";
import { Input } from "../src/wire/bytes.js";
import { takeValue } from "../src/wire/value.js";
import { unhex } from "./golden.js";

const bytes = (text: string): Uint8Array => unhex(text.replaceAll(/\s/g, ""));

const FULL = `04 01 02 04 6974656d ff3f 01 41 09 01 08 01 73 01
  01 0000000000000000 0000000000000000 000000000000f03f 000000000000f03f
  01 04 01 01 01 01 01 02 01 6b 01 6c 01 70
  000000000000f0bf 000000000000f0bf 000000000000f0bf 000000000000f03f 000000000000f03f 000000000000f03f
  01 6f 05`;

test("values of every kind are read", () => {
  const cases: [string, Value | undefined][] = [
    ["01 01", { kind: "bool", value: true }],
    ["02 03", { kind: "int", value: -2n }],
    ["03 000000000000f83f", { kind: "float", value: 1.5 }],
    ["04 04 4a697461", { kind: "text", value: "Jita" }],
    ["05 ac02", { kind: "entity", value: 300n }],
    ["06 000000000000f03f 0000000000000080 0000000000000040", { kind: "vector", value: [1, -0, 2] }],
    ["07 02 00ff", { kind: "bytes", value: bytes("00ff") }],
    ["08 02 02 01", { kind: "int_list", value: [1n, -1n] }],
    ["09 01 000000000000f03f", { kind: "float_list", value: [1] }],
    ["0a 02 01 61 00", { kind: "text_list", value: ["a", ""] }],
    ["00", undefined],
  ];
  for (const [hex, value] of cases) {
    const input = new Input("value", bytes(hex));
    assert.deepEqual(takeValue(input, true), value);
    input.end();
  }
});

test("entities are read", () => {
  const item = readEntity(bytes("01 00 02 04 6974656d 04 01"));
  assert.deepEqual([item.revision, item.epoch, item.id, item.kind, item.parent, item.pose, item.root], [1n, 0n, 2n, "item", 1n, undefined, false]);
  assert.deepEqual(readEntity(bytes(FULL)), {
    revision: 4n,
    epoch: 1n,
    id: 2n,
    kind: "item",
    name: "A",
    source: { container: 9, slot: { container: 8, child: "s" } },
    parent: 1n,
    pose: { translation: [0, 0, 1], rotation: [0, 0, 0, 1] },
    radius: 1,
    components: new Map([[4, new Map([[1, { kind: "bool", value: true }]])]]),
    ordinal: -1n,
    labels: new Set(["k", "l"]),
    port: "p",
    zone: { min: [-1, -1, -1], max: [1, 1, 1] },
    root: true,
    owner: "o",
    layer: 5,
  });
});

test("deltas are read", () => {
  assert.deepEqual(readDelta(bytes("02 01 00")), { revision: 2n, epoch: 1n });
  const full = `02 01 ff0f 00 02 04 03 00 05 00 02 01 01 01 02 00 03 01 01 70 00 00
    0000000000000000 00 00 00 00 02 01 61 01 01 62 00`;
  assert.deepEqual(readDelta(bytes(full)), {
    revision: 2n,
    epoch: 1n,
    pose: null,
    components: new Map([
      [4, { reset: true, remove: true, variables: new Map() }],
      [5, { reset: false, remove: false, variables: new Map([[1, { kind: "bool", value: true }], [2, undefined]]) }],
    ]),
    parent: { id: 3n, port: "p" },
    ordinal: 0n,
    name: "",
    radius: 0,
    zone: null,
    root: false,
    owner: null,
    layer: 0,
    labels: new Map([["a", true], ["b", false]]),
  });
});

test("component types are read", () => {
  const type = readComponent(bytes("03 03 01 63 02 01 01 61 02 00 40 02 01 62 03 0000000000000000 37 01 67 000000000000e03f"));
  assert.deepEqual([type.id, type.version, type.name, type.variables.map((one) => one.retired)], [3, 3, "c", [true, false]]);
  assert.deepEqual(type.variables[1], {
    id: 2,
    name: "b",
    default: { kind: "float", value: 0 },
    group: "g",
    everyTick: true,
    persisted: false,
    visibility: "server",
    precision: 0.5,
    retired: false,
  });
});

test("other spellings are refused by byte and reason", () => {
  const refused = (hex: string, why: string): void => assert.throws(() => readEntity(bytes(hex)), { name: "WireError", message: why });
  refused("01 00 00 04 6974656d 04 01", "byte 2 of the entity: 0 is no entity id");
  refused("01 00 02 04 6974656d 04 01 00", "byte 10 of the entity: 1 bytes follow the end of the record");
  refused("01 00 02 04 6974656d 01 00", "byte 9 of the entity: entity name is written although it has its default");
  refused("01 00 02 04 6974656d 8040", "byte 8 of the entity: 8192 is no set of fields");
  refused("01 00 02 04 69742061 04 01", "byte 3 of the entity: kind has more than letters, digits and _ - . : /");
  refused("01 00 02 04 6974656d 8001 02 01 6c 01 6b", "byte 13 of the entity: a label stands after an equal or greater one");
  refused("01 00 02 04 6974656d 10 0000000000000000", "byte 9 of the entity: the radius is written although it has its default");
});
