/** How the stream names a refusal of bytes: `BAD_FRAME` (4400) or `TOO_LARGE` (4413). */
export type WireCode = "BAD_FRAME" | "TOO_LARGE";

/** Bytes that are not what they should be: what was read, at which byte of it, and why. */
export class WireError extends Error {
  override readonly name = "WireError";

  constructor(
    /** What was read: `message`, or the name of a frame or record. */
    readonly record: string,
    /** The byte of the record at which it was refused. */
    readonly offset: number,
    /** What is wrong there. */
    readonly reason: string,
    readonly code: WireCode = "BAD_FRAME",
  ) {
    super(`byte ${offset} of the ${record}: ${reason}`);
  }
}
