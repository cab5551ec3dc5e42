import assert from "node:assert/strict";
import { test } from "node:test";

import type { Entity } from "../src/entity.js";
import { type Callbacks, View } from "../src/view.js";
import { Output, type Value, WireError, putEntry } from "../src/wire/index.js";
import { Random } from "./random.js";
import { componentBytes, entityBytes, exactRows, handles, message, state, taken } from "./world.js";
import { horizonFrame } from "../src/wire/index.js";

const ZONE = 1;
const SHIP = 2;
const WALKER = 3;
const int = (value: bigint): Value => ({ kind: "int", value });

function entries(...list: [number: number, value: Value | undefined][]): Uint8Array {
  const out = new Output();
  list.forEach(([number, value]) => putEntry(number, value, undefined, out));
  return out.done();
}

/** What was told, one text for each callback. */
function heard(): { log: string[]; callbacks: Callbacks } {
  const log: string[] = [];
  const list = (entities: readonly Entity[]): string => entities.map((entity) => entity.handle).join(" ");
  const callbacks: Callbacks = {
    bind: (batch, entities) => log.push(`bind ${batch}: ${list(entities)}`),
    activate: (entities) => log.push(`activate ${list(entities)}`),
    update: (entity, { moment, motion, variables }) =>
      log.push(`update ${entity.handle} at ${moment}${motion ? " motion" : ""}${variables.map((one) => ` v${one.variable}`).join("")}`),
    pause: (entities) => log.push(`pause ${list(entities)}`),
    unbind: (entities, why) => log.push(`unbind ${list(entities)}: ${why}`),
    changed: (entity) => log.push(`changed ${entity.handle}`),
    horizon: (moment) => log.push(`horizon ${moment}`),
    authorityGained: (grant) => log.push(`gained ${grant.handle} ${grant.epoch}`),
    authorityLost: (handle, epoch) => log.push(`lost ${handle} ${epoch}`),
  };
  return { log, callbacks };
}

/** A zone, a ship in it that is a zone too, and a walker in the ship: bound at moment 100. */
function bound(callbacks: Callbacks = {}): View {
  const view = new View({ callbacks });
  const variables = [1, 2].map((variable) => ({ number: variable - 1, component: 1, variable }));
  view.apply(message("CatalogPart", { catalogHash: Uint8Array.of(1), components: [componentBytes([int(7n), int(8n)])], variables, last: true }));
  const member = (handle: number, parent: number, entity: Uint8Array<ArrayBuffer>) =>
    ({ member: { case: "single", value: { handle, parent, root: SHIP, entity } } }) as const;
  const members = [
    member(ZONE, 0, entityBytes({ id: 11n, zone: true })),
    member(SHIP, ZONE, entityBytes({ id: 12n, name: "Bebop", at: [1, 2, 3], zone: true, labels: ["closed"] })),
    member(WALKER, SHIP, entityBytes({ id: 2n ** 60n, at: [4, 5, 6], values: [[1, int(1n)]] })),
  ];
  view.apply(message("Bind", { seq: 1n, batch: 7n, moment: 100n, members }));
  return view;
}

function active(callbacks: Callbacks = {}): View {
  const view = bound(callbacks);
  view.apply(message("Activate", { seq: 2n, batch: 7n, moment: 200n }));
  return view;
}

const at = (view: View): unknown => view.get(WALKER)?.pose?.translation;

test("a batch is bound, shown in one step with its second snapshot, and forgotten children first", () => {
  const { log, callbacks } = heard();
  const view = bound(callbacks);
  const walker = view.get(WALKER)!;
  assert.deepEqual([walker.id, walker.state, walker.zone, at(view)], [2n ** 60n, "bound", SHIP, [4, 5, 6]]);
  assert.deepEqual([view.get(SHIP)?.zone, view.get(SHIP)?.structure?.name], [ZONE, "Bebop"]);
  const changed = [exactRows(SHIP, { handle: WALKER, position: [0.1, 0.2, 0.3], variables: entries([0, int(2n)], [1, int(3n)]) })];
  view.apply(message("Activate", { seq: 2n, batch: 7n, moment: 200n, changed }));
  assert.deepEqual([walker.state, at(view)], ["active", [0.1, 0.2, 0.3]]);
  assert.deepEqual(walker.values.get(1), new Map([[1, int(2n)], [2, int(3n)]]));
  view.apply(message("Unbind", { seq: 3n, why: 3, ...handles(ZONE, SHIP, WALKER) }));
  assert.deepEqual(log, ["bind 7: 1 2 3", "activate 1 2 3", "unbind 3 2 1: buried"]);
  assert.deepEqual([...view.all()], []);
});

