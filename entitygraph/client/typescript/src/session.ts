// A session over the connections that come and go (docs/protocol.md, "A session"): a state machine that opens no socket, reads
// no clock and draws no random number. Its owner does the effects and calls `tick` at the deadline.
import { ShardClock } from "./clock.js";
import { StreamError, closeError, refusedError } from "./refusal.js";
import { type Inits, type Messages, type Role, VERSION, messageFrame, momentAt } from "./wire/index.js";

/** How a new session begins: with a JWT, or with name and role where the hub has no keys. */
export type Login = { token: string } | { subject: string };

/** What is new when a connection is through. */
export interface Begun {
  welcome: Messages["Welcome"];
  /** The session went on: nothing of what is bound has changed but what comes now. */
  resumed: boolean;
  /** Something was bound, and is void: `Enter`, `Register` and `Follow` again. */
  reset: boolean;
}

export type Effect =
  | { do: "login" }
  | { do: "connect"; url: string }
  | { do: "send"; frame: Uint8Array<ArrayBuffer> }
  | { do: "close"; code: number; reason: string }
  | { do: "begun"; begun: Begun }
  /** It goes on by itself after this time. */
  | { do: "lost"; error: StreamError; retryInMs: number }
  /** It does not go on; without an error because it was to stop. */
  | { do: "ended"; error: StreamError | undefined };

export interface SessionOptions {
  url: string;
  role: Role;
  /** Name and version, for the log of the hub. */
  software?: string;
  /** Whether `login` brings another login when the old one is refused. */
  renewable?: boolean;
  /** What the peer has. */
  point?: () => { seen: bigint; horizon: bigint; catalogHash: Uint8Array };
  /** From 0 up to 1. */
  random: () => number;
  backoffMs?: { first: number; most: number };
}

export type SessionState = "idle" | "login" | "connecting" | "greeting" | "open" | "waiting" | "ended";

/** A socket has to open, and a Hello to be answered, in this time. */
const ANSWER_MS = 10_000;
/** A connection that held for so long begins anew with short waits. */
const STABLE_MS = 10_000;
const SEEN_MS = 4_000;
/** Silence of a hub that says nothing of leases. */
const SILENCE_MS = 45_000;
/** A server sends a Ping so often, others as often as Welcome says. */
const SERVER_PING_MS = 250;
const PING_MS = 20_000;
/** A tick that comes so late was held up with all else: silence is counted from then. */
const LATE_MS = 1_000;

/** Roles as the numbers of the .proto. */
const ROLE_NUMBERS: Record<Role, number> = { server: 1, player: 2, viewer: 3 };

export class Session {
  state: SessionState = "idle";
  /** The last Welcome, while and after a session was open. */
  welcome: Messages["Welcome"] | undefined;
  readonly clock = new ShardClock();

  private login: Login | undefined;
  private needsLogin = false;
  private loggedInAnew = false;
  private token: Uint8Array | undefined;
  private url: string;
  private attempts = 0;
  private refused: StreamError | undefined;
  private greetedAt = 0;
  private lostAt: number | undefined;
  private heardAt = 0;
  /** When the newest question had been sent that was answered, Hello or Ping: a lease counts from there. */
  answeredAt: number | undefined;
  private seenSent = 0n;
  private usedToken = false;
  /** When what is to be done next, by name. */
  private readonly due = new Map<"answer" | "retry" | "ping" | "seen" | "silence" | "goodbye", number>();

  constructor(private readonly options: SessionOptions) {
    this.url = options.url;
  }

  /** When `tick` is to be called, in the time of `now`. */
  get deadline(): number | undefined {
    return this.due.size === 0 ? undefined : Math.min(...this.due.values());
  }

  /** The present moment by the shard clock. */
  moment(now: number): bigint {
    return momentAt(this.clock.nowUs(now * 1_000), this.welcome?.tickUs ?? 0);
  }

  start(): Effect[] {
    if (this.state !== "idle") return [];
    this.state = "login";
    return [{ do: "login" }];
  }

  loggedIn(now: number, login: Login): Effect[] {
    if (this.state !== "login") return [];
    this.login = login;
    this.needsLogin = false;
    return this.connect(now);
  }

  loginFailed(error: unknown): Effect[] {
    if (this.state !== "login") return [];
    return this.end(new StreamError("LOGIN", error instanceof Error ? error.message : String(error), 0, { cause: error }));
  }

  /** The socket is open. */
  opened(now: number): Effect[] {
    if (this.state !== "connecting") return [];
    this.state = "greeting";
    this.greetedAt = now;
    this.usedToken = this.token !== undefined;
    return [{ do: "send", frame: messageFrame("Hello", this.hello()) }];
  }

