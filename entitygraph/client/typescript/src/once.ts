// Actions that come to a game server: each has an effect once (docs/protocol.md, "Actions", 4). The owner keeps the numbers that
// it did of each session, with the receipts.
import type { Messages } from "./wire/index.js";
import type { Receipt } from "./wire/report.js";

/** Sessions whose numbers are kept; of more, those that came first are forgotten. */
const SESSIONS_MAX = 16_384;

/** What was judged, or the target of what the game has and has not judged. */
type Known = Receipt | { given: number };

export class Once {
  private readonly sessions = new Map<bigint, Map<bigint, Known>>();

  /**
   * An action came. `most` is how many of a session may be without a result: twice as many are remembered. "new" is to be judged
   * by the game, "given" it has already; a receipt is to be said again, and nothing else to be done.
   */
  come({ session, number, target }: Messages["Action"], most: number): "new" | "given" | Receipt {
    const numbers = this.sessions.get(session) ?? new Map<bigint, Known>();
    const known = numbers.get(number);
    if (known !== undefined) return "given" in known ? "given" : known;
    if (!this.sessions.has(session)) this.makeRoom();
    this.sessions.set(session, numbers.set(number, { given: target }));
    if (numbers.size > Math.max(1, 2 * most)) numbers.delete([...numbers.keys()].reduce((a, b) => (a < b ? a : b)));
    return "new";
  }

  /** The game judged it. */
  done(receipt: Receipt): void {
    this.sessions.get(receipt.session)?.set(receipt.action, receipt);
  }

  /** What was not judged and is not the server's any more goes to the next owner: if it comes back, it is new. */
  forget(isMine: (handle: number) => boolean): void {
    for (const [session, numbers] of this.sessions) {
      for (const [number, known] of numbers) if ("given" in known && !isMine(known.given)) numbers.delete(number);
      if (numbers.size === 0) this.sessions.delete(session);
    }
  }

  /** Another incarnation: it numbers anew. */
  clear(): void {
    this.sessions.clear();
  }

  private makeRoom(): void {
    for (const session of this.sessions.keys()) {
      if (this.sessions.size < SESSIONS_MAX) return;
      this.sessions.delete(session);
    }
  }
}