test("a handle that was unbound and bound again is not shown by the Activate of its former batch", () => {
  const { log, callbacks } = heard();
  const view = bound(callbacks);
  view.apply(message("Unbind", { seq: 2n, why: 1, ...handles(WALKER) }));
  const value = { handle: WALKER, parent: SHIP, root: SHIP, entity: entityBytes({ id: 13n, at: [7, 8, 9] }) };
  view.apply(message("Bind", { seq: 3n, batch: 8n, moment: 150n, members: [{ member: { case: "single", value } }] }));
  view.apply(message("Activate", { seq: 4n, batch: 7n, moment: 200n }));
  assert.equal(view.get(WALKER)?.state, "bound");
  view.apply(message("Activate", { seq: 5n, batch: 8n, moment: 210n }));
  assert.deepEqual(log.filter((line) => line.startsWith("activate")), ["activate 1 2", "activate 3"]);
});

test("rule 1: what is not above the moment of a part is passed over, part by part", () => {
  const view = active();
  const walk = (moment: bigint, x: number): boolean => view.apply(state(moment, SHIP, [{ handle: WALKER, position: [x, 0, 0] }]));
  walk(200n, 9);
  assert.deepEqual(at(view), [4, 5, 6]);
  walk(210n, 1);
  walk(205n, 2);
  walk(210n, 3);
  assert.deepEqual(at(view), [1.5, 0.5, 0.5]);
  assert.equal(view.passedOver.older, 3);
  // The moment of motion says nothing of variables, nor that of one variable of another.
  const say = (moment: bigint, ...list: Parameters<typeof entries>): boolean =>
    view.apply(state(moment, SHIP, [{ handle: WALKER, variables: entries(...list) }], { lane: "prompt" }));
  say(204n, [0, int(20n)]);
  say(203n, [0, int(30n)], [1, int(31n)]);
  say(204n, [0, int(40n)]);
  assert.deepEqual(view.get(WALKER)?.values.get(1), new Map([[1, int(20n)], [2, int(31n)]]));
  say(205n, [0, undefined], [1, undefined]);
  assert.equal(view.get(WALKER)?.values.size, 0);
});

test("rule 2: bound, paused and unknown entities, and those in another zone, are passed over", () => {
  const view = bound();
  const walk = (moment: bigint, zone: number, handle = WALKER): boolean => view.apply(state(moment, zone, [{ handle, position: [1, 1, 1] }]));
  walk(150n, SHIP);
  assert.deepEqual(at(view), [4, 5, 6]);
  view.apply(message("Activate", { seq: 2n, batch: 7n, moment: 200n }));
  walk(210n, ZONE);
  walk(210n, SHIP, 77);
  view.apply(message("Pause", { seq: 3n, moment: 220n, ...handles(WALKER) }));
  walk(230n, SHIP);
  assert.deepEqual([at(view), view.get(WALKER)?.state], [[4, 5, 6], "paused"]);
  assert.deepEqual(view.passedOver, { older: 0, inactive: 3, otherZone: 1 });
});

test("rule 3: a second snapshot sets all moments, also after a pause", () => {
  const { log, callbacks } = heard();
  const view = active(callbacks);
  view.apply(state(300n, SHIP, [{ handle: WALKER, position: [1, 1, 1] }]));
  view.apply(message("Pause", { seq: 3n, moment: 310n, ...handles(WALKER) }));
  const changed = [exactRows(SHIP, { handle: WALKER, velocity: [1, 0, 0] })];
  view.apply(message("Activate", { seq: 4n, moment: 400n, changed, ...handles(WALKER) }));
  assert.deepEqual([at(view), view.get(WALKER)?.velocity], [[1.5, 1.5, 1.5], [1, 0, 0]]);
  view.apply(state(400n, SHIP, [{ handle: WALKER, position: [2, 2, 2] }]));
  view.apply(state(401n, SHIP, [{ handle: WALKER, position: [3, 3, 3] }]));
  assert.deepEqual(at(view), [3.5, 3.5, 3.5]);
  // As after a resume, and before a Grant: it stays active, so it is an update.
  view.apply(message("Activate", { seq: 5n, moment: 500n, changed, ...handles(WALKER) }));
  const expected = ["update 3 at 300 motion", "pause 3", "activate 3", "update 3 at 401 motion", "update 3 at 500 motion"];
  assert.deepEqual(log.slice(2), expected);
});

