// The connection of a peer: a session (session.ts) on real sockets and timers, with the local copy and actions beside it.
import { type ActionDraft, Actions } from "./actions.js";
import { StreamError } from "./refusal.js";
import { type Begun, type Effect, type Login, Session, type SessionState } from "./session.js";
import type { View } from "./view.js";
import * as wire from "./wire/index.js";

/** The subprotocol; a server that answers without it speaks something else. */
export const SUBPROTOCOL = "entitygraph.stream";

/** What is used of a WebSocket: that of browsers and Node 22, or of `ws`. */
export interface SocketLike {
  binaryType: string;
  readonly protocol: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

export type SocketConstructor = new (url: string, protocol: string) => SocketLike;

/** Time, as a connection needs it. */
export interface Timers {
  /** Milliseconds of a monotonic clock. */
  now(): number;
  /** Calls back once after this time; what is returned calls it off. */
  after(ms: number, call: () => void): () => void;
}

export interface ConnectionOptions {
  /** Of the stream, such as `wss://host/stream`. */
  url: string;
  role: wire.Role;
  /** What to log in with; a function is asked again when a login is refused or the session is gone. */
  login: Login | (() => Login | Promise<Login>);
  /** Gets every frame that says something of the world. */
  view?: View;
  software?: string;
  /** Where there is no global `WebSocket`: that of `ws`. */
  webSocket?: SocketConstructor;
  timers?: Timers;
  random?: () => number;
  backoffMs?: { first: number; most: number };
  /** A session began or went on: `Enter`, `Register` or `Follow` unless it was resumed. */
  onBegun?(begun: Begun): void;
  /** The connection is lost and will come again by itself. */
  onLost?(error: StreamError, retryInMs: number): void;
  /** It will not; without an error after `close`. */
  onEnded?(error: StreamError | undefined): void;
  /** Every message that neither the session nor the view keeps for itself. */
  onMessage?(control: wire.Control): void;
  /** Which input the next state contains (players). */
  onApplied?(applied: wire.Applied): void;
  /** The newest inputs of characters (servers). */
  onInputs?(inputs: wire.PlayerInput[]): void;
}

const TIMERS: Timers = {
  now: () => performance.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};

export class Connection {
  private readonly session: Session;
  private readonly actions = new Actions();
  private readonly timers: Timers;
  private readonly limits: wire.Limits;
  private socket: SocketLike | undefined;
  private callOff: (() => void) | undefined;
  private batch = 0n;

  constructor(private readonly options: ConnectionOptions) {
    const { url, role, software, backoffMs, random, view, login } = options;
    this.timers = options.timers ?? TIMERS;
    this.limits = wire.limitsDown(role);
    this.session = new Session({
      url,
      role,
      renewable: typeof login === "function",
      random: random ?? Math.random,
      ...(software === undefined ? {} : { software }),
      ...(backoffMs === undefined ? {} : { backoffMs }),
      point: () => ({
        seen: view?.seen ?? 0n,
        horizon: view?.horizon ?? 0n,
        catalogHash: view?.catalog.hash ?? new Uint8Array(),
      }),
    });
    if (view !== undefined) view.now ??= () => this.moment();
  }

  get state(): SessionState {
    return this.session.state;
  }

  /** The last `Welcome`. */
  get welcome(): wire.Messages["Welcome"] | undefined {
    return this.session.welcome;
  }

  /** The shard clock in microseconds; 0 before the first `Welcome`. */
  shardClockUs(): bigint {
    return this.session.clock.nowUs(this.timers.now() * 1_000);
  }

  /** The present moment, a sixteenth of a tick. */
  moment(): bigint {
    return this.session.moment(this.timers.now());
  }

  /** When its lease ends, in the time of `now`; none while the hub says nothing of leases (servers). */
  get leaseEnd(): number | undefined {
    const { welcome, answeredAt } = this.session;
    return welcome === undefined || welcome.leaseMs === 0 || answeredAt === undefined ? undefined : answeredAt + welcome.leaseMs;
  }

  /** Milliseconds of its clock. */
  now(): number {
    return this.timers.now();
  }

