// Why a connection ended, and what to do next (docs/protocol.md, "Refusals").
import { Code } from "./generated/stream_pb.js";
import type { Messages } from "./wire/index.js";

/** `again` is a resume, or a login where there is nothing to resume. */
export type Next = "stop" | "again" | "login";

/** Codes that close a connection, with the close code of each and what comes next. */
export const REFUSALS = {
  DRAINING: { close: 1001, next: "again" },
  BAD_FRAME: { close: 4400, next: "stop" },
  UNAUTHENTICATED: { close: 4401, next: "login" },
  FORBIDDEN: { close: 4403, next: "stop" },
  VERSION: { close: 4406, next: "stop" },
  TIMEOUT: { close: 4408, next: "again" },
  RESUME_USED: { close: 4409, next: "login" },
  SESSION_REPLACED: { close: 4409, next: "stop" },
  SESSION_GONE: { close: 4410, next: "login" },
  TOO_LARGE: { close: 4413, next: "stop" },
  FLOOD: { close: 4429, next: "again" },
  FAULT: { close: 4500, next: "again" },
  BUSY: { close: 4503, next: "again" },
  TOO_SLOW: { close: 4504, next: "again" },
} as const satisfies Record<string, { close: number; next: Next }>;

export type RefusalCode = keyof typeof REFUSALS;

/**
 * `LOST`: the socket went without a word. `ENDED`: the hub closed it as after a Goodbye. `LOGIN`: no token was to be had.
 * `SOCKET`: no socket can be made here, or not with this URL.
 */
export type StreamCode = RefusalCode | "LOST" | "ENDED" | "LOGIN" | "SOCKET";

/** The end of a connection. */
export class StreamError extends Error {
  override readonly name = "StreamError";

  constructor(
    readonly code: StreamCode,
    reason: string,
    /** What the hub said about when to try again; 0 is nothing. */
    readonly retryAfterMs = 0,
    options?: ErrorOptions,
  ) {
    super(reason === "" ? code : `${code}: ${reason}`, options);
  }

  get next(): Next {
    switch (this.code) {
      case "LOST":
        return "again";
      case "ENDED":
      case "LOGIN":
      case "SOCKET":
        return "stop";
      default:
        return REFUSALS[this.code].next;
    }
  }
}

/** The name of a code, such as `BAD_FRAME`; its number where this version has none. */
export function codeName(code: Code): string {
  return Code[code] ?? String(code);
}

/** The error of a `Refused`. */
export function refusedError({ code, reason, retryAfterMs }: Messages["Refused"]): StreamError {
  const name = codeName(code);
  return name in REFUSALS ? new StreamError(name as RefusalCode, reason, retryAfterMs) : new StreamError("LOST", `${name} ${reason}`);
}

/** The error of a socket that closed without a `Refused`; `welcome` is whether the session had begun. */
export function closeError(close: number, reason: string, welcome: boolean): StreamError {
  if (close === 1000) return new StreamError("ENDED", reason);
  if (close === 4409) return new StreamError(welcome ? "SESSION_REPLACED" : "RESUME_USED", reason);
  const code = Object.entries(REFUSALS).find(([, refusal]) => refusal.close === close)?.[0];
  return new StreamError((code as RefusalCode | undefined) ?? "LOST", reason || `the socket closed with ${close}`);
}