test("rule 4: the horizon is told as it comes", () => {
  const { log, callbacks } = heard();
  const view = bound(callbacks);
  view.apply(taken(horizonFrame(2n ** 60n)));
  assert.equal(view.horizon, 2n ** 60n);
  assert.equal(log.at(-1), `horizon ${2n ** 60n}`);
});

test("an entity that changes its zone takes the pose of Changed, and slices of the new zone from then on", () => {
  const { log, callbacks } = heard();
  const view = active(callbacks);
  view.apply(state(210n, ZONE, [{ handle: WALKER, position: [9, 9, 9] }]));
  // revision 2, epoch 0, parent edge (id 11, no port), name and one label.
  const out = new Output();
  [2, 0, 0b100_0001_0100, 11, 0].forEach((number) => out.number(number));
  out.text("Spike");
  out.list(["closed"], (label) => {
    out.text(label);
    out.byte(1);
  });
  const moved = [exactRows(ZONE, { handle: WALKER, position: [8, 8, 8] })];
  view.apply(message("Changed", { seq: 3n, moment: 215n, deltas: [{ handle: WALKER, delta: out.done(), parent: ZONE }], moved }));
  const walker = view.get(WALKER)!;
  assert.deepEqual([walker.zone, walker.parent, walker.structure?.parent, walker.structure?.name], [ZONE, ZONE, 11n, "Spike"]);
  assert.deepEqual([...walker.structure!.labels], ["closed"]);
  view.apply(state(220n, SHIP, [{ handle: WALKER, position: [7, 7, 7] }]));
  view.apply(state(214n, ZONE, [{ handle: WALKER, position: [6, 6, 6] }]));
  assert.deepEqual(at(view), [8, 8, 8]);
  view.apply(state(221n, ZONE, [{ handle: WALKER, position: [5, 5, 5] }]));
  assert.deepEqual(at(view), [5.5, 5.5, 5.5]);
  assert.deepEqual(log.slice(2), ["changed 3", "update 3 at 221 motion"]);
});

test("load frames that came before are passed over, and counted up to the first gap", () => {
  const { log, callbacks } = heard();
  const view = active(callbacks);
  view.apply(message("Pause", { seq: 2n, moment: 220n, ...handles(WALKER) }));
  assert.equal(view.get(WALKER)?.state, "active");
  view.apply(message("Followed", { seq: 3n, number: 1n }));
  view.apply(message("Pause", { seq: 5n, moment: 220n, ...handles(WALKER) }));
  assert.deepEqual([view.seen, view.get(WALKER)?.state, log.length], [3n, "paused", 3]);
});

test("values that come before the catalog wait for it, and do not go back", () => {
  const view = new View();
  const member = { case: "single", value: { handle: 5, entity: entityBytes({ id: 5n }) } } as const;
  view.apply(message("Bind", { seq: 1n, batch: 1n, moment: 1n, members: [{ member }] }));
  const changed = [exactRows(9, { handle: 5, variables: entries([0, int(1n)], [1, int(1n)]) })];
  view.apply(message("Activate", { seq: 2n, batch: 1n, moment: 10n, changed }));
  view.apply(state(11n, 9, [{ handle: 5, variables: entries([1, int(2n)]) }], { lane: "slow" }));
  assert.equal(view.get(5)?.values.size, 0);
  const variables = [0, 1].map((number) => ({ number, component: 1, variable: number + 1 }));
  view.apply(message("CatalogPart", { catalogHash: Uint8Array.of(1), components: [componentBytes([int(0n), int(0n)])], variables, last: true }));
  assert.deepEqual(view.get(5)?.values.get(1), new Map([[1, int(1n)], [2, int(2n)]]));
  const unknown = state(12n, 9, [{ handle: 5, variables: entries([4, int(1n)]) }], { lane: "slow" });
  assert.throws(() => view.apply(unknown), WireError);
});

test("an instance is bound without naming its members", () => {
  const view = new View();
  const pose = { zone: 1, translationM: { x: 1, y: 2, z: 3 } };
  const instance = { container: 4, version: 2, firstId: 2n ** 64n - 3n, firstHandle: 50, count: 3, parent: 1, pose, differing: [{ handle: 51, entity: entityBytes({ id: 99n }), parent: 50 }] };
  view.apply(message("Bind", { seq: 1n, batch: 1n, moment: 1n, members: [{ member: { case: "instance", value: instance } }] }));
  const said = [...view.all()].map(({ handle, id, zone, instance: of }) => [handle, id, zone, of?.index]);
  assert.deepEqual(said, [[50, 2n ** 64n - 3n, 1, 0], [51, 99n, 1, undefined], [52, 2n ** 64n - 1n, 0, 2]]);
});

