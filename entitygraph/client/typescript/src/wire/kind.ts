// What frames there are (docs/protocol.md, "Frames").

/** The version of the stream that this package speaks. */
export const VERSION = 1;

/** What the token of a peer says it is. */
export type Role = "server" | "player" | "viewer";

/** What a frame is queued with. */
export type Class = "control" | "action" | "state" | "load" | "bulk";

/** The number of each kind: the first byte of its frames. */
export const KIND = {
  Hello: 0x01, Welcome: 0x02, Refused: 0x03, Ping: 0x04, Pong: 0x05, Token: 0x06, Authenticate: 0x07, Goodbye: 0x08,
  Limits: 0x09, Notice: 0x0a, Enter: 0x0b, Entered: 0x0c, Register: 0x0d, Load: 0x0e,
  Grant: 0x10, Revoke: 0x11, Prepare: 0x12, Prepared: 0x13, Cross: 0x14, Freeze: 0x15, Frozen: 0x16, Abort: 0x17,
  Lock: 0x18, Locked: 0x19, Unlock: 0x1a, Drain: 0x1b, Durable: 0x1c, Barrier: 0x1d, BarrierDone: 0x1e,
  Action: 0x20, ActionResult: 0x21, Command: 0x22, CommandResult: 0x23,
  State: 0x40, Report: 0x41, Events: 0x42, Horizon: 0x43, Input: 0x44, Inputs: 0x45, Applied: 0x46,
  Bind: 0x60, Ready: 0x61, Activate: 0x62, Pause: 0x63, Unbind: 0x64, Changed: 0x65, Follow: 0x66, Followed: 0x67,
  Unfollow: 0x68, Unfollowed: 0x69, Seen: 0x6a, Owners: 0x6b,
  CatalogPart: 0x80, CatalogWanted: 0x81, DigestWanted: 0x82, Digest: 0x83,
} as const;

/** The name of a kind. */
export type Kind = keyof typeof KIND;

/** Kinds whose body is packed; that of all others is a message of `stream.proto`. */
export const PACKED = ["State", "Report", "Events", "Horizon", "Input", "Inputs", "Applied"] as const;

export type PackedKind = (typeof PACKED)[number];
export type MessageKind = Exclude<Kind, PackedKind>;

const byNumber = new Map<number, Kind>(Object.entries(KIND).map(([kind, number]) => [number, kind as Kind]));

/** The kind of this number, if there is one. */
export function kindOf(number: number): Kind | undefined {
  return byNumber.get(number);
}

export function isPacked(kind: Kind): kind is PackedKind {
  return (PACKED as readonly Kind[]).includes(kind);
}

const CLASSES: readonly Class[] = ["control", "action", "state", "load"];

/** The class: the upper three bits of the number. */
export function classOf(kind: Kind): Class {
  return CLASSES[KIND[kind] >> 5] ?? "bulk";
}

type Way = "up" | "down" | "both";

const ALL: readonly Role[] = ["server", "player", "viewer"];
const SERVERS: readonly Role[] = ["server"];
const PLAYERS: readonly Role[] = ["player"];
const ACTORS: readonly Role[] = ["server", "player"];
const WATCHERS: readonly Role[] = ["server", "viewer"];

/** Peers that a kind goes from or to, where it is not all of them both ways. */
const ROLES: Record<Kind, readonly [Way, readonly Role[]]> = {
  Hello: ["up", ALL], Welcome: ["down", ALL], Refused: ["down", ALL], Ping: ["both", ALL], Pong: ["both", ALL],
  Token: ["down", ALL], Authenticate: ["up", ALL], Goodbye: ["both", ALL], Limits: ["up", ALL], Notice: ["down", ALL],
  Enter: ["up", PLAYERS], Entered: ["down", PLAYERS], Register: ["up", SERVERS], Load: ["up", SERVERS],
  Grant: ["down", SERVERS], Revoke: ["down", SERVERS], Prepare: ["down", SERVERS], Prepared: ["up", SERVERS],
  Cross: ["up", SERVERS], Freeze: ["down", SERVERS], Frozen: ["up", SERVERS], Abort: ["down", SERVERS],
  Lock: ["up", SERVERS], Locked: ["down", SERVERS], Unlock: ["up", SERVERS], Drain: ["both", SERVERS],
  Durable: ["down", SERVERS], Barrier: ["up", SERVERS], BarrierDone: ["down", SERVERS],
  Action: ["both", ACTORS], ActionResult: ["down", ACTORS], Command: ["up", SERVERS], CommandResult: ["down", SERVERS],
  State: ["down", ALL], Report: ["up", SERVERS], Events: ["down", ALL], Horizon: ["down", ALL], Input: ["up", PLAYERS],
  Inputs: ["down", SERVERS], Applied: ["down", PLAYERS],
  Bind: ["down", ALL], Ready: ["up", ALL], Activate: ["down", ALL], Pause: ["down", ALL], Unbind: ["down", ALL],
  Changed: ["down", ALL], Follow: ["up", WATCHERS], Followed: ["down", WATCHERS], Unfollow: ["up", WATCHERS],
  Unfollowed: ["down", SERVERS], Seen: ["up", ALL], Owners: ["down", WATCHERS],
  CatalogPart: ["down", ALL], CatalogWanted: ["up", ALL], DigestWanted: ["up", ALL], Digest: ["down", ALL],
};

/** Whether a peer of this role may send the kind to the hub. */
export function maySend(role: Role, kind: Kind): boolean {
  const [way, roles] = ROLES[kind];
  return way !== "down" && roles.includes(role);
}

/** Whether the hub may send the kind to a peer of this role. */
export function mayReceive(role: Role, kind: Kind): boolean {
  if (kind === "Action") return role === "server";
  const [way, roles] = ROLES[kind];
  return way !== "up" && roles.includes(role);
}
