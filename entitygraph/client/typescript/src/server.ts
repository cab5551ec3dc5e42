// A game server: takes a post, simulates what it is granted, reports each tick. It writes only what its grants cover, only while
// its lease runs, and nothing that is frozen. Each action comes to the game once; its receipt goes with its effects.
import { Connection, type ConnectionOptions } from "./connection.js";
import { Code } from "./generated/stream_pb.js";
import { Once } from "./once.js";
import { Tick } from "./tick.js";
import { type Callbacks, View } from "./view.js";
import type * as wire from "./wire/index.js";

/** What a server is told, beside what every peer is. */
export interface ServerCallbacks extends Callbacks {
  /** Judge this in the next tick, with `Tick.judged`. It comes once. */
  action?(action: wire.Messages["Action"]): void;
  /** What a player's hands do now; a newer one replaces it. */
  input?(input: wire.PlayerInput): void;
  /** Stop this and all inside it at the end of this tick, then call `frozen`. */
  freeze?(move: bigint, handle: number): void;
  /** It goes on with what was frozen. */
  thawed?(handle: number): void;
  /** Everything up to this report is in the store. */
  durable?(batch: bigint): void;
}

export interface ServerOptions extends Omit<ConnectionOptions, "role" | "view" | "onInputs"> {
  callbacks?: ServerCallbacks;
  /** The post that it takes, when a session begins and again where it has to; any that is free if none is named. */
  register?: wire.Inits["Register"];
  /** The caller sends `Ready` when it has loaded what `bind` brings, again after a resume; else it is sent at once. */
  loads?: boolean;
}

/** What became of a tick. */
export interface Sent {
  /** Its number, or that of its last frame: `durable` names it. */
  batch: bigint;
  /** What was said of these was left out: the server may not write them any more. */
  leftOut: number[];
}

const ACTIONS_WAITING = 4_096;
const REPORT_BYTES = 1 << 20;

export class Server {
  readonly view: View;
  readonly connection: Connection;
  private readonly once = new Once();
  /** Receipts that are to be said again: their report may not have come. */
  private again: wire.Receipt[] = [];
  private last = 0n;

  constructor(private readonly options: ServerOptions) {
    const { callbacks = {}, register = {}, loads = false, onBegun, onMessage, onEnded } = options;
    this.view = new View({
      callbacks: {
        ...callbacks,
        bind: (batch, entities) => {
          if (!loads) this.connection.send("Ready", { batch });
          callbacks.bind?.(batch, entities);
        },
        authorityLost: (handle, epoch) => {
          this.once.forget((target) => this.view.authority.epochOf(target) !== undefined);
          callbacks.authorityLost?.(handle, epoch);
        },
      },
    });
    this.connection = new Connection({
      ...options,
      role: "server",
      view: this.view,
      onBegun: (begun) => {
        if (!begun.resumed) {
          this.once.clear();
          this.again = [];
          this.view.loseAuthority();
        }
        // Whoever has the post is told nothing; whoever lost it with the socket gets it again, or hears that another one has it.
        this.connection.send("Register", register);
        // What was said may have been lost with the socket.
        if (begun.resumed && !loads) for (const batch of this.view.loading()) this.connection.send("Ready", { batch });
        onBegun?.(begun);
      },
      onEnded: (error) => {
        this.view.loseAuthority();
        onEnded?.(error);
      },
      onInputs: (inputs) => inputs.forEach((input) => callbacks.input?.(input)),
      onMessage: (control) => {
        this.message(control);
        onMessage?.(control);
      },
    });
  }

  start(): void {
    this.connection.start();
  }

  /** Says Goodbye: the session ends. */
  close(): void {
    this.connection.close();
  }

  /** Whether this server simulates the entity now. Asks nobody. */
  hasAuthority(handle: number): boolean {
    return !this.endLease() && this.view.authority.epochOf(handle, this.connection.moment() / 16n) !== undefined;
  }

  /**
   * Begins a tick, at most once each: nothing when no session is open, nothing is the server's, its lease is over, or the tick of
   * the shard clock was reported already.
   */
  begin(): Tick | undefined {
    if (this.endLease() || this.connection.state !== "open") return undefined;
    const number = this.connection.moment() / 16n;
    return number > this.last && this.view.authority.inForce(number) ? new Tick(number) : undefined;
  }

  /** Reports what the tick changed; nothing, and nothing is sent, while no session is open. */
  report(tick: Tick): Sent | undefined {
    const over = this.endLease();
    if (this.connection.state !== "open") return undefined;
    tick.receipts.push(...this.again);
    this.again = [];
    const most = Math.floor((this.connection.welcome?.bounds?.messageBytes ?? 0) / 4) || REPORT_BYTES;
    const { reports, leftOut } = tick.reports(most, (handle) => {
      const epoch = over ? undefined : this.view.authority.epochOf(handle, tick.number);
      const zone = this.view.get(handle)?.zone ?? 0;
      return epoch === undefined || zone === 0 ? undefined : { epoch, zone };
    });
    let batch: bigint | undefined;
    for (const report of reports) batch = this.connection.report(report);
    this.last = tick.number;
    for (const receipt of tick.receipts) if (!leftOut.includes(receipt.target)) this.once.done(receipt);
    return batch === undefined ? undefined : { batch, leftOut };
  }

  /**
   * Says that what `freeze` named has stopped, after the report of its last tick; nothing of it is written from now on. `carry` is
   * what no variable holds, `pose` where it is in the zone that it goes to, if it changes its zone.
   */
  frozen(move: bigint, handle: number, carry = new Uint8Array(), pose?: wire.Inits["Frozen"]["pose"]): boolean {
    const sent = this.connection.send("Frozen", { move, tick: this.last, carry, ...(pose === undefined ? {} : { pose }) });
    if (sent) this.view.authority.freeze(move, handle);
    return sent;
  }

  /** At its end it stops by itself. The hub gives what it had to another server, so the session has to begin with that. */
  private endLease(): boolean {
    const { leaseEnd } = this.connection;
    if (leaseEnd === undefined || this.connection.now() < leaseEnd) return false;
    if (this.view.authority.size > 0) {
      this.view.loseAuthority();
      this.connection.lose("the lease ended without an answer");
    }
    return true;
  }

  private message({ kind, message }: wire.Control): void {
    const { callbacks = {} } = this.options;
    switch (kind) {
      case "Action":
        return this.action(message);
      case "Freeze":
        return callbacks.freeze?.(message.move, message.handle);
      case "Abort": {
        const handle = this.view.authority.thaw(message.move);
        return handle === undefined ? undefined : callbacks.thawed?.(handle);
      }
      case "Notice":
        // Another server took the post while the socket was away, and nobody could be told.
        if (message.code === Code.POST_TAKEN) this.view.loseAuthority();
        return;
      case "Durable":
        return callbacks.durable?.(message.batch);
    }
  }

  private action(action: wire.Messages["Action"]): void {
    const came = this.once.come(action, this.connection.welcome?.bounds?.actionsWaiting || ACTIONS_WAITING);
    if (came === "new") this.options.callbacks?.action?.(action);
    else if (came !== "given" && !this.again.includes(came)) this.again.push(came);
  }
}