test("no more entities are made than a batch may have", () => {
  const bind = (more: object) => (): unknown => {
    const value = { container: 4, firstId: 1n, firstHandle: 1, ...more };
    return new View().apply(message("Bind", { seq: 1n, batch: 1n, members: [{ member: { case: "instance", value } }] }));
  };
  assert.throws(bind({ count: 0xffff_ffff }), /Bind: it has 4294967295 entities, the limit is 10000/);
  assert.throws(bind({ count: 2, firstHandle: 0xffff_ffff }), /goes beyond the last id or handle/);
  assert.throws(bind({ count: 2, firstId: 2n ** 64n - 1n }), /goes beyond the last id or handle/);
  assert.throws(bind({ count: 1, firstHandle: 0 }), /0 is no handle/);
});

test("authority reaches down from territories, and not into what is left out or was revoked", () => {
  const { log, callbacks } = heard();
  const view = active(callbacks);
  const epoch = (handle: number): bigint | undefined => view.authority.epochOf(handle);
  view.apply(message("Grant", { handle: ZONE, epoch: 5n, subtree: true }));
  assert.deepEqual([epoch(ZONE), epoch(SHIP), epoch(WALKER), epoch(99)], [5n, 5n, 5n, undefined]);
  view.apply(message("Revoke", { handle: SHIP, epoch: 5n }));
  assert.deepEqual([epoch(WALKER)], [undefined]);
  view.apply(message("Grant", { handle: SHIP, epoch: 6n }));
  assert.deepEqual([epoch(WALKER)], [6n]);
  view.apply(message("Grant", { handle: ZONE, epoch: 7n, subtree: true, except: [SHIP] }));
  view.apply(message("Revoke", { handle: SHIP, epoch: 6n }));
  assert.deepEqual([epoch(WALKER)], [undefined]);
  view.reset();
  assert.deepEqual(log.slice(2), ["gained 1 5", "lost 2 5", "gained 2 6", "gained 1 7", "lost 2 6", "lost 1 7", "unbind 3 2 1: incarnation"]);
});

test("slices of all spans, left out and repeated, and a second snapshot give what the authority has", () => {
  const seed = Number(process.env["SEED"] ?? 1);
  for (let round = 0; round < 300; round += 1) {
    const random = new Random(seed + round);
    const view = bound();
    const [x, values] = [{ value: 4, moment: 0n }, [1n, 8n].map((value) => ({ value, moment: 0n }))];
    const sent: ReturnType<typeof state>[] = [];
    let told = 100n;
    const activateAt = BigInt(110 + random.below(100));
    for (let moment = 101n; moment <= 300n; moment += 1n) {
      if (random.below(3) === 0) [x.value, x.moment] = [random.below(64), moment];
      for (const one of values) if (random.below(5) === 0) [one.value, one.moment] = [BigInt(random.below(100)), moment];
      if (moment === activateAt) {
        const since = entries(...values.flatMap((one, number): [number, Value][] => (one.moment > 100n ? [[number, int(one.value)]] : [])));
        const position: [number, number, number] = [x.moment > 100n ? x.value + 0.5 : 4, 0.5, 0.5];
        view.apply(message("Activate", { seq: 2n, batch: 7n, moment, changed: [exactRows(SHIP, { handle: WALKER, position, variables: since })] }));
        told = moment;
      } else if (random.below(4) === 0 || moment === 300n) {
        // All that changed since the last time that was told, or longer ago.
        const from = told - BigInt(random.below(30));
        const motion = x.moment > from ? { position: [x.value, 0, 0] as [number, number, number] } : {};
        const list = values.flatMap((one, number): [number, Value][] => (one.moment > from ? [[number, int(one.value)]] : []));
        const row = { handle: WALKER, ...motion, ...(list.length > 0 ? { variables: entries(...list) } : {}) };
        const slice = state(moment, SHIP, Object.keys(row).length > 1 ? [row] : []);
        view.apply(slice);
        sent.push(slice);
        told = moment;
      }
      // An earlier one comes again.
      if (sent.length > 0 && random.below(6) === 0) view.apply(random.of(sent));
    }
    const walker = view.get(WALKER)!;
    const held = [1, 2].map((variable) => walker.values.get(1)?.get(variable)?.value);
    const expected = values.map((one, index) => (one.moment === 0n && index === 1 ? undefined : one.value));
    assert.deepEqual([at(view), held], [[x.moment === 0n ? 4 : x.value + 0.5, 0.5, 0.5], expected], `SEED=${seed + round}`);
  }
});
