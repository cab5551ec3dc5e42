// An entity of the local copy.
import type { DeltaRecord } from "./record/delta.js";
import type { EntityRecord } from "./record/entity.js";
import type { Components } from "./record/part.js";
import type { Pose, Vec3 } from "./wire/index.js";

/** What changes seldom: all that is stored of an entity but where it is and what it holds. */
export type Structure = Omit<EntityRecord, "id" | "pose" | "components">;

/** `bound` is loading and is not shown, `active` hears what is new, `paused` does not. */
export type State = "bound" | "active" | "paused";

export interface Entity {
  readonly handle: number;
  readonly id: bigint;
  state: State;
  /** Of the spawn batch that it came in. */
  readonly batch: bigint;
  /** Handles of its parent and of the root of its aggregate; 0 is none that is bound. */
  parent: number;
  root: number;
  /** Load order: 0 ground, 1 structure, 2 fixture, 3 item, 4 actor. */
  readonly priority: number;
  /** Handle of the zone host that its pose is in; 0 until that is heard of. */
  zone: number;
  /** Nothing for a member of an instance that differs in nothing from its container. */
  structure: Structure | undefined;
  instance: { container: number; version: number; index: number } | undefined;
  /** In the zone; without one it rides with its parent. */
  pose: Pose | undefined;
  /** In m/s, along the axes of the zone. */
  velocity: Vec3 | undefined;
  /** Its own values; for others the default of the component type or its container's value holds. */
  values: Components;
  /** Of the newest values: of everything that is not named, of motion, of each variable by number. */
  moments: { all: bigint; motion: bigint; variables: Map<number, bigint> };
}

/** The zone that children of this entity are in. */
export function zoneBelow(entity: Entity): number {
  return entity.structure?.zone === undefined ? entity.zone : entity.handle;
}

/** The structure of a record, or with a delta applied. */
export function structure(from: Structure, delta?: DeltaRecord): Structure {
  const { revision, epoch, kind, name, source, parent, radius, ordinal, labels, port, zone, root, owner, layer } = from;
  const now = { revision, epoch, kind, name, source, parent, radius, ordinal, labels, port, zone, root, owner, layer };
  if (delta === undefined) return now;
  now.revision = delta.revision;
  now.epoch = delta.epoch;
  if (delta.parent !== undefined) [now.parent, now.port] = [delta.parent.id, delta.parent.port ?? undefined];
  if (delta.zone !== undefined) now.zone = delta.zone ?? undefined;
  if (delta.owner !== undefined) now.owner = delta.owner ?? undefined;
  now.name = delta.name ?? name;
  now.radius = delta.radius ?? radius;
  now.ordinal = delta.ordinal ?? ordinal;
  now.root = delta.root ?? root;
  now.layer = delta.layer ?? layer;
  now.labels = new Set(labels);
  for (const [label, set] of delta.labels ?? []) {
    if (set) now.labels.add(label);
    else now.labels.delete(label);
  }
  return now;
}
