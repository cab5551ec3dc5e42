// Attitudes and velocities (docs/protocol.md, "State"). All are in the zone: angles are about its axes, velocities are m/s
// along them. Positions in cells are in cell.ts.
import { type Input, rounded } from "./bytes.js";

export type Vec3 = [number, number, number];

/** A quaternion x y z w. */
export type Quat = [number, number, number, number];

/** Where something is in a zone. */
export interface Pose {
  translation: Vec3;
  rotation: Quat;
}

/** Largest coordinate of the model, in metres. */
export const COORDINATE_MAX = 1e21;

/** How far the length of a rotation may be from 1. */
export const ROTATION_TOLERANCE = 1e-6;

const VELOCITY_STEPS = 16;
const ROTATION_STEPS = 511;
/** Half of the largest tilt (0.7 degrees) of what is told as a heading, as a sine. */
const UPRIGHT = 0.0061086;


/** A turn about z in 1/256 of a circle; nothing for a rotation that is tilted by more than 0.7 degrees. */
export function headingOf([x, y, z, w]: Quat): number | undefined {
  if (x * x + y * y > UPRIGHT * UPRIGHT) return undefined;
  const turn = (2 * Math.atan2(z, w)) / (2 * Math.PI);
  return ((rounded(turn * 256) % 256) + 256) % 256;
}

/** The rotation of this heading. */
export function rotationOfHeading(heading: number): Quat {
  const half = (heading * Math.PI) / 256;
  return [0, 0, Math.sin(half), Math.cos(half)];
}

/** A unit quaternion in 32 bits: which part is largest, and the three others; off by at most 0.28 degrees. */
export function packRotation(rotation: Quat): number {
  let largest = 0;
  rotation.forEach((part, index) => {
    if (Math.abs(part) > Math.abs(rotation[largest]!)) largest = index;
  });
  const sign = rotation[largest]! < 0 ? -1 : 1;
  let bits = largest * 2 ** 30;
  rotation
    .filter((_, index) => index !== largest)
    .forEach((part, place) => {
      const steps = rounded(sign * part * Math.SQRT2 * ROTATION_STEPS);
      bits += (Math.min(ROTATION_STEPS, Math.max(-ROTATION_STEPS, steps)) + 512) * 2 ** (10 * place);
    });
  return bits;
}

/** The rotation of these 32 bits. */
export function unpackRotation(bits: number): Quat {
  const largest = bits >>> 30;
  const parts: Quat = [0, 0, 0, 0];
  let squares = 0;
  for (let place = 0; place < 3; place += 1) {
    const part = (((bits >>> (10 * place)) & 0x3ff) - 512) / (Math.SQRT2 * ROTATION_STEPS);
    squares += part * part;
    parts[place < largest ? place : place + 1] = part;
  }
  parts[largest] = Math.sqrt(Math.max(0, 1 - squares));
  const length = Math.hypot(...parts);
  return parts.map((part) => part / length) as Quat;
}

/** Takes a rotation and refuses parts of zero, which none is written as. */
export function takeRotation(input: Input): number {
  const start = input.at;
  const bits = input.u32();
  if (!isRotation(bits)) throw input.error(start, `${bits} is no rotation`);
  return bits;
}

/** Whether none of the three parts is zero. */
export function isRotation(bits: number): boolean {
  return [0, 10, 20].every((shift) => ((bits >>> shift) & 0x3ff) !== 0);
}

/** A velocity in 1/16 m/s. */
export function velocitySteps(velocity: Vec3): Vec3 {
  return velocity.map((axis) => rounded(axis * VELOCITY_STEPS)) as Vec3;
}

/** The velocity in m/s. */
export function velocityOf(steps: Vec3): Vec3 {
  return steps.map((axis) => axis / VELOCITY_STEPS) as Vec3;
}

/** Why no entity can be there, if so. */
export function pointFault(what: string, point: Vec3): string | undefined {
  for (const value of point) {
    if (!Number.isFinite(value)) return `${what} is not finite: ${value}`;
    if (Math.abs(value) > COORDINATE_MAX) return `${what} is out of range: ${value} m, at most 1e21 m are possible`;
  }
  return undefined;
}

/** Why this is no rotation, if so. */
export function rotationFault(rotation: Quat): string | undefined {
  const bad = rotation.find((value) => !Number.isFinite(value));
  if (bad !== undefined) return `the rotation is not finite: ${bad}`;
  const length = Math.hypot(...rotation);
  if (Math.abs(length - 1) <= ROTATION_TOLERANCE) return undefined;
  return `the rotation has length ${length}, a unit quaternion has length 1`;
}
