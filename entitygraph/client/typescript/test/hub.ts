// A clock and sockets that do what a test says.
import type { SocketLike, Timers } from "../src/connection.js";
import * as wire from "../src/wire/index.js";

export class FakeClock implements Timers {
  private time = 1_000;
  private readonly waiting = new Set<{ at: number; call: () => void }>();

  now(): number {
    return this.time;
  }

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.time + ms, call };
    this.waiting.add(timer);
    return () => this.waiting.delete(timer);
  }

  /** Lets time pass, and calls back in order. */
  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const next = [...this.waiting].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.waiting.delete(next);
      this.time = Math.max(this.time, next.at);
      next.call();
    }
    this.time = end;
  }

  /** The whole process stands still: timers are late. */
  stall(ms: number): void {
    this.time += ms;
  }
}

export class FakeSocket implements SocketLike {
  binaryType = "blob";
  protocol = "entitygraph.stream";
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  /** What the peer sent and nobody took yet. */
  sent: wire.Control[] = [];
  private reported: wire.Report[] = [];
  closedWith: number | undefined;

  constructor(
    readonly url: string,
    readonly asked: string,
  ) {}

  send(data: Uint8Array<ArrayBuffer>): void {
    for (const { kind, body } of wire.frames(data, wire.limitsUp("server"))) {
      if (!wire.isPacked(kind)) this.sent.push(wire.readControl(kind, body));
      else if (kind === "Report") this.reported.push(wire.readReport(body));
    }
  }

  /** The reports that nobody took yet. */
  reports(): wire.Report[] {
    return this.reported.splice(0);
  }

  close(code = 1000): void {
    this.closedWith = code;
  }

  open(): void {
    this.onopen?.({} as never);
  }

  /** The hub sends a message of these frames. */
  receive(...frames: Uint8Array<ArrayBuffer>[]): void {
    const bytes = Buffer.concat(frames);
    const data = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
    this.onmessage?.({ data } as never);
  }

  say<K extends wire.MessageKind>(kind: K, init: wire.Inits[K]): void {
    this.receive(wire.messageFrame(kind, init));
  }

  /** The socket is lost, or closed by the hub. */
  lose(code = 1006, reason = ""): void {
    this.onclose?.({ code, reason } as never);
  }

  /** The next message that the peer sent of this kind; those before it are passed over. */
  take<K extends wire.MessageKind>(kind: K): wire.Messages[K] | undefined {
    const index = this.sent.findIndex((control) => control.kind === kind);
    const taken = this.sent[index];
    this.sent = index < 0 ? this.sent : this.sent.slice(index + 1);
    return taken?.message as wire.Messages[K] | undefined;
  }
}
