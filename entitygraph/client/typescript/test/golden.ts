// The frames of schema/proto/golden/, which the Rust writers made.
import { readFileSync, readdirSync } from "node:fs";

import { type ValueKind, VALUE_KINDS, Variables } from "../src/wire/index.js";

export interface Golden {
  name: string;
  kind: string;
  about: string;
  hex: string;
  meaning: unknown;
}

// From dist/test/ of the package to the root of the repository.
const folder = new URL("../../../../../schema/proto/golden/", import.meta.url);

/** Every file with its name. */
export function goldenFrames(): [string, Golden][] {
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return files.map((name) => [name, JSON.parse(readFileSync(new URL(name, folder), "utf8")) as Golden]);
}

/** The variables of the golden frames: one of each kind in the order of their tags, then three with precision. */
export function goldenVariables(): Variables {
  const variables = new Variables();
  const precise: [ValueKind, number][] = [["float", 0.25], ["vector", 0.25], ["float_list", 0.25]];
  const all: [ValueKind, number | undefined][] = [...VALUE_KINDS.map((kind): [ValueKind, undefined] => [kind, undefined]), ...precise];
  all.forEach(([kind, precision], number) => {
    const known = { component: 1, variable: number + 1, kind, ...(precision === undefined ? {} : { precision }) };
    if (!variables.insert(number, known)) throw new Error(`number ${number} twice`);
  });
  return variables;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

export function unhex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(text, "hex"));
}