  private hello(): Inits["Hello"] {
    const { point, software = "@entitygraph/client", role } = this.options;
    const { seen, horizon, catalogHash } = point?.() ?? { seen: 0n, horizon: 0n, catalogHash: new Uint8Array() };
    const hello = { versionMin: VERSION, versionMax: VERSION, software, catalogHash };
    if (this.token !== undefined) {
      const incarnation = this.welcome?.incarnation ?? 0n;
      return { ...hello, login: { case: "resume", value: this.token }, seen, horizonMoment: horizon, incarnation };
    }
    const login = this.login!;
    if ("token" in login) return { ...hello, login: { case: "token", value: login.token } };
    return { ...hello, login: { case: "subject", value: { name: login.subject, role: ROLE_NUMBERS[role] } } };
  }

  /** A message came, whatever is in it. */
  heard(now: number): void {
    this.heardAt = now;
    if (this.state === "open") this.due.set("silence", now + this.silenceMs());
  }

  welcomed(now: number, welcome: Messages["Welcome"]): Effect[] {
    if (this.state !== "greeting") return [];
    if (welcome.version !== VERSION || welcome.role !== ROLE_NUMBERS[this.options.role]) {
      const error = new StreamError("VERSION", `version ${welcome.version} and role ${welcome.role} were not asked for`);
      return [{ do: "close", code: 4406, reason: "" }, ...this.end(error)];
    }
    const before = this.welcome;
    const resumed = this.usedToken && welcome.resumed;
    this.state = "open";
    this.welcome = welcome;
    // A hub that gives no token cannot go on with a session: the next connection begins with the login.
    this.token = welcome.resumeToken.length > 0 ? welcome.resumeToken : undefined;
    this.url = this.options.url;
    this.lostAt = undefined;
    this.loggedInAnew = false;
    if (!resumed) this.seenSent = 0n;
    this.clock.sample(this.greetedAt * 1_000, now * 1_000, welcome.shardClockUs);
    this.answeredAt = this.greetedAt;
    this.due.clear();
    this.due.set("seen", now + SEEN_MS);
    this.heard(now);
    return [{ do: "begun", begun: { welcome, resumed, reset: before !== undefined && !resumed } }, this.ping(now)];
  }

  refusedBy(refused: Messages["Refused"]): Effect[] {
    this.refused = refusedError(refused);
    return [];
  }

  renewed({ resumeToken }: Messages["Token"]): Effect[] {
    this.token = resumeToken;
    return [];
  }

  pinged({ senderUs }: Messages["Ping"]): Effect[] {
    return this.state === "open" ? [{ do: "send", frame: messageFrame("Pong", { senderUs }) }] : [];
  }

  ponged(now: number, { senderUs, shardClockUs }: Messages["Pong"]): Effect[] {
    const sent = Number(senderUs) / 1_000;
    // One that was not asked for on this connection renews nothing. It is sent in whole microseconds.
    if (this.state !== "open" || sent < this.greetedAt - 0.001 || sent > now + 0.001) return [];
    this.answeredAt = Math.max(this.answeredAt ?? 0, Math.min(sent, now));
    this.clock.sample(Number(senderUs), now * 1_000, shardClockUs);
    return [];
  }

  /** The hub will close the connection: it goes on at the address, if that is one. */
  goodbye(now: number, { address, withinMs }: Messages["Goodbye"]): Effect[] {
    if (this.state !== "open") return [];
    this.refused = new StreamError("DRAINING", "the hub said Goodbye");
    this.url = elsewhere(this.options.url, address);
    this.due.set("goodbye", now + withinMs);
    return [];
  }

  /** The socket closed, or never opened. */
  closed(now: number, code: number, reason: string): Effect[] {
    if (this.state !== "connecting" && this.state !== "greeting" && this.state !== "open") return [];
    return this.after(now, this.refused ?? closeError(code, reason, this.state === "open"));
  }

  /** Gives the connection up; the session goes on in another one. */
  lose(now: number, reason: string): Effect[] {
    return this.state === "open" ? this.give(now, new StreamError("TIMEOUT", reason)) : [];
  }

  /** What came was not to be read, or broke a rule: that is not repeated. */
  broken(error: StreamError, code = 4400): Effect[] {
    if (this.state === "ended") return [];
    return [{ do: "close", code, reason: "" }, ...this.end(error)];
  }

  /** Ends the session for good. */
  stop(): Effect[] {
    if (this.state === "ended") return [];
    const effects: Effect[] = [];
    if (this.state === "open") effects.push({ do: "send", frame: messageFrame("Goodbye", {}) });
    if (["connecting", "greeting", "open"].includes(this.state)) effects.push({ do: "close", code: 1000, reason: "" });
    return [...effects, ...this.end(undefined)];
  }

