// Game servers: what they may write, until when, and each action once. The hub says what the test wants.
import assert from "node:assert/strict";
import { test } from "node:test";

import type { SocketConstructor } from "../src/connection.js";
import { Code } from "../src/generated/stream_pb.js";
import { Once } from "../src/once.js";
import { Player } from "../src/player.js";
import { Server, type ServerOptions } from "../src/server.js";
import { Tick } from "../src/tick.js";
import * as wire from "../src/wire/index.js";
import { FakeClock, FakeSocket } from "./hub.js";
import { walkers } from "./world.js";

const ZONE = 300;
const TICK_MS = 33.333;

/** A server with two walkers, 4 and 5, in its territory, and what it was told. */
async function begun(init: Partial<wire.Inits["Welcome"]> = {}, more: Partial<ServerOptions> = {}) {
  const clock = new FakeClock();
  const sockets: FakeSocket[] = [];
  const log: string[] = [];
  class Socket extends FakeSocket {
    constructor(url: string, asked: string) {
      super(url, asked);
      sockets.push(this);
    }
  }
  const server = new Server({
    url: "ws://hub.test/stream",
    login: { subject: "s" },
    webSocket: Socket as SocketConstructor,
    timers: clock,
    backoffMs: { first: 100, most: 100 },
    random: () => 1,
    register: { post: "harbour" },
    callbacks: {
      authorityGained: ({ handle }) => log.push(`gained ${handle}`),
      authorityLost: (handle) => log.push(`lost ${handle}`),
      action: ({ number }) => log.push(`action ${number}`),
      freeze: (move, handle) => log.push(`freeze ${move} ${handle}`),
      thawed: (handle) => log.push(`thawed ${handle}`),
    },
    onLost: ({ code }) => log.push(code),
    ...more,
  });
  const hub = (): FakeSocket => sockets.at(-1)!;
  const welcome = (next: Partial<wire.Inits["Welcome"]> = {}): void =>
    hub().say("Welcome", {
      version: 1,
      role: 1,
      resumeToken: Uint8Array.of(1),
      resumeMs: 300_000,
      tickUs: 33_333,
      shardClockUs: 90_017n * 33_333n + 10n,
      ...init,
      ...next,
    } as wire.Inits["Welcome"]);
  server.start();
  await new Promise((done) => setImmediate(done));
  hub().open();
  welcome();
  assert.equal(hub().take("Register")?.post, "harbour");
  hub().say("Bind", walkers(1n, ZONE, [4, 5]));
  assert.equal(hub().take("Ready")?.batch, 1n);
  hub().say("Activate", { seq: 2n, batch: 1n, moment: 9n });
  hub().say("Grant", { handle: ZONE, epoch: 7n, subtree: true });
  assert.deepEqual(log.splice(0), ["gained 300"]);
  return { clock, hub, log, server, welcome };
}

/** A tick in which these moved. */
function moved(server: Server, ...handles: number[]): Tick {
  const tick = server.begin()!;
  for (const handle of handles) tick.motion(handle, { position: [1, 2, handle], velocity: [1, 0, 0] });
  return tick;
}

test("a tick is reported once, under the epoch of the grant", async () => {
  const { clock, hub, server } = await begun({ batch: 40n });
  assert.deepEqual(server.report(moved(server, 5, 4)), { batch: 41n, leftOut: [] });
  assert.equal(server.begin(), undefined);
  const [report] = hub().reports();
  assert.deepEqual([report!.batch, report!.tick, report!.lastOfTick], [41n, 90_017n, true]);
  assert.deepEqual(report!.groups.map(({ epoch, zone, rows }) => [epoch, zone, rows.map(({ handle }) => handle)]), [[7n, ZONE, [4, 5]]]);
  clock.pass(TICK_MS);
  assert.equal(server.begin()?.number, 90_018n);
});

