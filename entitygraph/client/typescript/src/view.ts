// The local copy: what is bound and active, by the rules of docs/protocol.md ("Nothing is a difference", "Spawn batches").
import { Authority } from "./authority.js";
import { boundEntities, judgeBind } from "./bind.js";
import { Catalog } from "./catalog.js";
import { type Entity, structure, zoneBelow } from "./entity.js";
import { readDelta, type DeltaRecord } from "./record/delta.js";
import * as wire from "./wire/index.js";

/** What is told of an entity in one frame. */
export interface Update {
  /** When it was told. */
  moment: bigint;
  /** When it became so: the end of the simulation tick. */
  at: bigint;
  /** Whether its pose or velocity is new. */
  motion: boolean;
  /** Variables with new values; without one the entity states none of its own any more. */
  variables: { component: number; variable: number; value: wire.Value | undefined }[];
}

export type Unbound = "far" | "hidden" | "buried" | "not loaded" | "unfollowed" | "incarnation" | "unknown";

/** What a view tells. Lists have parents before children; `unbind` has children first. */
export interface Callbacks {
  /** Load these and send `Ready` for the batch; show none of them yet. */
  bind?(batch: bigint, entities: readonly Entity[]): void;
  /** Show all of these in one step. */
  activate?(entities: readonly Entity[]): void;
  update?(entity: Entity, update: Update): void;
  /** No more news of these: keep them, hide them or let them stand. */
  pause?(entities: readonly Entity[]): void;
  unbind?(entities: readonly Entity[], why: Unbound): void;
  /** Parent, name, labels or owner of an entity changed. */
  changed?(entity: Entity, delta: DeltaRecord): void;
  event?(event: wire.Event, source: Entity, moment: bigint): void;
  /** Nothing that is active misses a change up to this moment. */
  horizon?(moment: bigint): void;
  authorityGained?(grant: wire.Messages["Grant"]): void;
  authorityLost?(handle: number, epoch: bigint): void;
}

export interface ViewOptions {
  callbacks?: Callbacks;
  catalog?: Catalog;
  /** The present moment by the shard clock; without it, the newest that was heard of. */
  now?: () => bigint;
  /** Most entities of a spawn batch: the hub's setting, 10,000 if it is not said. */
  batchEntitiesMax?: number;
}

const WHY: readonly Unbound[] = ["unknown", "far", "hidden", "buried", "not loaded", "unfollowed"];

/** Most bytes of values that wait for the catalog. */
const WAITING_BYTES_MAX = 4 << 20;

interface Waiting {
  handle: number;
  id: bigint;
  bytes: Uint8Array;
  digits: wire.Digits;
  moment: bigint;
}

export class View {
  readonly catalog: Catalog;
  readonly authority = new Authority((handle) => this.entities.get(handle));
  /** Highest `seq` of load frames that came without a gap: for `Hello` and `Seen`. */
  seen = 0n;
  /** Moment of the last `Horizon`. */
  horizon = 0n;
  /** How many parts of slices were passed over, by which rule. */
  readonly passedOver = { older: 0, inactive: 0, otherZone: 0 };

  private readonly entities = new Map<number, Entity>();
  private readonly children = new Map<number, Set<Entity>>();
  private readonly batches = new Map<bigint, number[]>();
  private readonly callbacks: Callbacks;
  private readonly batchEntitiesMax: number;
  private newest = 0n;
  private waiting: Waiting[] = [];

  /** See [ViewOptions]; a connection sets it to its own clock where there is none. */
  now: (() => bigint) | undefined;

  constructor(options: ViewOptions = {}) {
    this.now = options.now;
    this.batchEntitiesMax = options.batchEntitiesMax ?? 10_000;
    this.catalog = options.catalog ?? new Catalog();
    this.callbacks = options.callbacks ?? {};
  }

  get(handle: number): Entity | undefined {
    return this.entities.get(handle);
  }

  /** Everything that is bound. */
  all(): Iterable<Entity> {
    return this.entities.values();
  }

  /** Batches that are here and were not shown yet: whoever resumes says again that they are Ready. */
  loading(): Iterable<bigint> {
    return this.batches.keys();
  }

  /** The lease ended, or the hub is another one. */
  loseAuthority(): void {
    const lost = [...this.authority];
    this.authority.clear();
    lost.forEach(([handle, epoch]) => this.callbacks.authorityLost?.(handle, epoch));
  }

