// Entities in record form (docs/data-model.md): what `Bind` brings.
import { Input, U32_MAX } from "../wire/bytes.js";
import type { Pose } from "../wire/pose.js";
import {
  type Box,
  type Components,
  notEmpty,
  takeBox,
  takeMap,
  takeName,
  takeOption,
  takePose,
  takeRadius,
  takeVariables,
  takeWord,
  takeWords,
} from "./part.js";

/** The container that an entity was made from, and which child of which container it is. */
export interface Source {
  container: number;
  slot: { container: number; child: string } | undefined;
}

/** An entity as it is stored, without what the reader may not see. */
export interface EntityRecord {
  revision: bigint;
  epoch: bigint;
  id: bigint;
  /** What sort of thing it is, such as `ship`. */
  kind: string;
  name: string;
  source: Source | undefined;
  /** Id of the parent; only the world root has none. */
  parent: bigint | undefined;
  /** Relative to the innermost zone host above; without one it rides with its parent. */
  pose: Pose | undefined;
  radius: number;
  components: Components;
  ordinal: bigint;
  labels: Set<string>;
  port: string | undefined;
  /** Its bounds, if it is a zone host. */
  zone: Box | undefined;
  /** Whether an aggregate begins with it. */
  root: boolean;
  owner: string | undefined;
  layer: number;
}

/** Reads an entity. */
export function readEntity(bytes: Uint8Array): EntityRecord {
  const input = new Input("entity", bytes);
  const entity = takeEntity(input);
  input.end();
  return entity;
}

function takeEntity(input: Input): EntityRecord {
  const [revision, epoch, id] = [input.number(), input.number(), input.entityId()];
  const kind = takeWord("kind", input);
  const [name, source, parent, pose, radius, components, ordinal, labels, port, zone, root, owner, layer] = input.fields(13);
  return {
    revision,
    epoch,
    id,
    kind,
    name: name ? takeName(input, false) : "",
    source: source ? takeSource(input) : undefined,
    parent: parent ? input.entityId() : undefined,
    pose: pose ? takePose(input) : undefined,
    radius: radius ? takeRadius(input, false) : 0,
    components: components ? notEmpty("components", input, () => takeComponents(input)) : new Map(),
    ordinal: ordinal ? takeOrdinal(input) : 0n,
    labels: labels ? notEmpty("label", input, () => takeLabels(input)) : new Set(),
    port: port ? takeWord("port name", input) : undefined,
    zone: zone ? takeBox(input) : undefined,
    root: root === true,
    owner: owner ? takeWord("owner id", input) : undefined,
    layer: layer ? input.small("layer that is not the default", 1, LAYER_MAX) : 0,
  };
}

/** The highest layer. */
export const LAYER_MAX = U32_MAX;

function takeSource(input: Input): Source {
  const container = (): number => input.small("container id", 1, U32_MAX);
  return {
    container: container(),
    slot: takeOption(input, () => ({ container: container(), child: takeWord("child name", input) })),
  };
}

function takeComponents(input: Input): Components {
  return takeMap("component id", U32_MAX, input, () => takeVariables(input));
}

function takeOrdinal(input: Input): bigint {
  const start = input.at;
  const ordinal = input.integer();
  if (ordinal === 0n) throw input.error(start, "integer is written although it has its default");
  return ordinal;
}

function takeLabels(input: Input): Set<string> {
  return new Set(takeWords("label", 1, input, () => undefined).keys());
}
