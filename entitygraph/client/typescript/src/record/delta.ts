// Deltas in record form (docs/data-model.md): what `Changed` brings.
import { Input, U32_MAX } from "../wire/bytes.js";
import type { Pose } from "../wire/pose.js";
import { type Value, takeValue } from "../wire/value.js";
import { LAYER_MAX } from "./entity.js";
import { type Box, notEmpty, takeBox, takeMap, takeName, takeOption, takePose, takeRadius, takeWord, takeWords } from "./part.js";

/** What changes of a component: all of it is set back or removed first, if so; a variable without a value is cleared. */
export interface ComponentPatch {
  reset: boolean;
  remove: boolean;
  variables: Map<number, Value | undefined>;
}

/** What a transaction changed of an entity. What is absent did not change; `null` is none from now on. */
export interface DeltaRecord {
  revision: bigint;
  epoch: bigint;
  pose?: Pose | null;
  components?: Map<number, ComponentPatch>;
  parent?: { id: bigint; port: string | null };
  ordinal?: bigint;
  name?: string;
  radius?: number;
  zone?: Box | null;
  root?: boolean;
  owner?: string | null;
  layer?: number;
  /** True: set, false: taken away. */
  labels?: Map<string, boolean>;
}

/** Reads a delta. */
export function readDelta(bytes: Uint8Array): DeltaRecord {
  const input = new Input("delta", bytes);
  const delta: DeltaRecord = { revision: input.number(), epoch: input.number() };
  const [pose, components, parent, ordinal, name, radius, zone, root, owner, layer, labels] = input.fields(11);
  if (pose) delta.pose = takeOption(input, () => takePose(input)) ?? null;
  if (components) {
    delta.components = notEmpty("component id", input, () => takeMap("component id", U32_MAX, input, () => takePatch(input)));
  }
  if (parent) delta.parent = { id: input.entityId(), port: takeOption(input, () => takeWord("port name", input)) ?? null };
  if (ordinal) delta.ordinal = input.integer();
  if (name) delta.name = takeName(input, true);
  if (radius) delta.radius = takeRadius(input, true);
  if (zone) delta.zone = takeOption(input, () => takeBox(input)) ?? null;
  if (root) delta.root = input.bool();
  if (owner) delta.owner = takeOption(input, () => takeWord("owner id", input)) ?? null;
  if (layer) delta.layer = input.small("layer", 0, LAYER_MAX);
  if (labels) delta.labels = notEmpty("label", input, () => takeWords("label", 2, input, () => input.bool()));
  input.end();
  return delta;
}

function takePatch(input: Input): ComponentPatch {
  const [reset, remove] = input.fields(2);
  const variables = takeMap("variable id", 0xffff, input, () => takeValue(input, true));
  return { reset: reset === true, remove: remove === true, variables };
}
