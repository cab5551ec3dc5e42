// Parts of records (docs/data-model.md, "Record form"): names, maps, poses, boxes.
import { type Input, textBytes } from "../wire/bytes.js";
import { type Pose, type Vec3, COORDINATE_MAX, pointFault, rotationFault } from "../wire/pose.js";
import { type Value, takeValue } from "../wire/value.js";

/** Values by variable id, by component id. */
export type Components = Map<number, Map<number, Value>>;

/** Two corners in the frame of the zone. */
export interface Box {
  min: Vec3;
  max: Vec3;
}

const WORD_BYTES_MAX = 64;
const NAME_BYTES_MAX = 200;

/** Letters, digits and _ - . : / */
const WORD = /^[A-Za-z0-9_.:/-]*$/;
/** Controls, line breaks, and what turns the direction of the text around it. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;

/** Takes a name of up to 64 letters and digits. */
export function takeWord(what: string, input: Input): string {
  const start = input.at;
  const text = input.text();
  if (text === "") throw input.error(start, `${what} is empty`);
  if (!WORD.test(text)) throw input.error(start, `${what} has more than letters, digits and _ - . : /`);
  if (text.length > WORD_BYTES_MAX) throw input.error(start, `${what} is ${text.length} bytes long, the limit is ${WORD_BYTES_MAX}`);
  return text;
}

/** Takes a name for people. */
export function takeName(input: Input, emptyToo: boolean): string {
  const start = input.at;
  const text = input.text();
  const bytes = textBytes(text);
  if (bytes === 0 && !emptyToo) throw input.error(start, "entity name is written although it has its default");
  if (bytes > NAME_BYTES_MAX) throw input.error(start, `an entity name is ${bytes} bytes long, the limit is ${NAME_BYTES_MAX}`);
  if (UNPRINTABLE.test(text)) throw input.error(start, "an entity name has characters that are not printable");
  return text;
}

/** Takes a map whose keys are ascending ids. */
export function takeMap<V>(what: string, max: number, input: Input, take: () => V): Map<number, V> {
  const map = new Map<number, V>();
  const count = input.count(2);
  let last = 0;
  for (let index = 0; index < count; index += 1) {
    const start = input.at;
    const key = input.small(what, 1, max);
    if (key <= last) throw input.error(start, `a ${what} stands after an equal or greater one`);
    last = key;
    map.set(key, take());
  }
  return map;
}

/** Takes names in ascending order, each with what `take` takes. */
export function takeWords<V>(what: string, itemBytes: number, input: Input, take: () => V): Map<string, V> {
  const map = new Map<string, V>();
  const count = input.count(itemBytes);
  let last = "";
  for (let index = 0; index < count; index += 1) {
    const start = input.at;
    const word = takeWord(what, input);
    // Words are ASCII, so that this is the order of their bytes.
    if (word <= last) throw input.error(start, `a ${what} stands after an equal or greater one`);
    last = word;
    map.set(word, take());
  }
  return map;
}

export function takeVariables(input: Input): Map<number, Value> {
  return takeMap("variable id", 0xffff, input, () => takeValue(input));
}

/** Takes something that is announced, and refuses it where it is empty. */
export function notEmpty<T extends { size: number }>(what: string, input: Input, take: () => T): T {
  const start = input.at;
  const taken = take();
  if (taken.size === 0) throw input.error(start, `${what} is written although it has its default`);
  return taken;
}

/** Takes x? */
export function takeOption<T>(input: Input, take: () => T): T | undefined {
  return input.bool() ? take() : undefined;
}

export function takePose(input: Input): Pose {
  const start = input.at;
  const tag = input.byte();
  if (tag !== 1 && tag !== 2) throw input.error(start, `${tag} is no tag of a pose`);
  const translation = takePoint(input);
  const rotation: Pose["rotation"] = tag === 2 ? [input.float(), input.float(), input.float(), input.float()] : [0, 0, 0, 1];
  if (tag === 2 && isIdentity(rotation)) throw input.error(start, "the rotation is written although it has its default");
  const fault = pointFault("the position", translation) ?? rotationFault(rotation);
  if (fault !== undefined) throw input.error(start, fault);
  return { translation, rotation };
}

/** To the last bit: minus zero is no zero here. */
function isIdentity(rotation: Pose["rotation"]): boolean {
  return rotation.every((part, index) => Object.is(part, index === 3 ? 1 : 0));
}

function takePoint(input: Input): Vec3 {
  return [input.float(), input.float(), input.float()];
}

export function takeBox(input: Input): Box {
  const start = input.at;
  const [min, max] = [takePoint(input), takePoint(input)];
  const fault = pointFault("the lower corner", min) ?? pointFault("the upper corner", max);
  if (fault !== undefined) throw input.error(start, fault);
  if (min.some((low, axis) => low > max[axis]!)) {
    throw input.error(start, "the box is inside out: its lower corner is above its upper one");
  }
  return { min, max };
}

const RADIUS_MAX = 4 * COORDINATE_MAX;

export function takeRadius(input: Input, zeroToo: boolean): number {
  const start = input.at;
  const radius = input.float();
  if (!zeroToo && Object.is(radius, 0)) throw input.error(start, "the radius is written although it has its default");
  if (Math.abs(radius) > RADIUS_MAX) throw input.error(start, `the radius is out of range: ${radius} m, at most 4e21 m are possible`);
  if (radius < 0) throw input.error(start, `the radius is ${radius}: it cannot be negative`);
  return radius;
}
