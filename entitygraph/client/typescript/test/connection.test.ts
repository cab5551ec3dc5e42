import assert from "node:assert/strict";
import { test } from "node:test";

import { Connection, type ConnectionOptions, type SocketConstructor } from "../src/connection.js";
import { ActionResult_Outcome as Outcome, Code } from "../src/generated/stream_pb.js";
import { StreamError } from "../src/refusal.js";
import { View } from "../src/view.js";
import * as wire from "../src/wire/index.js";
import { FakeClock, FakeSocket } from "./hub.js";

const ROLES = { server: 1, player: 2, viewer: 3 } as const;

/** A connection with its sockets, and what it told. */
function begin(more: Partial<ConnectionOptions> = {}) {
  const clock = new FakeClock();
  const sockets: FakeSocket[] = [];
  const log: string[] = [];
  const errors: (StreamError | undefined)[] = [];
  class Socket extends FakeSocket {
    constructor(url: string, asked: string) {
      super(url, asked);
      sockets.push(this);
    }
  }
  const connection = new Connection({
    url: "wss://hub.test/stream",
    role: "viewer",
    login: { subject: "anna" },
    webSocket: Socket as SocketConstructor,
    timers: clock,
    random: () => 1,
    backoffMs: { first: 100, most: 1_000 },
    onBegun: ({ resumed, reset }) => log.push(`begun${resumed ? " resumed" : ""}${reset ? " reset" : ""}`),
    onLost: (error, retryInMs) => log.push(`lost ${error.code} ${retryInMs}`),
    onEnded: (error) => {
      errors.push(error);
      log.push(`ended ${error?.code ?? "well"}`);
    },
    onMessage: ({ kind }) => log.push(kind),
    ...more,
  });
  const role = more.role ?? "viewer";
  const token = (number: number): Uint8Array<ArrayBuffer> => Uint8Array.of(number);
  const welcome = (init: Partial<Pick<wire.Messages["Welcome"], "resumed" | "incarnation" | "action" | "batch" | "resumeToken">> = {}): void =>
    sockets.at(-1)!.say("Welcome", {
      version: 1,
      session: 5n,
      role: ROLES[role],
      incarnation: 1n,
      resumeToken: token(sockets.length),
      resumeMs: 300_000,
      tickUs: 33_333,
      shardClockUs: 1_000_000n,
      pingMs: 20_000,
      leaseMs: role === "server" ? 1_000 : 0,
      ...init,
    });
  const last = (): FakeSocket => sockets.at(-1)!;
  return { clock, sockets, last, log, errors, connection, welcome };
}

/** Lets the login be asked for. */
const login = (): Promise<void> => new Promise((done) => setImmediate(done));

async function opened(more: Partial<ConnectionOptions> = {}) {
  const all = begin(more);
  all.connection.start();
  await login();
  all.last().open();
  all.welcome();
  return all;
}

test("a session begins with Hello and Welcome, under the subprotocol", async () => {
  const { last, log, connection, welcome } = begin();
  connection.start();
  assert.equal(connection.send("Seen", { seq: 1n }), false);
  await login();
  assert.deepEqual([last().url, last().asked, last().binaryType], ["wss://hub.test/stream", "entitygraph.stream", "arraybuffer"]);
  last().open();
  const hello = last().take("Hello")!;
  assert.deepEqual([hello.versionMin, hello.versionMax, hello.login.case, hello.software], [1, 1, "subject", "@entitygraph/client"]);
  welcome();
  assert.deepEqual([connection.state, log], ["open", ["begun"]]);
  assert.ok(last().take("Ping"));
  assert.equal(connection.shardClockUs(), 1_000_000n);
});

test("a lost connection is resumed with the newest token and what the peer has", async () => {
  const view = new View();
  const { clock, sockets, last, log, connection, welcome } = await opened({ view });
  last().say("Token", { resumeToken: Uint8Array.of(42) });
  last().receive(wire.messageFrame("Followed", { seq: 1n, number: 1n }), wire.horizonFrame(77n));
  last().lose();
  assert.equal(connection.state, "waiting");
  clock.pass(99);
  assert.equal(sockets.length, 1);
  clock.pass(1);
  last().open();
  const hello = last().take("Hello")!;
  assert.deepEqual(hello.login, { case: "resume", value: Uint8Array.of(42) });
  assert.deepEqual([hello.seen, hello.horizonMoment, hello.incarnation], [1n, 77n, 1n]);
  welcome({ resumed: true });
  assert.deepEqual(log, ["begun", "Followed", "lost LOST 100", "begun resumed"]);
});

test("waits grow to the most, and are short again after a connection that held", async () => {
  const { clock, last, log, welcome } = await opened();
  for (let round = 0; round < 6; round += 1) {
    last().lose();
    clock.pass(2_000);
  }
  last().open();
  welcome({ resumed: true });
  clock.pass(11_000);
  last().lose();
  const waits = log.filter((one) => one.startsWith("lost")).map((one) => one.split(" ")[2]);
  assert.deepEqual(waits, ["100", "200", "400", "800", "1000", "1000", "100"]);
});

