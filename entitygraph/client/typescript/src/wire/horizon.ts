// Horizons (docs/protocol.md, "Horizon", kind 43): up to which moment nothing is missing.
import { Input } from "./bytes.js";
import { packed } from "./frame.js";

/** Reads the body: a whole moment. */
export function readHorizon(body: Uint8Array): bigint {
  const input = new Input("Horizon", body);
  const moment = input.number();
  input.end();
  return moment;
}

export function horizonFrame(moment: bigint): Uint8Array<ArrayBuffer> {
  return packed("Horizon", (out) => out.number(moment));
}