  /** Gives the socket up; the session goes on in another one. */
  lose(reason: string): void {
    this.run(this.session.lose(this.timers.now(), reason));
  }

  start(): void {
    this.run(this.session.start());
  }

  /** Says Goodbye: the session ends. */
  close(): void {
    this.run(this.session.stop());
  }

  /** Sends a message; false, and nothing is sent, while no session is open. */
  send<K extends wire.MessageKind>(kind: K, init: wire.Inits[K]): boolean {
    return this.sendFrame(kind, wire.messageFrame(kind, init));
  }

  /** Sends an action: now or, with others that have no result, when the session goes on. */
  action(draft: ActionDraft): Promise<wire.Messages["ActionResult"]> {
    const most = this.welcome?.bounds?.actionsWaiting || (this.options.role === "server" ? 4_096 : 64);
    if (this.welcome === undefined) throw new Error("no session has begun yet");
    if (this.actions.count >= most) throw new RangeError(`${most} actions wait for their results`);
    const { frame, result } = this.actions.begin(draft);
    this.sendFrame("Action", frame);
    return result;
  }

  /** Sends the input of a player; false, and nothing is sent, while no session is open. */
  input(input: wire.PlayerInput): boolean {
    return this.sendFrame("Input", wire.inputFrame(input));
  }

  /** Sends what a tick changed: its batch, or nothing while no session is open. */
  report(report: Omit<wire.Report, "batch">): bigint | undefined {
    const batch = this.batch + 1n;
    if (!this.sendFrame("Report", wire.reportFrame({ ...report, batch }))) return undefined;
    this.batch = batch;
    return batch;
  }

  private sendFrame(kind: wire.Kind, frame: Uint8Array<ArrayBuffer>): boolean {
    if (!wire.maySend(this.options.role, kind)) throw new TypeError(`a ${this.options.role} may not send ${kind}`);
    const { messageBytes, bodyBytes } = this.welcome?.bounds ?? { messageBytes: 0, bodyBytes: 0 };
    const up = wire.limitsUp(this.options.role);
    const limits = { ...up, messageBytes: messageBytes || up.messageBytes, bodyBytes: bodyBytes || up.bodyBytes };
    // The frame's head is at most five bytes of it.
    if (frame.length > Math.min(limits.messageBytes, wire.bodyLimit(limits, kind) + 5)) {
      throw new RangeError(`a ${kind} of ${frame.length} bytes is over the limit`);
    }
    if (this.session.state !== "open" || this.socket === undefined) return false;
    this.socket.send(frame);
    return true;
  }

  private run(effects: Effect[]): void {
    for (const effect of effects) this.runOne(effect);
    this.callOff?.();
    const { deadline } = this.session;
    const wait = deadline === undefined ? undefined : Math.max(0, deadline - this.timers.now());
    this.callOff = wait === undefined ? undefined : this.timers.after(wait, () => this.run(this.session.tick(this.timers.now())));
  }

  private runOne(effect: Effect): void {
    switch (effect.do) {
      case "login":
        return this.login();
      case "connect":
        return this.connect(effect.url);
      case "send":
        return this.socket?.send(effect.frame);
      case "close":
        return this.drop(effect.code, effect.reason);
      case "begun":
        return this.begun(effect.begun);
      case "lost":
        this.socket = undefined;
        return guarded(() => this.options.onLost?.(effect.error, effect.retryInMs));
      case "ended":
        this.socket = undefined;
        this.actions.reset(0n);
        return guarded(() => this.options.onEnded?.(effect.error));
    }
  }

  private login(): void {
    const { login } = this.options;
    const asked = Promise.resolve().then(() => (typeof login === "function" ? login() : login));
    asked.then(
      (found) => this.run(this.session.loggedIn(this.timers.now(), found)),
      (error: unknown) => this.run(this.session.loginFailed(error)),
    );
  }

