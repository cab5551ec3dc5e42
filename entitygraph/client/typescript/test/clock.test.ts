import assert from "node:assert/strict";
import { test } from "node:test";

import { ShardClock } from "../src/clock.js";

test("the first answer sets the clock, with half of the round trip", () => {
  const clock = new ShardClock();
  assert.equal(clock.nowUs(5), 0n);
  clock.sample(1_000, 3_000, 10n ** 15n);
  assert.equal(clock.nowUs(3_000), 10n ** 15n + 1_000n);
  assert.equal(clock.nowUs(4_000), 10n ** 15n + 2_000n);
});

test("a better answer slews it by at most 5 ms a second, and it never goes back", () => {
  const clock = new ShardClock();
  clock.sample(0, 100_000, 1_000_000n);
  // The shard clock was 1,000,000 when it was sent, not 50 ms later: it is ahead by 40 ms.
  clock.sample(1_000_000, 1_000_000, 2_010_000n);
  let before = clock.nowUs(1_000_000);
  for (let at = 1_000_000; at <= 20_000_000; at += 100_000) {
    const now = clock.nowUs(at);
    assert.ok(now >= before && (at === 1_000_000 || Math.abs(Number(now - before) - 100_000) <= 501), `${now} after ${before}`);
    before = now;
  }
  assert.ok(Math.abs(Number(before - 21_010_000n)) <= 1, String(before));
  assert.equal(clock.nowUs(1_000_000), before);
});

test("of the last sixteen answers the one with the shortest round trip holds, and drift is followed", () => {
  const clock = new ShardClock();
  // The shard clock goes 100 millionths faster; every other answer takes 200 ms one way.
  const shard = (at: number): number => 5_000_000 + at * 1.0001;
  for (let beat = 0; beat < 40; beat += 1) {
    const sent = beat * 1_000_000;
    const slow = beat % 2 === 0 ? 0 : 200_000;
    clock.sample(sent, sent + 20_000 + slow, BigInt(Math.round(shard(sent + 10_000 + slow))));
  }
  const off = Number(clock.nowUs(45_000_000)) - shard(45_000_000);
  assert.ok(Math.abs(off) < 100, `${off} us`);
});
