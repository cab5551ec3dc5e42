// Limits of lengths (docs/protocol.md, "Limits").
import { type Kind, type Role, classOf } from "./kind.js";

/** What lengths a receiver allows, in bytes. */
export interface Limits {
  /** Of a message, all frames of it together. */
  messageBytes: number;
  /** Of the body of a control or action frame. */
  bodyBytes: number;
  /** The same for `Frozen` and `Grant`, which carry a game's own state. */
  carryBytes: number;
}

const KIB = 1024;
const SERVER: Limits = { messageBytes: 4096 * KIB, bodyBytes: 64 * KIB, carryBytes: 128 * KIB };
const OTHERS: Limits = { messageBytes: 256 * KIB, bodyBytes: 16 * KIB, carryBytes: 16 * KIB };

/** The defaults for messages to the hub from a peer of this role. */
export function limitsUp(role: Role): Limits {
  return role === "server" ? SERVER : { ...OTHERS, messageBytes: 64 * KIB };
}

/** The defaults for messages from the hub to a peer of this role. */
export function limitsDown(role: Role): Limits {
  return role === "server" ? SERVER : OTHERS;
}

/** Most bytes of the body of a frame of this kind. */
export function bodyLimit(limits: Limits, kind: Kind): number {
  if (kind === "Frozen" || kind === "Grant") return limits.carryBytes;
  const of = classOf(kind);
  return of === "control" || of === "action" ? limits.bodyBytes : limits.messageBytes;
}
