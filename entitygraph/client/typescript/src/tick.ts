// What a tick changed, as a game server gathers it; written as Report frames (docs/protocol.md, "Report").
import * as wire from "./wire/index.js";

/** Where something is and how it moves, in its zone. What is left out did not change. */
export interface Motion {
  /** Metres. */
  position?: wire.Vec3;
  /** A unit quaternion x y z w. */
  rotation?: wire.Quat;
  /** Metres a second. */
  velocity?: wire.Vec3;
}

/** Under which epoch and in which zone something is written. */
export interface Where {
  epoch: bigint;
  zone: number;
}

type Item = { row: wire.ExactRow } | { used: wire.Used } | { receipt: wire.Receipt } | { event: wire.Event };

const GROUP_BYTES = 32;

export class Tick {
  readonly receipts: wire.Receipt[] = [];
  private readonly rows = new Map<number, wire.ExactRow>();
  private readonly inputs = new Map<number, bigint>();
  private readonly events: wire.Event[] = [];

  constructor(
    /** The whole tick. */
    readonly number: bigint,
  ) {}

  /** Where an entity is now. What nothing can have, such as NaN, is refused with a `RangeError`. */
  motion(handle: number, motion: Motion): void {
    const row: wire.ExactRow = { ...this.rows.get(handle), ...motion, handle };
    if (row.rotation !== undefined) row.rotation = unit(row.rotation);
    const fault = wire.exactRowFault(row);
    if (fault !== undefined) throw new RangeError(`entity with handle ${handle}: ${fault}`);
    this.rows.set(handle, row);
  }

  /** Its variables, as entries of exact values by ascending number. */
  variables(handle: number, entries: Uint8Array): void {
    this.rows.set(handle, { ...this.rows.get(handle), handle, variables: entries });
  }

  /** An action was judged. Its effects stand in this tick too: the hub takes both or neither. The answer has at most 1 KiB. */
  judged({ session, number, target }: wire.Messages["Action"], outcome: "done" | "refused", answer = new Uint8Array()): void {
    if (answer.length > wire.ANSWER_BYTES_MAX) throw new RangeError(`the answer has ${answer.length} bytes, the limit is ${wire.ANSWER_BYTES_MAX}`);
    this.receipts.push({ session, action: number, target, outcome, answer });
  }

  /** This input of the character is in what the tick says, and all before it. */
  used(character: number, input: bigint): void {
    this.inputs.set(character, input);
  }

  /** Something happened that is nobody's state; the kind is one of the catalog's, the content has at most 256 bytes. */
  happened(event: wire.Event): void {
    this.events.push(event);
  }

  /**
   * Its reports, each of about `bytesMax` bytes at most; and the handles of what has no place: what `where` says nothing of is
   * left out.
   */
  reports(bytesMax: number, where: (handle: number) => Where | undefined): { reports: Omit<wire.Report, "batch">[]; leftOut: number[] } {
    const leftOut = new Set<number>();
    const placed: { at: Where; item: Item; bytes: number }[] = [];
    const place = (handle: number, item: Item, bytes: number): void => {
      const at = where(handle);
      if (at === undefined) leftOut.add(handle);
      else placed.push({ at, item, bytes: GROUP_BYTES + bytes });
    };
    const rows = [...this.rows.values()].sort((a, b) => a.handle - b.handle);
    for (const row of rows) place(row.handle, { row }, 64 + (row.variables?.length ?? 0) + 10);
    for (const receipt of this.receipts) place(receipt.target, { receipt }, 48 + receipt.answer.length);
    for (const [character, number] of this.inputs) place(character, { used: { character, number } }, 16);
    for (const event of this.events) place(event.source, { event }, 24 + event.content.length);
    const parts: (typeof placed)[] = [[]];
    let bytes = 0;
    for (const one of placed) {
      if (bytes + one.bytes > bytesMax && bytes > 0) {
        parts.push([]);
        bytes = 0;
      }
      parts.at(-1)!.push(one);
      bytes += one.bytes;
    }
    const reports = parts.map((part, index) => ({ tick: this.number, lastOfTick: index === parts.length - 1, groups: grouped(part) }));
    return { reports, leftOut: [...leftOut] };
  }
}

/** Items by epoch and zone, in their order. */
function grouped(items: readonly { at: Where; item: Item }[]): wire.Group[] {
  const groups = new Map<string, wire.Group>();
  for (const { at, item } of items) {
    const key = `${at.epoch} ${at.zone}`;
    const group = groups.get(key) ?? { ...at, rows: [], receipts: [], inputs: [], events: [] };
    groups.set(key, group);
    if ("row" in item) group.rows.push(item.row);
    else if ("receipt" in item) group.receipts.push(item.receipt);
    else if ("used" in item) group.inputs.push(item.used);
    else group.events.push(item.event);
  }
  return [...groups.values()];
}

/** Numbers of 64 bits are a unit quaternion to more digits than the 32 bits of the wire: it is one there too. */
function unit(rotation: wire.Quat): wire.Quat {
  const length = Math.hypot(...rotation);
  if (Math.abs(length - 1) > 1e-3) return rotation;
  const [x, y, z, w] = rotation.map((part) => Math.fround(part / length)) as wire.Quat;
  return [x, y, z, w];
}
