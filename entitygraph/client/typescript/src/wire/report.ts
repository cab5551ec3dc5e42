// Reports (docs/protocol.md, "Report", kind 41): what a server's tick changed, exact.
import { Input, type Output } from "./bytes.js";
import { type Event, putEvents, takeEvents } from "./event.js";
import { type ExactRow, putExactRows, takeExactRows } from "./exact.js";
import { packed } from "./frame.js";

/** Most bytes of the answer in a receipt. */
export const ANSWER_BYTES_MAX = 1024;

const LAST_OF_TICK = 1;
/** Epoch, zone, count, and the counts of receipts, inputs and events. */
const GROUP_BYTES_MIN = 6;

/** The owner's word on an action. */
export interface Receipt {
  /** The session that the action came from, and its number there. */
  session: bigint;
  action: bigint;
  /** Handle of what it was done to. */
  target: number;
  outcome: "done" | "refused";
  /** The game's, at most [ANSWER_BYTES_MAX]. */
  answer: Uint8Array;
}

/** The newest input of a character that the tick used. */
export interface Used {
  character: number;
  number: bigint;
}

/** What was written under one epoch in one zone. */
export interface Group {
  /** Of the grant under which it is written. */
  epoch: bigint;
  /** Handle of the zone that poses are in. */
  zone: number;
  /** By ascending handle. */
  rows: ExactRow[];
  receipts: Receipt[];
  inputs: Used[];
  events: Event[];
}

export interface Report {
  /** One more than the last report of the session; the first is 1. */
  batch: bigint;
  /** The whole tick. */
  tick: bigint;
  lastOfTick: boolean;
  groups: Group[];
}

/** Reads the body of a Report frame, all of it but the entries of variables; values are judged by `exactRowFault`. */
export function readReport(body: Uint8Array): Report {
  const input = new Input("Report", body);
  const [batch, tick] = [input.number(), input.number()];
  const start = input.at;
  const flags = input.byte();
  if (flags > LAST_OF_TICK) throw input.error(start, `${flags} is no set of flags`);
  const groups = input.list(GROUP_BYTES_MIN, () => takeGroup(input));
  input.end();
  return { batch, tick, lastOfTick: flags === LAST_OF_TICK, groups };
}

function takeGroup(input: Input): Group {
  const [epoch, zone] = [input.number(), input.handle()];
  // A handle and a mask for each.
  const rows = takeExactRows(input.count(2), input);
  const receipts = input.list(5, () => takeReceipt(input));
  const inputs = input.list(2, () => ({ character: input.handle(), number: input.number() }));
  return { epoch, zone, rows, receipts, inputs, events: takeEvents(input) };
}

function takeReceipt(input: Input): Receipt {
  const [session, action, target] = [input.number(), input.number(), input.handle()];
  const start = input.at;
  const tag = input.byte();
  if (tag > 1) throw input.error(start, `${tag} is no tag of a receipt's outcome`);
  const answer = input.sizedUpTo("length of an answer", ANSWER_BYTES_MAX);
  return { session, action, target, outcome: tag === 0 ? "done" : "refused", answer };
}

/** A report as a whole frame. */
export function reportFrame({ batch, tick, lastOfTick, groups }: Report): Uint8Array<ArrayBuffer> {
  return packed("Report", (out) => {
    out.number(batch);
    out.number(tick);
    out.byte(lastOfTick ? LAST_OF_TICK : 0);
    out.list(groups, (group) => putGroup(group, out));
  });
}

function putGroup({ epoch, zone, rows, receipts, inputs, events }: Group, out: Output): void {
  out.number(epoch);
  out.handle(zone);
  out.number(rows.length);
  putExactRows(rows, out);
  out.list(receipts, ({ session, action, target, outcome, answer }) => {
    out.number(session);
    out.number(action);
    out.handle(target);
    out.byte(outcome === "done" ? 0 : 1);
    out.sized(answer, ANSWER_BYTES_MAX);
  });
  out.list(inputs, ({ character, number }) => {
    out.handle(character);
    out.number(number);
  });
  putEvents(events, out);
}
