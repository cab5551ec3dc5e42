// What a game server may write: its grants (docs/authority.md).
import type { Messages } from "./wire/index.js";

/** Where a handle stands: its parent and the root of its aggregate; 0 is none. */
export type Place = (handle: number) => { parent: number; root: number } | undefined;

interface Held {
  epoch: bigint;
  subtree: boolean;
  except: Set<number>;
}

export class Authority {
  private readonly grants = new Map<number, Held>();

  constructor(private readonly place: Place) {}

  /** Handles of the grants, and under which epoch each is. */
  *[Symbol.iterator](): Generator<[number, bigint], void, void> {
    for (const [handle, { epoch }] of this.grants) yield [handle, epoch];
  }

  grant({ handle, epoch, subtree, except }: Messages["Grant"]): void {
    this.grants.set(handle, { epoch, subtree, except: new Set(except) });
  }

  /** What is inside another grant is taken out of that one. */
  revoke({ handle, epoch }: Messages["Revoke"]): void {
    if (this.grants.get(handle)?.epoch === epoch) this.grants.delete(handle);
    this.covering(handle)?.except.add(handle);
  }

  /** The epoch under which the entity may be written, if it may. */
  epochOf(handle: number): bigint | undefined {
    return this.covering(this.place(handle)?.root || handle)?.epoch;
  }

  clear(): void {
    this.grants.clear();
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
