// The tables of docs/protocol.md are those of the code.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { REFUSALS } from "../src/refusal.js";
import * as wire from "../src/wire/index.js";

const page = readFileSync(new URL("../../../../../docs/protocol.md", import.meta.url), "utf8");

/** The cells of the table under this heading. */
function table(heading: string): string[][] {
  const section = page.split(`## ${heading}\n`)[1]!.split("\n## ")[0]!;
  const rows = section.split("\n").filter((line) => line.startsWith("|"));
  return rows.map((row) => row.split("|").slice(1, -1).map((cell) => cell.trim()));
}

const NAMES: Record<string, wire.Role[]> = { P: ["server", "player", "viewer"], S: ["server"], player: ["player"], viewer: ["viewer"] };

/** Roles on one side of an arrow to or from the hub. */
function roles(text: string): wire.Role[] {
  return text.split(", ").flatMap((name) => NAMES[name] ?? []).sort();
}

/** Who sends a kind to the hub, and to whom the hub sends it. */
function ways(text: string): [wire.Role[], wire.Role[]] {
  const up = /^(.*?)→H/.exec(text)?.[1] ?? "";
  const down = /H→(.*)$/.exec(text)?.[1] ?? "";
  return [roles(up), roles(down)];
}

test("kinds have the numbers, senders and bodies of the page", () => {
  const rows = table("Frames").filter(([number]) => /^[0-9A-F]{2}$/.test(number!));
  assert.deepEqual(Object.fromEntries(rows.map(([number, name]) => [name, Number.parseInt(number!, 16)])), wire.KIND);
  const all = Object.keys(NAMES).flatMap((name) => NAMES[name]!).slice(0, 3).sort();
  for (const [, name, way, body] of rows) {
    const kind = name as wire.Kind;
    assert.equal(wire.isPacked(kind), body === "packed", kind);
    const sent = all.filter((role) => wire.maySend(role, kind));
    const received = all.filter((role) => wire.mayReceive(role, kind));
    assert.deepEqual([sent, received], ways(way!), kind);
  }
});

test("refusals have the close codes of the page", () => {
  const rows = table("Refusals").filter(([close, code]) => /^\d{4}$/.test(close!) && code !== "");
  const codes = Object.fromEntries(rows.map(([close, code]) => [code!.replaceAll("`", ""), Number(close)]));
  assert.deepEqual(codes, Object.fromEntries(Object.entries(REFUSALS).map(([code, { close }]) => [code, close])));
});

test("the examples of the README are those that are compiled", () => {
  const folder = new URL("../../", import.meta.url);
  const readme = readFileSync(new URL("README.md", folder), "utf8");
  for (const name of ["viewer", "server"]) {
    const example = readFileSync(new URL(`examples/${name}.ts`, folder), "utf8");
    assert.ok(readme.includes(`\`\`\`ts\n${example}\`\`\``), name);
  }
});
