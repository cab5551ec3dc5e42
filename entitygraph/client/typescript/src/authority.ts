// What a game server may write: its grants (docs/authority.md).
import type { Messages } from "./wire/index.js";

/** Where a handle stands: its parent and the root of its aggregate; 0 is none. */
export type Place = (handle: number) => { parent: number; root: number } | undefined;

interface Held {
  epoch: bigint;
  subtree: boolean;
  except: Set<number>;
  fromTick: bigint;
}

export class Authority {
  private readonly grants = new Map<number, Held>();
  /** Roots that stopped at the end of a tick, by the number of the hand-over: nothing of them is written any more. */
  private readonly frozen = new Map<bigint, number>();

  constructor(private readonly place: Place) {}

  /** Handles of the grants, and under which epoch each is. */
  *[Symbol.iterator](): Generator<[number, bigint], void, void> {
    for (const [handle, { epoch }] of this.grants) yield [handle, epoch];
  }

  /** How many grants are live. */
  get size(): number {
    return this.grants.size;
  }

  /** Whether some grant is in force in this tick. */
  inForce(tick: bigint): boolean {
    return [...this.grants.values()].some(({ fromTick }) => fromTick <= tick);
  }

  grant({ handle, epoch, subtree, except, fromTick }: Messages["Grant"]): void {
    this.grants.set(handle, { epoch, subtree, except: new Set(except), fromTick });
    this.thawed(handle);
  }

  /** What is inside another grant is taken out of that one. A Revoke of an older grant does nothing: false. */
  revoke({ handle, epoch }: Messages["Revoke"]): boolean {
    const held = this.grants.get(handle);
    if (held !== undefined && held.epoch > epoch) return false;
    this.grants.delete(handle);
    this.covering(handle)?.except.add(handle);
    this.thawed(handle);
    return true;
  }

  /** It stopped: nothing of it and all inside it is written until `thaw`, or another grant of it. */
  freeze(move: bigint, handle: number): void {
    this.frozen.set(move, handle);
  }

  /** The hand-over of this number is off: what goes on, if something does. */
  thaw(move: bigint): number | undefined {
    const handle = this.frozen.get(move);
    this.frozen.delete(move);
    return handle;
  }

  /** The epoch under which the entity may be written in this tick, if it may. */
  epochOf(handle: number, tick?: bigint): bigint | undefined {
    const root = this.place(handle)?.root || handle;
    if (this.isFrozen(root)) return undefined;
    const held = this.covering(root);
    return held !== undefined && (tick === undefined || held.fromTick <= tick) ? held.epoch : undefined;
  }

  clear(): void {
    this.grants.clear();
    this.frozen.clear();
  }

  private thawed(handle: number): void {
    for (const [move, frozen] of this.frozen) if (frozen === handle) this.frozen.delete(move);
  }

  private isFrozen(root: number): boolean {
    const frozen = new Set(this.frozen.values());
    const passed = new Set<number>();
    for (let at = root; frozen.size > 0 && at !== 0 && !passed.has(at); at = this.place(at)?.parent ?? 0) {
      if (frozen.has(at)) return true;
      passed.add(at);
    }
    return false;
  }

  /** The grant of a root, or of the innermost territory around it that does not leave it out. */
  private covering(root: number): Held | undefined {
    const passed: number[] = [];
    for (let at = root; at !== 0 && !passed.includes(at); at = this.place(at)?.parent ?? 0) {
      passed.push(at);
      const held = this.grants.get(at);
      if (held === undefined || !(held.subtree || at === root)) continue;
      return passed.some((one) => held.except.has(one)) ? undefined : held;
    }
    return undefined;
  }
}