test("another incarnation makes all handles void", async () => {
  const view = new View();
  const { clock, last, log, welcome } = await opened({ view });
  view.apply({ kind: "Horizon", body: Uint8Array.of(9) });
  last().lose();
  clock.pass(100);
  last().open();
  welcome({ incarnation: 2n, resumed: false });
  assert.deepEqual([log.at(-1), view.horizon], ["begun reset", 0n]);
});

test("what the hub refuses ends the session, waits as long as it says, or logs in anew", async () => {
  const cases: [keyof typeof Code, number, string][] = [
    ["BAD_FRAME", 4400, "ended BAD_FRAME"],
    ["FORBIDDEN", 4403, "ended FORBIDDEN"],
    ["VERSION", 4406, "ended VERSION"],
    ["SESSION_REPLACED", 4409, "ended SESSION_REPLACED"],
    ["TOO_LARGE", 4413, "ended TOO_LARGE"],
    ["UNAUTHENTICATED", 4401, "ended UNAUTHENTICATED"],
    ["TIMEOUT", 4408, "lost TIMEOUT 100"],
    ["FLOOD", 4429, "lost FLOOD 5000"],
    ["FAULT", 4500, "lost FAULT 100"],
    ["BUSY", 4503, "lost BUSY 5000"],
    ["TOO_SLOW", 4504, "lost TOO_SLOW 100"],
    ["SESSION_GONE", 4410, "lost SESSION_GONE 100"],
  ];
  for (const [code, close, expected] of cases) {
    const { last, log } = await opened();
    last().say("Refused", { code: Code[code], reason: "a reason", retryAfterMs: expected.endsWith("5000") ? 5_000 : 0 });
    last().lose(close);
    assert.equal(log.at(-1), expected);
    // The same by the close code alone.
    const { last: other, log: told } = await opened();
    other().lose(close, "a reason");
    assert.equal(told.at(-1)?.split(" ")[1], code);
  }
});

test("a session that is gone is begun anew with another login, once", async () => {
  let logins = 0;
  const { clock, sockets, last, log } = await opened({ login: () => ({ token: `jwt ${(logins += 1)}` }) });
  last().lose();
  clock.pass(100);
  last().open();
  last().say("Refused", { code: Code.RESUME_USED });
  last().lose(4409);
  clock.pass(200);
  await login();
  last().open();
  assert.deepEqual(last().take("Hello")!.login, { case: "token", value: "jwt 2" });
  last().lose(4401);
  assert.deepEqual([log.slice(1), sockets.length], [["lost LOST 100", "lost RESUME_USED 200", "ended UNAUTHENTICATED"], 3]);
});

test("after resume_ms there is nothing to resume", async () => {
  const { clock, last } = await opened();
  last().lose();
  // Nothing answers.
  for (let round = 0; round < 40; round += 1) clock.pass(11_000);
  await login();
  last().open();
  assert.equal(last().take("Hello")!.login.case, "subject");
});

test("Goodbye leads to another address, but not out of encryption", async () => {
  for (const [address, url] of [
    ["other.test:99", "wss://other.test:99/stream"],
    ["wss://other.test/stream", "wss://other.test/stream"],
    ["ws://other.test/stream", "wss://hub.test/stream"],
    ["", "wss://hub.test/stream"],
  ]) {
    const { clock, sockets, last, log } = await opened();
    last().say("Goodbye", { address: address!, withinMs: 500 });
    clock.pass(500);
    assert.equal(sockets[0]!.closedWith, 4408);
    clock.pass(0);
    assert.deepEqual([last().url, log.at(-1)], [url, "lost DRAINING 0"]);
  }
});

test("heartbeats go out in time, and silence is a lost connection", async () => {
  const { clock, sockets, last, log } = await opened({ role: "server" });
  last().sent = [];
  for (let beat = 0; beat < 4; beat += 1) {
    clock.pass(250);
    const ping = last().take("Ping")!;
    last().say("Pong", { senderUs: ping.senderUs, shardClockUs: 1_000_000n + 250_000n * BigInt(beat + 1) });
  }
  assert.deepEqual(log, ["begun"]);
  clock.pass(1_000);
  assert.deepEqual([log.at(-1), sockets[0]!.closedWith], ["lost TIMEOUT 100", 4408]);
});

test("only what was asked for on this connection renews a lease, from when it was sent", async () => {
  const { clock, last, connection } = await opened({ role: "server" });
  assert.equal(connection.leaseEnd, 2_000);
  clock.pass(250);
  const { senderUs } = last().take("Ping")!;
  clock.pass(100);
  last().say("Pong", { senderUs });
  assert.equal(connection.leaseEnd, Number(senderUs) / 1_000 + 1_000);
  for (const invented of [0n, 999_000n, 5_000_000n]) last().say("Pong", { senderUs: invented });
  assert.equal(connection.leaseEnd, Number(senderUs) / 1_000 + 1_000);
});

