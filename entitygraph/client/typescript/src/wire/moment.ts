// Moments: sixteenths of a tick of the shard clock (docs/protocol.md, "State"). Most frames have the lower 16 bits.

/** Moments in a tick. */
export const MOMENTS_PER_TICK = 16n;

const U64_MAX = (1n << 64n) - 1n;

/** The moment at this reading of the shard clock, with ticks of `tickUs` microseconds (at least 1 is taken). */
export function momentAt(shardClockUs: bigint, tickUs: number): bigint {
  const moment = (shardClockUs * MOMENTS_PER_TICK) / BigInt(Math.max(1, tickUs));
  return moment < U64_MAX ? moment : U64_MAX;
}

/** The whole moment nearest to `about` whose lower 16 bits are `low`; of two at the same distance the earlier one. */
export function nearestMoment(low: number, about: bigint): bigint {
  const ahead = BigInt.asUintN(16, BigInt(low) - about);
  const found = ahead < 0x8000n ? about + ahead : about - (0x1_0000n - ahead);
  // At the ends of the numbers there is a moment on one side only.
  return found >= 0n && found <= U64_MAX ? found : (about & ~0xffffn) | BigInt(low);
}
