// The game of examples/game.ts, as it is, before a hub that says what the test wants.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Game } from "../examples/game.js";
import type { SocketConstructor } from "../src/connection.js";
import * as wire from "../src/wire/index.js";
import { FakeClock, FakeSocket } from "./hub.js";
import { walkers } from "./world.js";

const ZONE = 300;
/** Characters 4 and 5 of the players' hands. */
const [ANNA, BERT] = [4, 5];

async function begun() {
  const clock = new FakeClock();
  const sockets: FakeSocket[] = [];
  class Socket extends FakeSocket {
    constructor(url: string, asked: string) {
      super(url, asked);
      sockets.push(this);
    }
  }
  const game = new Game({ url: "ws://hub.test/stream", webSocket: Socket as SocketConstructor, timers: clock });
  game.server.start();
  await new Promise((done) => setImmediate(done));
  const hub = sockets[0]!;
  hub.open();
  hub.say("Welcome", { version: 1, role: 1, tickUs: 33_333, shardClockUs: 90_000n * 33_333n + 10n });
  const { actions } = hub.take("Register")!;
  hub.say("CatalogPart", { last: true, actions: actions.map((name, number) => ({ name, number: number + 40 })) });
  hub.say("Bind", walkers(1n, ZONE, [ANNA, BERT]));
  hub.say("Activate", { seq: 2n, batch: 1n, moment: 9n });
  hub.say("Grant", { handle: ZONE, epoch: 7n, subtree: true });
  /** The next tick: its one group, if it says anything. */
  const step = (): wire.Group | undefined => {
    clock.pass(34);
    game.step();
    return hub.reports()[0]!.groups[0];
  };
  /** Another server had it for a while. */
  const regain = (): void => hub.say("Grant", { handle: ZONE, epoch: 8n, subtree: true });
  const wants = (character: number, number: bigint, ...content: number[]): void =>
    hub.receive(wire.inputsFrame([{ character, number, content: Uint8Array.from(content) }]));
  return { hub, step, wants, regain, kind: (name: string) => 40 + actions.indexOf(name) };
}

const placeOf = (group: wire.Group | undefined, handle: number): wire.Vec3 | undefined =>
  group?.rows.find((row) => row.handle === handle)?.position;

test("characters walk where their players want, at their speed, and what stands still costs nothing", async () => {
  const { step, wants, regain } = await begun();
  assert.deepEqual(step()!.rows.map(({ handle }) => handle), [ANNA, BERT], "everything, once");
  assert.equal(step(), undefined);
  wants(ANNA, 7n, 127, 127);
  const first = step()!;
  const [x, y] = placeOf(first, ANNA)!;
  assert.ok(Math.abs(Math.hypot(x - ANNA, y - 2) - 4 / 30) < 1e-9, "not faster askew");
  assert.deepEqual([first.inputs, placeOf(first, BERT)], [[{ character: ANNA, number: 7n }], undefined]);
  wants(ANNA, 8n, 0, 0);
  step();
  assert.deepEqual(step()!.rows, []);
  // A wish that is none is not taken.
  wants(ANNA, 9n, 1, 2, 3);
  assert.deepEqual(step()!.inputs, [{ character: ANNA, number: 8n }]);
  regain();
  assert.deepEqual(step()!.rows.length, 2, "everything again");
});

test("they give way to one another", async () => {
  const { step, wants } = await begun();
  wants(ANNA, 1n, 127, 0);
  let group = step()!;
  for (let tick = 0; tick < 5; tick += 1) group = step()!;
  const [anna, bert] = [placeOf(group, ANNA)!, placeOf(group, BERT)!];
  assert.ok(Math.abs(Math.hypot(bert[0] - anna[0], bert[1] - anna[1]) - 0.8) < 1e-9);
});

test("an action is judged by its name, its target and the arm, and its receipt goes with its effect", async () => {
  const { hub, step, kind } = await begun();
  const act = (number: bigint, more: Partial<wire.Inits["Action"]>): void =>
    hub.say("Action", { number, session: 9n, target: BERT, actor: ANNA, ...more } as wire.Inits["Action"]);
  act(1n, { kind: kind("push") });
  act(2n, { kind: kind("wave") });
  act(3n, { kind: 99 });
  act(4n, { kind: kind("push"), actor: 0 });
  const group = step()!;
  assert.deepEqual(group.receipts.map(({ action, outcome }) => [action, outcome]), [[1n, "done"], [2n, "done"], [3n, "refused"], [4n, "refused"]]);
  assert.deepEqual(placeOf(group, BERT), [BERT + 1, 2, 3]);
});