test("a hub that gives no token is logged in to again", async () => {
  const { clock, last, log, welcome } = await opened();
  last().lose();
  clock.pass(100);
  last().open();
  welcome({ resumeToken: new Uint8Array() });
  last().lose();
  clock.pass(200);
  last().open();
  assert.deepEqual([last().take("Hello")!.login.case, log.includes("begun reset")], ["subject", true]);
});

test("a process that stood still does not take that for silence", async () => {
  const { clock, log } = await opened();
  clock.stall(120_000);
  clock.pass(0);
  assert.deepEqual(log, ["begun"]);
});

test("pings are answered, load frames acknowledged", async () => {
  const { clock, last } = await opened({ view: new View() });
  last().say("Ping", { senderUs: 9n });
  assert.equal(last().take("Pong")?.senderUs, 9n);
  last().say("Followed", { seq: 1n, number: 3n });
  clock.pass(4_000);
  assert.equal(last().take("Seen")?.seq, 1n);
  clock.pass(4_000);
  assert.equal(last().take("Seen"), undefined);
});

test("an action has its effect once: it is sent again until there is a result, and unknown after another incarnation", async () => {
  const { clock, last, connection, welcome } = await opened({ role: "player" });
  const first = connection.action({ target: 5, kind: 1, content: Uint8Array.of(1) });
  const second = connection.action({ target: 5, kind: 2 });
  assert.deepEqual([last().take("Action")?.number, last().take("Action")?.number], [1n, 2n]);
  last().say("ActionResult", { number: 1n, outcome: Outcome.DONE });
  assert.equal((await first).outcome, Outcome.DONE);
  last().lose();
  const third = connection.action({ target: 5, kind: 3 });
  clock.pass(100);
  last().open();
  welcome({ resumed: true, action: 2n });
  assert.deepEqual([last().take("Action")?.number, last().take("Action")?.number], [2n, 3n]);
  last().lose();
  clock.pass(200);
  last().open();
  welcome({ incarnation: 2n, action: 3n });
  assert.deepEqual([(await second).outcome, (await third).outcome], [Outcome.UNKNOWN, Outcome.UNKNOWN]);
  void connection.action({ target: 5, kind: 4 });
  assert.equal(last().take("Action")?.number, 4n);
});

test("reports are numbered on from what the hub took", async () => {
  const { clock, last, connection, welcome } = await opened({ role: "server" });
  const report = { tick: 1n, lastOfTick: true, groups: [] };
  assert.deepEqual([connection.report(report), connection.report(report)], [1n, 2n]);
  last().lose();
  assert.equal(connection.report(report), undefined);
  clock.pass(100);
  last().open();
  welcome({ resumed: true, batch: 1n });
  assert.equal(connection.report(report), 2n);
});

test("what is not to be read ends the session, and names the byte", async () => {
  const { last, errors } = await opened();
  last().receive(wire.horizonFrame(1n), Uint8Array.of(0x40, 1));
  assert.deepEqual([errors[0]?.code, last().closedWith], ["BAD_FRAME", 4400]);
  assert.match(errors[0]!.message, /byte 3 of the message: 3 bytes of a frame are needed, 2 are left/);
  const other = await opened();
  other.last().onmessage?.({ data: "text" } as never);
  assert.equal(other.errors[0]?.code, "BAD_FRAME");
  const role = await opened();
  role.last().say("Grant", { handle: 1 });
  assert.match(role.errors[0]!.message, /no Grant is sent to a viewer/);
});

test("a peer does not send what its role may not, nor what is too large", async () => {
  const { connection } = await opened({ role: "player" });
  assert.throws(() => connection.report({ tick: 1n, lastOfTick: true, groups: [] }), TypeError);
  assert.throws(() => connection.send("Authenticate", { token: "x".repeat(20_000) }), RangeError);
});

test("a server that speaks something else, or has no socket, is given up", async () => {
  const { last, connection, errors } = begin();
  connection.start();
  await login();
  last().protocol = "";
  last().open();
  assert.equal(errors[0]?.code, "VERSION");
  class Broken {
    constructor() {
      throw new Error("no");
    }
  }
  const other = begin({ webSocket: Broken as unknown as SocketConstructor });
  other.connection.start();
  await login();
  assert.equal(other.errors[0]?.code, "SOCKET");
});

test("close says Goodbye, and a login that fails says why", async () => {
  const { last, log, connection, clock, sockets } = await opened();
  connection.close();
  assert.ok(last().take("Goodbye"));
  assert.deepEqual([last().closedWith, log.at(-1)], [1000, "ended well"]);
  last().lose(1000);
  clock.pass(100_000);
  assert.equal(sockets.length, 1);
  const other = begin({ login: () => Promise.reject(new Error("no keys")) });
  other.connection.start();
  await login();
  assert.deepEqual([other.errors[0]?.code, other.errors[0]?.message], ["LOGIN", "LOGIN: no keys"]);
});

test("an answer that never comes is not waited for", async () => {
  const { clock, sockets, connection, log } = begin();
  connection.start();
  await login();
  clock.pass(10_000);
  assert.deepEqual([log, sockets[0]!.closedWith], [["lost LOST 100"], 4408]);
  clock.pass(100);
  assert.equal(sockets.length, 2);
});
