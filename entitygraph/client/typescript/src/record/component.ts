// Component types in record form (docs/data-model.md): what `CatalogPart` brings.
import { Input, U32_MAX } from "../wire/bytes.js";
import type { Visibility } from "../wire/state.js";
import { type Value, takeValue } from "../wire/value.js";
import { takeOption, takeWord } from "./part.js";

/** A variable of a component type. */
export interface VariableRecord {
  id: number;
  name: string;
  /** What an entity has that states no value of its own. */
  default: Value;
  /** Variables of one group are sent together. */
  group: string | undefined;
  everyTick: boolean;
  persisted: boolean;
  visibility: Visibility;
  precision: number | undefined;
  retired: boolean;
}

export interface ComponentRecord {
  id: number;
  version: number;
  name: string;
  /** By ascending id, retired ones among them. */
  variables: VariableRecord[];
}

/** Reads a component type. */
export function readComponent(bytes: Uint8Array): ComponentRecord {
  const input = new Input("component type", bytes);
  const id = input.small("component id", 1, U32_MAX);
  const version = input.small("version", 0, U32_MAX);
  const name = takeWord("component name", input);
  const start = input.at;
  const variables = input.list(1, () => takeVariable(input));
  variables.forEach((variable, index) => {
    const before = variables[index - 1];
    if (before !== undefined && before.id >= variable.id) throw input.error(start, "a variable stands after an equal or greater one");
  });
  input.end();
  return { id, version, name, variables };
}

function takeVariable(input: Input): VariableRecord {
  const id = input.small("variable id", 1, 0xffff);
  const name = takeWord("variable name", input);
  const value = takeValue(input);
  const start = input.at;
  const [group, everyTick, notPersisted, ownerOnly, serverOnly, precision, retired, converts] = input.fields(8);
  if (ownerOnly && serverOnly) throw input.error(start, "3 is no visibility");
  const variable: VariableRecord = {
    id,
    name,
    default: value,
    group: group ? takeWord("group name", input) : undefined,
    everyTick: everyTick === true,
    persisted: !notPersisted,
    visibility: serverOnly ? "server" : ownerOnly ? "owner" : "public",
    precision: precision ? input.float() : undefined,
    retired: retired === true,
  };
  if (converts) passConversion(input);
  return variable;
}

/** Readers of the stream convert nothing: the form is judged and passed over. */
function passConversion(input: Input): void {
  input.small("variable id", 1, 0xffff);
  const start = input.at;
  const rule = input.byte();
  if (rule === 1) {
    input.float();
    input.float();
    const at = input.at;
    const rounding = input.byte();
    if (rounding > 4) throw input.error(at, `${rounding} is no tag of a rounding`);
  } else if (rule === 4) {
    input.list(1, () => [takeValue(input), takeValue(input)]);
  } else if (rule !== 2 && rule !== 3) {
    throw input.error(start, `${rule} is no tag of a rule`);
  }
  takeOption(input, () => takeValue(input));
}