  private connect(url: string): void {
    const WebSocket = this.options.webSocket ?? (globalThis as { WebSocket?: SocketConstructor }).WebSocket;
    let socket: SocketLike;
    try {
      if (WebSocket === undefined) throw new Error("there is no WebSocket here: give that of `ws` as `webSocket`");
      socket = new WebSocket(url, SUBPROTOCOL);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return this.run(this.session.broken(new StreamError("SOCKET", reason, 0, { cause: error })));
    }
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    // What a socket says that was given up is not heard.
    const current = <T>(hear: (event: T) => void) => (event: T): void => {
      if (this.socket === socket) hear(event);
    };
    socket.onopen = current(() => {
      const other = socket.protocol !== SUBPROTOCOL;
      const error = new StreamError("VERSION", `the server does not speak ${SUBPROTOCOL}`);
      this.run(other ? this.session.broken(error, 4406) : this.session.opened(this.timers.now()));
    });
    socket.onmessage = current((event: { data: unknown }) => this.message(socket, event.data));
    socket.onclose = current(({ code, reason }: { code: number; reason: string }) => {
      this.run(this.session.closed(this.timers.now(), code, String(reason)));
    });
    // A close follows, which says as much.
    socket.onerror = () => undefined;
  }

  private drop(code: number, reason: string): void {
    const { socket } = this;
    this.socket = undefined;
    socket?.close(code, reason);
  }

  private begun(begun: Begun): void {
    const { welcome, resumed, reset } = begun;
    this.batch = welcome.batch;
    if (reset) guarded(() => this.options.view?.reset());
    if (resumed) this.actions.again().forEach((frame) => this.socket?.send(frame));
    else this.actions.reset(welcome.action);
    const catalog = this.options.view?.catalog;
    // A hub that says no hash may have another one after its start.
    const same = welcome.catalogHash.length > 0 ? sameBytes(catalog?.hash ?? new Uint8Array(), welcome.catalogHash) : !reset;
    if (catalog !== undefined && !(catalog.complete && same)) {
      this.send("CatalogWanted", { have: new Uint8Array(catalog.hash) });
    }
    guarded(() => this.options.onBegun?.(begun));
  }

  private message(socket: SocketLike, data: unknown): void {
    try {
      if (!(data instanceof ArrayBuffer)) throw new wire.WireError("message", 0, "it is text");
      this.session.heard(this.timers.now());
      for (const frame of wire.frames(new Uint8Array(data), this.limits)) {
        // A frame may have ended the connection.
        if (this.socket !== socket) return;
        this.frame(frame);
      }
    } catch (error) {
      if (!(error instanceof wire.WireError)) throw error;
      const fault = new StreamError(error.code, error.message, 0, { cause: error });
      this.run(this.session.broken(fault, error.code === "TOO_LARGE" ? 4413 : 4400));
    }
  }

  private frame(frame: wire.Frame): void {
    const { kind, body } = frame;
    if (!wire.mayReceive(this.options.role, kind)) throw new wire.WireError("message", frame.offset, `no ${kind} is sent to a ${this.options.role}`);
    if (kind === "Applied") {
      const applied = wire.readApplied(body);
      return guarded(() => this.options.onApplied?.(applied));
    }
    if (kind === "Inputs") {
      const inputs = wire.readInputs(body);
      return guarded(() => this.options.onInputs?.(inputs));
    }
    if (wire.isPacked(kind)) return guarded(() => this.options.view?.apply(frame));
    const control = wire.readControl(kind, body);
    const now = this.timers.now();
    switch (control.kind) {
      case "Welcome":
        return this.run(this.session.welcomed(now, control.message));
      case "Refused":
        return this.run(this.session.refusedBy(control.message));
      case "Token":
        return this.run(this.session.renewed(control.message));
      case "Ping":
        return this.run(this.session.pinged(control.message));
      case "Pong":
        return this.run(this.session.ponged(now, control.message));
      case "Goodbye":
        return this.run(this.session.goodbye(now, control.message));
      case "ActionResult":
        return this.actions.end(control.message);
      default:
        return guarded(() => {
          if (this.options.view?.message(control) !== true) this.options.onMessage?.(control);
        });
    }
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** A mistake in a callback is nobody's but its own: it is reported as uncaught, and the frames behind it are read. */
function guarded(call: () => unknown): void {
  try {
    call();
  } catch (error) {
    if (error instanceof wire.WireError) throw error;
    queueMicrotask(() => {
      throw error;
    });
  }
}
