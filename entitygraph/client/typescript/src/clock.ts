// The shard clock as a peer knows it (docs/protocol.md, "Heartbeats and the clock"). It is slewed, never stepped, and never
// goes back. Times of the peer are microseconds of any monotonic clock.

const SAMPLES = 16;
/** 5 ms a second. */
const SLEW = 0.005;
const DRIFT_MAX = 0.0005;
const DRIFT_US_MIN = 1_000_000;

interface Sample {
  at: number;
  roundTrip: number;
  offset: number;
}

export class ShardClock {
  private samples: Sample[] = [];
  /** Offsets are from here, so that floats have room for them. */
  private base = 0n;
  private offset = 0;
  private slewedAt = 0;
  private last = 0n;

  /** Whether it was set. */
  get known(): boolean {
    return this.samples.length > 0;
  }

  /** Takes an answer: when the question was sent, when it came, and the shard clock in it. */
  sample(sentUs: number, receivedUs: number, shardClockUs: bigint): void {
    const roundTrip = receivedUs - sentUs;
    if (roundTrip < 0) return;
    if (!this.known) this.base = shardClockUs;
    const offset = Number(shardClockUs - this.base) + roundTrip / 2 - receivedUs;
    if (!this.known) [this.offset, this.slewedAt] = [offset, receivedUs];
    this.slew(receivedUs);
    this.samples = [...this.samples, { at: receivedUs, roundTrip, offset }].slice(-SAMPLES);
  }

  /** The shard clock at this time of the peer's; 0 before it is known. */
  nowUs(localUs: number): bigint {
    if (!this.known) return 0n;
    this.slew(localUs);
    const now = this.base + BigInt(Math.floor(localUs + this.offset));
    if (now > this.last) this.last = now;
    return this.last;
  }

  private slew(localUs: number): void {
    const most = SLEW * Math.max(0, localUs - this.slewedAt);
    const off = this.known ? this.wanted(localUs) - this.offset : 0;
    this.offset += Math.min(most, Math.max(-most, off));
    this.slewedAt = Math.max(this.slewedAt, localUs);
  }

  /** The offset by the answer with the shortest round trip, with the drift since. */
  private wanted(localUs: number): number {
    const best = shortest(this.samples);
    return best.offset + this.drift() * (localUs - best.at);
  }

  /** How much faster the shard clock goes, by the best of the older and of the newer answers. */
  private drift(): number {
    if (this.samples.length < SAMPLES) return 0;
    const [older, newer] = [shortest(this.samples.slice(0, SAMPLES / 2)), shortest(this.samples.slice(SAMPLES / 2))];
    const time = newer.at - older.at;
    if (time < DRIFT_US_MIN) return 0;
    return Math.min(DRIFT_MAX, Math.max(-DRIFT_MAX, (newer.offset - older.offset) / time));
  }
}

function shortest(samples: readonly Sample[]): Sample {
  return samples.reduce((best, sample) => (sample.roundTrip <= best.roundTrip ? sample : best));
}
