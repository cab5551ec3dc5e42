// The catalog as a peer has it: what the numbers on the wire stand for.
import { type ComponentRecord, readComponent } from "./record/component.js";
import { type Known, type Messages, Variables } from "./wire/index.js";

const DIVISIBLE: readonly string[] = ["float", "vector", "float_list"];

export class Catalog {
  /** Of the parts that came; set when the last one has. */
  hash: Uint8Array = new Uint8Array();
  readonly components = new Map<number, ComponentRecord>();
  /** Containers in record form, in the order in which they came. */
  readonly containers: Uint8Array[] = [];
  readonly variables = new Variables();
  /** Names of event and action kinds by number. */
  readonly events = new Map<number, string>();
  readonly actions = new Map<number, string>();
  /** Short numbers whose component type has not come yet. */
  private waiting: Messages["CatalogPart"]["variables"] = [];

  /** Whether all parts of a catalog have come. */
  complete = false;

  /** Takes a part; they may come in any order. */
  add(part: Messages["CatalogPart"]): void {
    for (const bytes of part.components) {
      const component = readComponent(bytes);
      this.components.set(component.id, component);
    }
    part.containers.forEach((container) => this.containers.push(container));
    part.events.forEach((kind) => this.events.set(kind.number, kind.name));
    part.actions.forEach((kind) => this.actions.set(kind.number, kind.name));
    this.waiting = [...this.waiting, ...part.variables].filter((number) => !this.insert(number));
    if (part.last) [this.hash, this.complete] = [part.catalogHash, true];
  }

  private insert({ number, component, variable }: Messages["CatalogPart"]["variables"][number]): boolean {
    const type = this.components.get(component)?.variables.find((one) => one.id === variable);
    if (type === undefined) return false;
    const known: Known = { component, variable, kind: type.default.kind };
    const { precision } = type;
    if (precision !== undefined && precision > 0 && DIVISIBLE.includes(known.kind)) known.precision = precision;
    return this.variables.insert(number, known);
  }
}
