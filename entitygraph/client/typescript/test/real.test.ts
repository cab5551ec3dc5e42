// Server, player and viewer on the sockets of `ws` against the hub program: what is reported is what is seen.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { WebSocket } from "ws";

import { Connection } from "../src/connection.js";
import type { Entity } from "../src/entity.js";
import { Code } from "../src/generated/stream_pb.js";
import { Player, type PlayerOptions } from "../src/player.js";
import { Server } from "../src/server.js";
import { View } from "../src/view.js";
import type * as wire from "../src/wire/index.js";
import { HubProgram, Proxy } from "./program.js";

const CHARACTERS = 30;
const SPEED_M_S = 1.5;

let hub: HubProgram;

// Cargo may have to build it first.
before(async () => (hub = await HubProgram.start(CHARACTERS)), { timeout: 600_000 });
after(() => hub.stop());

/** A server that lets everything walk while `walks` says so, and keeps what it reported, by entity id. */
class Simulation {
  readonly places = new Map<bigint, wire.Vec3>();
  walks = true;
  ticks = 0;
  private readonly gained: Promise<void>;
  readonly server: Server;
  private readonly timer: NodeJS.Timeout;

  constructor(url: string) {
    let done: () => void;
    this.gained = new Promise((resolve) => (done = resolve));
    this.server = new Server({ url, login: { subject: "mover" }, webSocket: WebSocket, callbacks: { authorityGained: () => done() } });
    this.server.start();
    this.timer = setInterval(() => this.step(), 5);
  }

  private step(): void {
    const tick = this.server.begin();
    if (tick === undefined || !this.walks) return;
    for (const { handle, id, pose } of this.server.view.all()) {
      if (pose === undefined || !this.server.hasAuthority(handle)) continue;
      const [x, y, z] = this.places.get(id) ?? pose.translation;
      const place: wire.Vec3 = [x + SPEED_M_S / 30, y, z + 0.001];
      this.places.set(id, place);
      tick.motion(handle, { position: place, rotation: [0, 0, 0, 1], velocity: [SPEED_M_S, 0, 0.03] });
    }
    const sent = this.server.report(tick)!;
    assert.deepEqual(sent.leftOut, []);
    this.ticks += 1;
  }

  /** Lets this many ticks pass. */
  async pass(ticks: number): Promise<void> {
    await this.gained;
    const end = this.ticks + ticks;
    await until(() => this.ticks >= end, `${ticks} ticks`);
  }

  stop(): void {
    clearInterval(this.timer);
    this.server.close();
  }
}

async function until(condition: () => boolean, what: string | (() => string)): Promise<void> {
  const end = performance.now() + 15_000;
  while (!condition()) {
    if (performance.now() > end) assert.fail(`after 15 s: ${typeof what === "string" ? `no ${what}` : what()}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

function playerOf(number: number, more: Partial<PlayerOptions> = {}): Player {
  const player = new Player({
    url: hub.url,
    login: { subject: `player-${number}` },
    character: BigInt(number),
    webSocket: WebSocket,
    ...more,
  });
  player.start();
  return player;
}

/** Nothing moves, and then what the view has of the characters is what the server reported, to half a step. */
async function assertSame(view: View, simulation: Simulation): Promise<void> {
  simulation.walks = false;
  const off = ({ id, pose, state }: Entity): string | undefined => {
    const place = simulation.places.get(id);
    if (place === undefined || pose === undefined) return undefined;
    const offM = Math.max(...place.map((axis, index) => Math.abs(pose.translation[index]! - axis)));
    return state === "active" && offM <= 0.5 / 64 + 1e-9 ? undefined : `entity ${id} is ${state} and off by ${offM} m`;
  };
  const all = (): (string | undefined)[] => [...view.all()].map(off);
  await until(() => all().every((one) => one === undefined), () => String(all().find((one) => one !== undefined)));
  const seen = [...view.all()].filter(({ id }) => simulation.places.has(id)).length;
  assert.ok(seen > 15 && view.horizon > 0n, `${seen} characters, horizon ${view.horizon}`);
}

test("what a server reports is what a player sees, also after its socket was cut", async (context) => {
  const simulation = new Simulation(hub.url);
  context.after(() => simulation.stop());
  await simulation.pass(3);
  const proxy = await Proxy.start(hub.url);
  context.after(() => proxy.stop());
  const log: string[] = [];
  let moved = 0;
  const player = playerOf(105, {
    url: proxy.url,
    backoffMs: { first: 20, most: 200 },
    callbacks: { entered: () => log.push("entered"), update: (_, { motion }) => (moved += Number(motion)) },
    onBegun: ({ resumed }) => log.push(resumed ? "resumed" : "begun"),
    onLost: ({ code }) => log.push(code),
  });
  context.after(() => player.close());
  await until(() => player.character !== undefined, "character");
  await simulation.pass(30);
  await assertSame(player.view, simulation);
  assert.ok(moved > 15 * 20, `${moved} rows: the test shows nothing`);

  proxy.cut();
  simulation.walks = true;
  await until(() => log.length > 2, "other connection");
  await until(() => player.character !== undefined, "character, again");
  await simulation.pass(10);
  await assertSame(player.view, simulation);
  assert.deepEqual(log, ["begun", "entered", "LOST", "resumed"]);
});

test("whoever comes later is told velocities with the second snapshot", async (context) => {
  const simulation = new Simulation(hub.url);
  context.after(() => simulation.stop());
  await simulation.pass(5);
  simulation.walks = false;
  const velocities: (wire.Vec3 | undefined)[] = [];
  const player = playerOf(107, {
    callbacks: { activate: (entities) => entities.forEach(({ pose, velocity }) => pose && velocities.push(velocity)) },
  });
  context.after(() => player.close());
  await until(() => player.character !== undefined, "character");
  assert.ok(velocities.length > 15);
  for (const velocity of velocities) assert.deepEqual(velocity, [SPEED_M_S, 0, Math.fround(0.03)]);
  await assertSame(player.view, simulation);
});

test("a viewer sees its zone, or is told that this hub does not serve that", async (context) => {
  const simulation = new Simulation(hub.url);
  context.after(() => simulation.stop());
  await simulation.pass(5);
  const notices: Code[] = [];
  const view = new View({ callbacks: { bind: (batch) => void viewer.send("Ready", { batch }) } });
  const viewer: Connection = new Connection({
    url: hub.url,
    role: "viewer",
    login: { subject: "map" },
    webSocket: WebSocket,
    view,
    onBegun: ({ resumed }) => !resumed && viewer.send("Follow", { number: 1n, area: { case: "zone", value: 1n } }),
    onMessage: ({ kind, message }) => kind === "Notice" && notices.push(message.code),
  });
  viewer.start();
  context.after(() => viewer.close());
  await until(() => notices.length > 0 || [...view.all()].some(({ state }) => state === "active"), "answer");
  if (notices.length > 0) assert.deepEqual(notices, [Code.BUSY]);
  else {
    await simulation.pass(10);
      await assertSame(view, simulation);
  }
});

test("what is forbidden ends the session with its reason, and is not repeated", async () => {
  const ended: (string | undefined)[] = [];
  const player = playerOf(100, { character: 101n, onEnded: (error) => ended.push(error?.code) });
  await until(() => ended.length > 0, "end");
  assert.deepEqual([ended, player.connection.state], [["FORBIDDEN"], "ended"]);
});