  /** Another incarnation: all handles are void. */
  reset(): void {
    this.loseAuthority();
    const all = this.parentsFirst([...this.entities.keys()]).reverse();
    this.entities.clear();
    this.children.clear();
    this.batches.clear();
    this.waiting = [];
    this.seen = this.horizon = this.newest = 0n;
    if (all.length > 0) this.callbacks.unbind?.(all, "incarnation");
  }

  /** Takes a frame; false if it is none that says something of the world. */
  apply({ kind, body }: Pick<wire.Frame, "kind" | "body">): boolean {
    switch (kind) {
      case "State":
        this.slice(wire.readSlice(body));
        return true;
      case "Events":
        this.events(wire.readEvents(body));
        return true;
      case "Horizon":
        this.horizon = this.heard(wire.readHorizon(body));
        this.callbacks.horizon?.(this.horizon);
        return true;
      default:
        return wire.isPacked(kind) ? false : this.message(wire.readControl(kind, body));
    }
  }

  /** Takes a message; false if it is none that says something of the world. */
  message(control: wire.Control): boolean {
    const { message } = control;
    if ("seq" in message && control.kind !== "Seen" && !this.isNext(message.seq)) return true;
    switch (control.kind) {
      case "Bind":
        this.bind(control.message);
        return true;
      case "Activate":
        this.activate(control.message);
        return true;
      case "Pause": {
        this.heard(control.message.moment);
        const paused = this.named(control.message).filter((entity) => entity.state === "active");
        for (const entity of paused) entity.state = "paused";
        this.callbacks.pause?.(paused);
        return true;
      }
      case "Unbind":
        this.unbind(this.named(control.message), WHY[control.message.why] ?? "unknown");
        return true;
      case "Changed":
        this.changed(control.message);
        return true;
      case "Grant":
        this.authority.grant(control.message);
        this.callbacks.authorityGained?.(control.message);
        return true;
      case "Revoke":
        if (this.authority.revoke(control.message)) {
          this.callbacks.authorityLost?.(control.message.handle, control.message.epoch);
        }
        return true;
      case "CatalogPart":
        this.catalog.add(control.message);
        this.readWaiting();
        return true;
      default:
        return false;
    }
  }

  /** Notes the number of a load frame; false if it came before. */
  private isNext(seq: bigint): boolean {
    if (seq <= this.seen && seq > 0n) return false;
    if (seq === this.seen + 1n) this.seen = seq;
    return true;
  }

  private heard(moment: bigint): bigint {
    if (moment > this.newest) this.newest = moment;
    return moment;
  }

  private whole(low: number): bigint {
    return this.heard(wire.nearestMoment(low, this.now?.() ?? this.newest));
  }

  private named(message: { handles: Uint8Array; count: number }): Entity[] {
    return this.parentsFirst(wire.readHandles(message.handles, message.count));
  }

  private parentsFirst(handles: number[]): Entity[] {
    const depth = (entity: Entity): number => {
      let above = 0;
      for (let at = this.entities.get(entity.parent); at !== undefined && above < this.entities.size; above += 1) {
        at = this.entities.get(at.parent);
      }
      return above;
    };
    const found = handles.flatMap((handle) => this.entities.get(handle) ?? []);
    const depths = new Map(found.map((entity) => [entity, depth(entity)]));
    return found.sort((a, b) => depths.get(a)! - depths.get(b)!);
  }

  /** The zone that children of this handle are in, 0 if it is not bound. */
  private zoneOf(parent: number): number {
    const host = this.entities.get(parent);
    return host === undefined ? 0 : zoneBelow(host);
  }

  private bind(bind: wire.Messages["Bind"]): void {
    judgeBind(bind, this.batchEntitiesMax);
    this.heard(bind.moment);
    const bound: Entity[] = [];
    for (const entity of boundEntities(bind)) {
      if (entity.zone === 0) entity.zone = this.zoneOf(entity.parent);
      this.entities.set(entity.handle, entity);
      this.attach(entity, entity.parent);
      bound.push(entity);
    }
    this.batches.set(bind.batch, bound.map((entity) => entity.handle));
    this.callbacks.bind?.(bind.batch, bound);
  }

