// Actions that have no result yet: each is done once, whatever is lost on the way (docs/protocol.md, "Actions").
import { ActionResult_Outcome as Outcome, ActionResultSchema } from "./generated/stream_pb.js";
import { create } from "@bufbuild/protobuf";
import { type Messages, messageFrame } from "./wire/index.js";

/** What is to be done to which entity. */
export interface ActionDraft {
  /** Handle; active for the sender. */
  target: number;
  /** An action kind of the catalog. */
  kind: number;
  /** The game's, at most 4 KiB. */
  content?: Uint8Array<ArrayBuffer>;
  /** The sender's tick when it acted. */
  tick?: bigint;
}

interface Waiting {
  frame: Uint8Array<ArrayBuffer>;
  done: (result: Messages["ActionResult"]) => void;
}

const CONTENT_BYTES_MAX = 4096;

export class Actions {
  private last = 0n;
  private readonly waiting = new Map<bigint, Waiting>();

  get count(): number {
    return this.waiting.size;
  }

  /** Numbers an action: its frame, and its result when that comes. */
  begin(draft: ActionDraft): { frame: Uint8Array<ArrayBuffer>; result: Promise<Messages["ActionResult"]> } {
    const bytes = draft.content?.length ?? 0;
    if (bytes > CONTENT_BYTES_MAX) throw new RangeError(`the content has ${bytes} bytes, the limit is ${CONTENT_BYTES_MAX}`);
    const number = this.last + 1n;
    const frame = messageFrame("Action", { ...draft, number });
    this.last = number;
    const result = new Promise<Messages["ActionResult"]>((done) => this.waiting.set(number, { frame, done }));
    return { frame, result };
  }

  /** A result came; one that was told before says nothing. */
  end(result: Messages["ActionResult"]): void {
    const waiting = this.waiting.get(result.number);
    this.waiting.delete(result.number);
    waiting?.done(result);
  }

  /** The session went on: these are sent again. */
  again(): Uint8Array<ArrayBuffer>[] {
    return [...this.waiting.values()].map((waiting) => waiting.frame);
  }

  /** Another session or incarnation, which took actions up to `taken`: what became of those that wait, nobody knows. */
  reset(taken: bigint): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    this.last = taken;
    for (const [number, { done }] of waiting) done(create(ActionResultSchema, { number, outcome: Outcome.UNKNOWN }));
  }
}