test("what is not its own is left out and named", async () => {
  const { hub, log, server } = await begun();
  const tick = moved(server, 4, 5);
  hub().say("Revoke", { handle: 5, epoch: 9n });
  assert.deepEqual([log, server.hasAuthority(4), server.hasAuthority(5)], [["lost 5"], true, false]);
  assert.deepEqual(server.report(tick)?.leftOut, [5]);
  assert.deepEqual(hub().reports()[0]!.groups[0]!.rows.map(({ handle }) => handle), [4]);
});

test("a grant is in force from its tick on", async () => {
  const { clock, hub, server } = await begun();
  hub().say("Grant", { handle: ZONE, epoch: 8n, subtree: true, fromTick: 90_018n });
  assert.deepEqual([server.begin(), server.hasAuthority(4)], [undefined, false]);
  clock.pass(TICK_MS);
  assert.deepEqual([server.begin()?.number, server.hasAuthority(4)], [90_018n, true]);
});

test("at the end of its lease a server stops by itself, and begins anew with the hub", async () => {
  const { clock, hub, log, server } = await begun({ leaseMs: 1_000 });
  const tick = moved(server, 4);
  // The process stands still: its timers are late.
  clock.stall(1_000);
  assert.deepEqual(server.report(tick), undefined, "nothing is sent");
  assert.deepEqual([hub().reports(), log, hub().closedWith], [[], ["lost 300", "TIMEOUT"], 4408]);
  assert.deepEqual([server.begin(), server.hasAuthority(4)], [undefined, false]);
});

test("a server that comes back within its lease never stopped", async () => {
  const { clock, hub, log, server, welcome } = await begun({ leaseMs: 60_000 });
  hub().lose();
  assert.deepEqual([server.hasAuthority(4), server.begin()], [true, undefined]);
  clock.pass(100);
  hub().open();
  welcome({ resumed: true, batch: 3n });
  assert.deepEqual([log, hub().take("Register")?.post], [["LOST"], "harbour"], "which is nothing where it has the post");
  assert.equal(server.report(moved(server, 4))?.batch, 4n);
});

test("a post that another server took meanwhile is lost, and a stale report is not", async () => {
  const { hub, log, server } = await begun();
  hub().say("Notice", { code: Code.STALE_EPOCH, epoch: 7n });
  assert.equal(server.hasAuthority(4), true);
  hub().say("Notice", { code: Code.POST_TAKEN });
  assert.deepEqual([log, server.hasAuthority(4)], [["lost 300"], false]);
});

test("what is frozen is written no more until the hand-over is off", async () => {
  const { clock, hub, log, server } = await begun();
  hub().say("Freeze", { move: 3n, handle: 4, epoch: 7n });
  assert.deepEqual(log.splice(0), ["freeze 3 4"]);
  assert.deepEqual(server.report(moved(server, 4, 5))?.leftOut, []);
  assert.ok(server.frozen(3n, 4, Uint8Array.of(1)));
  assert.deepEqual([hub().take("Frozen")?.tick, server.hasAuthority(4), server.hasAuthority(5)], [90_017n, false, true]);
  clock.pass(TICK_MS);
  assert.deepEqual(server.report(moved(server, 4, 5))?.leftOut, [4]);
  hub().say("Abort", { move: 3n });
  assert.deepEqual([log, server.hasAuthority(4)], [["thawed 4"], true]);
});

test("an action comes once, its receipt goes with its effects, and again when the report was lost", async () => {
  const { clock, hub, log, server } = await begun();
  const action = { number: 1n, target: 4, session: 9n };
  hub().say("Action", action);
  hub().say("Action", action);
  assert.deepEqual(log.splice(0), ["action 1"]);
  const receipts = (): bigint[] => hub().reports().at(-1)!.groups.flatMap((group) => group.receipts.map((receipt) => receipt.action));
  const tick = moved(server, 4);
  tick.judged({ ...action } as wire.Messages["Action"], "done");
  server.report(tick);
  assert.deepEqual(receipts(), [1n]);
  hub().say("Action", action);
  assert.deepEqual(log, []);
  for (const expected of [[1n], []]) {
    clock.pass(TICK_MS);
    server.report(moved(server, 4));
    assert.deepEqual(receipts(), expected);
  }
});