  private activate(activate: wire.Messages["Activate"]): void {
    const moment = this.heard(activate.moment);
    const rows = activate.changed.map((changed) => ({ zone: changed.zone, rows: wire.readExactRows(changed) }));
    const batch = this.batches.get(activate.batch) ?? [];
    const entities = activate.batch === 0n ? this.named(activate) : batch.flatMap((handle) => this.entities.get(handle) ?? []);
    this.batches.delete(activate.batch);
    const fresh = entities.filter((entity) => entity.state !== "active");
    const known = new Set(entities);
    const updates: [Entity, Update][] = [];
    for (const entity of entities) {
      // Rule 3: all of it is of this moment now.
      entity.moments = { all: moment, motion: moment, variables: new Map() };
      entity.state = "active";
    }
    for (const { zone, rows: changed } of rows) {
      for (const row of changed) {
        const entity = this.entities.get(row.handle);
        if (entity !== undefined && known.has(entity)) updates.push([entity, this.exact(entity, zone, row, moment)]);
      }
    }
    if (fresh.length > 0) this.callbacks.activate?.(fresh);
    const shown = new Set(fresh);
    for (const [entity, update] of updates) if (!shown.has(entity)) this.callbacks.update?.(entity, update);
  }

  /** Sets what an exact row says, whatever was there. */
  private exact(entity: Entity, zone: number, row: wire.ExactRow, moment: bigint): Update {
    const motion = row.position !== undefined || row.rotation !== undefined || row.velocity !== undefined;
    if (row.position !== undefined || row.rotation !== undefined) {
      this.move(entity, zone);
      entity.pose = turned(entity.pose, row.position, row.rotation);
    }
    if (row.velocity !== undefined) entity.velocity = row.velocity;
    if (motion) entity.moments.motion = moment;
    const variables = row.variables === undefined ? [] : this.values(entity, row.variables, "exact", moment, true);
    return { moment, at: moment, motion, variables };
  }

  /** It is in this zone; so is what rides with it. */
  private move(entity: Entity, zone: number): void {
    if (entity.zone === zone) return;
    entity.zone = zone;
    if (entity.structure?.zone === undefined) this.moveChildren(entity);
  }

  private moveChildren(entity: Entity): void {
    this.children.get(entity.handle)?.forEach((child) => this.move(child, zoneBelow(entity)));
  }

  /** Notes whose child it is. */
  private attach(entity: Entity, parent: number): void {
    this.detach(entity);
    entity.parent = parent;
    if (parent === 0) return;
    const siblings = this.children.get(parent) ?? new Set();
    this.children.set(parent, siblings.add(entity));
  }

  private detach(entity: Entity): void {
    const siblings = this.children.get(entity.parent);
    siblings?.delete(entity);
    if (siblings?.size === 0) this.children.delete(entity.parent);
  }

  private slice(slice: wire.Slice): void {
    const moment = this.whole(slice.moment);
    const at = slice.age < moment ? moment - slice.age : 0n;
    for (const row of slice.rows) {
      const entity = this.entities.get(row.handle);
      // Rule 2.
      if (entity === undefined || entity.state !== "active") this.passedOver.inactive += 1;
      else if (entity.zone !== 0 && entity.zone !== slice.zone) this.passedOver.otherZone += 1;
      else this.row(entity, slice, row, moment, at);
    }
  }

  private row(entity: Entity, slice: wire.Slice, row: wire.Row, moment: bigint, at: bigint): void {
    const moving = (wire.maskOf(row) & 0x0f) !== 0;
    // Rule 1.
    const motion = moving && moment > entity.moments.motion;
    if (motion) {
      this.move(entity, slice.zone);
      entity.moments.motion = moment;
      const position = row.position && wire.pointOf(slice.grid, row.position);
      const rotation =
        row.heading !== undefined
          ? wire.rotationOfHeading(row.heading)
          : row.rotation !== undefined
            ? wire.unpackRotation(row.rotation)
            : undefined;
      if (position !== undefined || rotation !== undefined) entity.pose = turned(entity.pose, position, rotation);
      if (row.velocity !== undefined) entity.velocity = wire.velocityOf(row.velocity);
    } else if (moving) {
      this.passedOver.older += 1;
    }
    const variables = row.variables === undefined ? [] : this.values(entity, row.variables, "rounded", moment, false);
    if (motion || variables.length > 0) this.callbacks.update?.(entity, { moment, at, motion, variables });
  }