  /** Does what is due. */
  tick(now: number): Effect[] {
    const late = this.deadline !== undefined && now - this.deadline > LATE_MS;
    const isDue = (what: Parameters<typeof this.due.get>[0]): boolean => (this.due.get(what) ?? Infinity) <= now;
    if (isDue("retry")) return this.again(now);
    if (isDue("answer")) return this.give(now, new StreamError("LOST", `no answer in ${ANSWER_MS} ms`));
    if (isDue("goodbye")) return this.give(now, this.refused!);
    if (isDue("silence")) {
      if (!late) return this.give(now, new StreamError("TIMEOUT", `nothing was heard for ${now - this.heardAt} ms`));
      this.heard(now);
    }
    const effects: Effect[] = [];
    if (isDue("ping")) effects.push(this.ping(now));
    if (isDue("seen")) {
      this.due.set("seen", now + SEEN_MS);
      const seen = this.options.point?.().seen ?? 0n;
      if (seen > this.seenSent) effects.push({ do: "send", frame: messageFrame("Seen", { seq: seen }) });
      this.seenSent = seen;
    }
    return effects;
  }

  private ping(now: number): Effect {
    const server = this.options.role === "server";
    const saidMs = this.welcome?.pingMs || (server ? SERVER_PING_MS : PING_MS);
    this.due.set("ping", now + (server ? Math.min(saidMs, SERVER_PING_MS) : saidMs));
    return { do: "send", frame: messageFrame("Ping", { senderUs: BigInt(Math.round(now * 1_000)) }) };
  }

  /** A server whose lease has ended without an answer has lost its connection with it. */
  private silenceMs(): number {
    return (this.options.role === "server" && this.welcome?.leaseMs) || SILENCE_MS;
  }

  private connect(now: number): Effect[] {
    this.state = "connecting";
    this.refused = undefined;
    this.due.clear();
    this.due.set("answer", now + ANSWER_MS);
    return [{ do: "connect", url: this.url }];
  }

  /** Gives the socket up. */
  private give(now: number, error: StreamError): Effect[] {
    return [{ do: "close", code: 4408, reason: "" }, ...this.after(now, error)];
  }

  private after(now: number, error: StreamError): Effect[] {
    if (error.next === "stop") return this.end(error);
    if (error.next === "login") {
      // The same login is good for another session, but not where it was refused itself; and not without end.
      const useless = error.code === "UNAUTHENTICATED" && !this.options.renewable;
      if (useless || this.loggedInAnew) return this.end(error);
      this.token = undefined;
      this.needsLogin = true;
    }
    if (this.state === "open") {
      this.lostAt = now;
      if (now - this.greetedAt >= STABLE_MS) this.attempts = 0;
    }
    this.state = "waiting";
    this.due.clear();
    // A gateway that stops is left at once, but not in a circle.
    const retryInMs = error.code === "DRAINING" && this.attempts === 0 ? 0 : error.retryAfterMs || this.backoffMs();
    this.attempts += 1;
    this.due.set("retry", now + retryInMs);
    return [{ do: "lost", error, retryInMs }];
  }

  /** Twice as long each time, between half and all of it. */
  private backoffMs(): number {
    const { first, most } = this.options.backoffMs ?? { first: 500, most: 30_000 };
    return Math.round(Math.min(most, first * 2 ** Math.min(this.attempts, 30)) * (0.5 + 0.5 * this.options.random()));
  }

  private again(now: number): Effect[] {
    // After that time the hub has forgotten it.
    if (this.token !== undefined && this.lostAt !== undefined && now - this.lostAt > (this.welcome?.resumeMs ?? 0)) {
      this.token = undefined;
      this.needsLogin = true;
    }
    if (!this.needsLogin) return this.connect(now);
    this.loggedInAnew = true;
    this.state = "login";
    this.due.clear();
    return [{ do: "login" }];
  }

  private end(error: StreamError | undefined): Effect[] {
    this.state = "ended";
    this.due.clear();
    return [{ do: "ended", error }];
  }
}

/** The address of a Goodbye: a URL, or a host in place of that of `url`. It never leaves encryption. */
function elsewhere(url: string, address: string): string {
  if (address === "") return url;
  try {
    const [from, to] = [new URL(url), new URL(address.includes("://") ? address : `${new URL(url).protocol}//${address}`)];
    if (!address.includes("://")) [to.pathname, to.search] = [from.pathname, from.search];
    const secure = to.protocol === "wss:" || to.protocol === "https:";
    const open = to.protocol === "ws:" || to.protocol === "http:";
    return secure || (open && from.protocol !== "wss:" && from.protocol !== "https:") ? to.href : url;
  } catch {
    return url;
  }
}
