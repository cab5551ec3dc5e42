// Inputs (docs/protocol.md, kinds 44 to 46): what a player's hands do now. A newer one replaces it.
import { Input } from "./bytes.js";
import { packed } from "./frame.js";

/** Most bytes of the content of an input. */
export const INPUT_BYTES_MAX = 256;

const LENGTH = "length of an input's content";

export interface PlayerInput {
  /** Handle of the player's character. */
  character: number;
  /** The sender's, ascending. */
  number: bigint;
  /** The game's, at most [INPUT_BYTES_MAX]. */
  content: Uint8Array;
}

/** Which input the newest state contains. */
export interface Applied {
  /** Lower 16 bits of the moment of the state, see `nearestMoment`. */
  moment: number;
  /** The highest input that it contains. */
  number: bigint;
}

/** Reads the body of an Input frame. */
export function readInput(body: Uint8Array): PlayerInput {
  const input = new Input("Input", body);
  const [character, number] = [input.handle(), input.number()];
  if (input.left > INPUT_BYTES_MAX) throw input.error(input.at, `${input.left} is no ${LENGTH}`);
  return { character, number, content: input.take(input.left) };
}

export function inputFrame({ character, number, content }: PlayerInput): Uint8Array<ArrayBuffer> {
  if (content.length > INPUT_BYTES_MAX) throw new RangeError(`${content.length} bytes are over the limit of ${INPUT_BYTES_MAX}`);
  return packed("Input", (out) => {
    out.handle(character);
    out.number(number);
    out.raw(content);
  });
}

/** Reads the body of an Inputs frame: the newest input of each character. */
export function readInputs(body: Uint8Array): PlayerInput[] {
  const input = new Input("Inputs", body);
  const inputs = input.list(3, () => ({
    character: input.handle(),
    number: input.number(),
    content: input.sizedUpTo(LENGTH, INPUT_BYTES_MAX),
  }));
  input.end();
  return inputs;
}

export function inputsFrame(inputs: readonly PlayerInput[]): Uint8Array<ArrayBuffer> {
  return packed("Inputs", (out) => {
    out.list(inputs, ({ character, number, content }) => {
      out.handle(character);
      out.number(number);
      out.sized(content, INPUT_BYTES_MAX);
    });
  });
}

/** Reads the body of an Applied frame. */
export function readApplied(body: Uint8Array): Applied {
  const input = new Input("Applied", body);
  const applied = { moment: input.u16(), number: input.number() };
  input.end();
  return applied;
}

export function appliedFrame({ moment, number }: Applied): Uint8Array<ArrayBuffer> {
  return packed("Applied", (out) => {
    out.u16(moment);
    out.number(number);
  });
}