  /** Sets values that are newer than those that are there, or all. Those that the catalog does not know yet wait for it. */
  private values(entity: Entity, bytes: Uint8Array, digits: wire.Digits, moment: bigint, anyway: boolean): Update["variables"] {
    let entries: wire.Entry[];
    try {
      entries = wire.readEntries(bytes, this.catalog.variables, digits);
    } catch (error) {
      if (this.catalog.complete) throw error;
      this.wait({ handle: entity.handle, id: entity.id, bytes: bytes.slice(), digits, moment });
      return [];
    }
    const set: Update["variables"] = [];
    for (const { number, known, value } of entries) {
      if (!anyway && moment <= (entity.moments.variables.get(number) ?? entity.moments.all)) {
        this.passedOver.older += 1;
        continue;
      }
      entity.moments.variables.set(number, moment);
      const { component, variable } = known;
      const values = entity.values.get(component) ?? new Map<number, wire.Value>();
      if (value === undefined) values.delete(variable);
      else entity.values.set(component, values.set(variable, value));
      if (values.size === 0) entity.values.delete(component);
      set.push({ component, variable, value });
    }
    return set;
  }

  private wait(waiting: Waiting): void {
    this.waiting.push(waiting);
    let bytes = this.waiting.reduce((sum, one) => sum + one.bytes.length, 0);
    while (bytes > WAITING_BYTES_MAX) bytes -= this.waiting.shift()!.bytes.length;
  }

  private readWaiting(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const { handle, id, bytes, digits, moment } of waiting) {
      const entity = this.entities.get(handle);
      if (entity === undefined || entity.id !== id || moment < entity.moments.all) continue;
      // A second snapshot has the moment that it set itself, and is older than every slice behind it.
      const { all } = entity.moments;
      if (digits === "exact") entity.moments.all = moment - 1n;
      const variables = this.values(entity, bytes, digits, moment, false);
      entity.moments.all = all;
      if (variables.length > 0) this.callbacks.update?.(entity, { moment, at: moment, motion: false, variables });
    }
  }

  private unbind(entities: Entity[], why: Unbound): void {
    for (const entity of entities) {
      this.entities.delete(entity.handle);
      this.detach(entity);
      const batch = this.batches.get(entity.batch)?.filter((handle) => handle !== entity.handle);
      if (batch !== undefined) this.batches.set(entity.batch, batch);
      if (batch?.length === 0) this.batches.delete(entity.batch);
    }
    if (entities.length > 0) this.callbacks.unbind?.(entities.reverse(), why);
  }

  private changed(changed: wire.Messages["Changed"]): void {
    const moment = this.heard(changed.moment);
    const deltas = changed.deltas.map((one) => ({ ...one, record: readDelta(one.delta) }));
    const moved = changed.moved.map((one) => ({ zone: one.zone, rows: wire.readExactRows(one) }));
    const told: [Entity, DeltaRecord][] = [];
    for (const { handle, parent, root, record } of deltas) {
      const entity = this.entities.get(handle);
      if (entity === undefined) continue;
      if (root !== 0) entity.root = root;
      if (entity.structure !== undefined) entity.structure = structure(entity.structure, record);
      if (parent !== 0) this.attach(entity, parent);
      if (parent !== 0 && this.entities.has(parent)) this.move(entity, this.zoneOf(parent));
      if (record.zone !== undefined) this.moveChildren(entity);
      told.push([entity, record]);
    }
    for (const { zone, rows } of moved) {
      for (const row of rows) {
        const entity = this.entities.get(row.handle);
        if (entity !== undefined) this.exact(entity, zone, row, moment);
      }
    }
    told.forEach(([entity, record]) => this.callbacks.changed?.(entity, record));
  }

  private events({ moment, events }: wire.Events): void {
    const whole = this.whole(moment);
    for (const event of events) {
      const source = this.entities.get(event.source);
      if (source?.state === "active") this.callbacks.event?.(event, source, whole);
    }
  }
}

function turned(pose: wire.Pose | undefined, position: wire.Vec3 | undefined, rotation: wire.Quat | undefined): wire.Pose {
  return {
    translation: position ?? pose?.translation ?? [0, 0, 0],
    rotation: rotation ?? pose?.rotation ?? [0, 0, 0, 1],
  };
}
