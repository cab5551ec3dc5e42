// What a `Bind` brings: entities one by one, and instances of containers (docs/protocol.md, "Spawn batches").
import { type Entity, structure } from "./entity.js";
import { readEntity } from "./record/entity.js";
import * as wire from "./wire/index.js";

type Bind = wire.Messages["Bind"];
type Member = Bind["members"][number]["member"];
type Single = Extract<Member, { case: "single" }>["value"];
type Instance = Extract<Member, { case: "instance" }>["value"];

/** A few bytes announce as many entities as they like: they are counted before any is made. */
export function judgeBind(bind: Bind, entitiesMax: number): void {
  let entities = 0;
  for (const { member } of bind.members) {
    const instance = member.case === "instance" ? member.value : undefined;
    const single = member.case === "single" ? [member.value] : (instance?.differing ?? []);
    const first = instance?.firstHandle ?? 1;
    const count = instance?.count ?? single.length;
    entities += count;
    if (first === 0 || single.some((one) => one.handle === 0)) throw refused("0 is no handle");
    if (instance?.firstId === 0n) throw refused("0 is no entity id");
    const tooFar = instance !== undefined && instance.firstId + BigInt(count) > 1n << 64n;
    if (tooFar || first + count - 1 > wire.U32_MAX) throw refused("an instance goes beyond the last id or handle");
  }
  if (entities > entitiesMax) throw refused(`it has ${entities} entities, the limit is ${entitiesMax}`);
}

function refused(reason: string): wire.WireError {
  return new wire.WireError("Bind", 0, reason);
}

/** Its entities, parents first. Their zone is 0 where it is that of the parent. */
export function* boundEntities(bind: Bind): Generator<Entity, void, void> {
  for (const { member } of bind.members) {
    if (member.case === "single") yield single(bind, member.value);
    else if (member.case === "instance") yield* members(bind, member.value);
  }
}

function single({ batch, moment }: Bind, { handle, parent, root, priority, entity }: Single): Entity {
  const record = readEntity(entity);
  return {
    handle,
    id: record.id,
    state: "bound",
    batch,
    parent,
    root,
    priority,
    zone: 0,
    structure: structure(record),
    instance: undefined,
    pose: record.pose,
    velocity: undefined,
    values: record.components,
    moments: { all: moment, motion: moment, variables: new Map() },
  };
}

/** What is inside an instance stands in its container: only where its first entity is, is said here. */
function* members(bind: Bind, instance: Instance): Generator<Entity, void, void> {
  const { container, version, firstId, firstHandle, count, parent, pose, differing, priority } = instance;
  const others = new Map(differing.map((other) => [other.handle, other]));
  for (let index = 0; index < count; index += 1) {
    const handle = firstHandle + index;
    const other = others.get(handle);
    if (other !== undefined) {
      yield single(bind, other);
      continue;
    }
    yield {
      handle,
      id: firstId + BigInt(index),
      state: "bound",
      batch: bind.batch,
      parent: index === 0 ? parent : 0,
      root: 0,
      priority,
      zone: index === 0 ? (pose?.zone ?? 0) : 0,
      structure: undefined,
      instance: { container, version, index },
      pose: index === 0 && pose?.translationM !== undefined ? poseOf(pose.translationM, pose.rotation) : undefined,
      velocity: undefined,
      values: new Map(),
      moments: { all: bind.moment, motion: bind.moment, variables: new Map() },
    };
  }
}

function poseOf({ x, y, z }: { x: number; y: number; z: number }, rotation: number[]): wire.Pose {
  const [a = 0, b = 0, c = 0, w = 1] = rotation;
  return { translation: [x, y, z], rotation: [a, b, c, w] };
}