test("an action that was not judged when authority ended is new when it comes back", async () => {
  const { hub, log } = await begun();
  hub().say("Action", { number: 1n, target: 4, session: 9n });
  hub().say("Revoke", { handle: ZONE, epoch: 7n });
  hub().say("Grant", { handle: ZONE, epoch: 8n, subtree: true });
  hub().say("Action", { number: 1n, target: 4, session: 9n });
  assert.deepEqual(log, ["action 1", "lost 300", "gained 300", "action 1"]);
});

test("another incarnation takes all, and the post is asked for again", async () => {
  const { clock, hub, log, server, welcome } = await begun();
  hub().lose();
  clock.pass(100);
  hub().open();
  welcome({ incarnation: 2n });
  assert.deepEqual([log, server.hasAuthority(4), [...server.view.all()]], [["LOST", "lost 300"], false, []]);
  assert.equal(hub().take("Register")?.post, "harbour");
});

test("only twice as many actions of a session are remembered as may wait, and the lowest are forgotten", () => {
  const once = new Once();
  const come = (number: bigint) => once.come({ session: 1n, number, target: 4 } as wire.Messages["Action"], 2);
  assert.deepEqual([5n, 6n, 7n, 4n, 8n].map(come), ["new", "new", "new", "new", "new"]);
  assert.deepEqual([5n, 8n].map(come), ["given", "given"]);
  assert.equal(come(4n), "new");
});

test("a tick that is too much for a report goes into several, and what nothing can be is refused", () => {
  const tick = new Tick(90n);
  for (let handle = 1; handle < 500; handle += 1) tick.motion(handle, { position: [1, 2, 3], rotation: [0, 0, 0.6, 0.8], velocity: [1, 1, 1] });
  assert.throws(() => tick.motion(3, { position: [Number.NaN, 0, 0] }), /handle 3.*position/);
  assert.throws(() => tick.motion(3, { rotation: [0, 0, 0, 2] }), RangeError);
  const { reports, leftOut } = tick.reports(4_000, (handle) => (handle < 400 ? { epoch: 7n, zone: 1 + (handle % 2) } : undefined));
  assert.equal(leftOut.length, 100);
  assert.deepEqual(reports.map(({ lastOfTick }) => lastOfTick), reports.map((_, index) => index === reports.length - 1));
  const frames = reports.map((report) => wire.reportFrame({ ...report, batch: 1n }));
  assert.ok(frames.length > 3 && frames.every((frame) => frame.length <= 4_000));
  assert.equal(reports.flatMap(({ groups }) => groups.flatMap(({ rows }) => rows)).length, 399);
});

test("a player takes its character again, and numbers its inputs", async () => {
  const clock = new FakeClock();
  const sockets: FakeSocket[] = [];
  class Socket extends FakeSocket {
    constructor(url: string, asked: string) {
      super(url, asked);
      sockets.push(this);
    }
  }
  const player = new Player({
    url: "ws://hub.test/stream",
    login: { subject: "anna" },
    character: 4n,
    webSocket: Socket as SocketConstructor,
    timers: clock,
    backoffMs: { first: 100, most: 100 },
    random: () => 1,
  });
  player.start();
  await new Promise((done) => setImmediate(done));
  for (const incarnation of [1n, 2n]) {
    const hub = sockets.at(-1)!;
    hub.open();
    hub.say("Welcome", { version: 1, role: 2, tickUs: 33_333, incarnation });
    assert.deepEqual([hub.take("Enter")?.character, player.character, player.input(Uint8Array.of(1))], [4n, undefined, undefined]);
    hub.say("Bind", walkers(1n, ZONE, [4]));
    hub.say("Activate", { seq: 2n, batch: 1n, moment: 9n });
    hub.say("Entered", { handle: 4 });
    assert.equal(player.character, 4);
    assert.ok(player.input(Uint8Array.of(1))! > 0n);
    hub.lose();
    clock.pass(100);
  }
});
