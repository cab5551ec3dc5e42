// Events (docs/protocol.md, "Events", kind 42): what happens in a cell and stays nobody's state. Told once.
import { Input, type Output, U32_MAX } from "./bytes.js";
import { type Cell, putCell, takeCell } from "./cell.js";
import { packed } from "./frame.js";

/** Most bytes of the content of an event. */
export const EVENT_BYTES_MAX = 256;

export interface Event {
  /** Handle of the entity it comes from. */
  source: number;
  /** An event kind of the catalog. */
  kind: number;
  /** The game's, at most [EVENT_BYTES_MAX]. */
  content: Uint8Array;
}

export interface Events {
  /** Lower 16 bits, see `nearestMoment`. */
  moment: number;
  /** Handle of the zone host that the cell is in. */
  zone: number;
  cell: Cell;
  events: Event[];
}

/** Takes count and events. */
export function takeEvents(input: Input): Event[] {
  return input.list(3, () => ({
    source: input.handle(),
    kind: input.small("event kind", 0, U32_MAX),
    content: input.sizedUpTo("length of an event's content", EVENT_BYTES_MAX),
  }));
}

export function putEvents(events: readonly Event[], out: Output): void {
  out.list(events, ({ source, kind, content }) => {
    out.handle(source);
    if (kind > U32_MAX) throw new RangeError(`${kind} is no event kind`);
    out.number(kind);
    out.sized(content, EVENT_BYTES_MAX);
  });
}

/** Reads the body of an Events frame. */
export function readEvents(body: Uint8Array): Events {
  const input = new Input("Events", body);
  const [moment, zone] = [input.u16(), input.handle()];
  const cell = takeCell(input);
  const events = takeEvents(input);
  input.end();
  return { moment, zone, cell, events };
}

export function eventsFrame({ moment, zone, cell, events }: Events): Uint8Array<ArrayBuffer> {
  return packed("Events", (out) => {
    out.u16(moment);
    out.handle(zone);
    putCell(cell, out);
    putEvents(events, out);
  });
}
