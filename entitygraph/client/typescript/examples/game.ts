// A game of one page: characters walk where their players want, bounce off one another, and push one another.
//
//   node dist/examples/game.js ws://127.0.0.1:8080/stream
import { argv } from "node:process";
import { pathToFileURL } from "node:url";

import { type Entity, Server, type ServerOptions, type wire } from "@entitygraph/client";
import { WebSocket } from "ws";

const SPEED_M_S = 4;
const RADIUS_M = 0.4;
const ARM_M = 2;
const TICK_S = 1 / 30;

/** What players can do, by the order in which the server names it; the hub gives the numbers in its catalog. */
const ACTIONS = ["push", "wave"];

interface Walker {
  place: wire.Vec3;
  velocity: wire.Vec3;
  /** The newest input: where it wants to go, and its number. */
  wish: { x: number; y: number; number: bigint } | undefined;
}

export class Game {
  readonly server: Server;
  private readonly walkers = new Map<number, Walker>();
  private actions: wire.Messages["Action"][] = [];
  /** Everything is to be reported: what was on its way with a lost socket or grant is gone. */
  private anew = true;

  constructor(options: Pick<ServerOptions, "url"> & Partial<ServerOptions>) {
    this.server = new Server({
      login: { subject: "game" },
      webSocket: WebSocket,
      register: { actions: ACTIONS },
      ...options,
      onBegun: (begun) => {
        this.anew = true;
        options.onBegun?.(begun);
      },
      callbacks: {
        authorityGained: () => (this.anew = true),
        activate: (entities) => entities.forEach((entity) => this.enter(entity)),
        unbind: (entities) => entities.forEach(({ handle }) => this.walkers.delete(handle)),
        action: (action) => this.actions.push(action),
        input: ({ character, number, content }) => {
          const walker = this.walkers.get(character);
          // Two signed bytes: how much of its speed it wants along x and y. Whatever else it says is no wish.
          if (walker === undefined || content.length !== 2) return;
          const { x, y } = { x: (content[0]! << 24 >> 24) / 127, y: (content[1]! << 24 >> 24) / 127 };
          const most = Math.max(1, Math.hypot(x, y));
          walker.wish = { x: x / most, y: y / most, number };
        },
        // Nothing here is kept in no variable: it stops with its last report, and the next server goes on from that.
        freeze: (move, handle) => this.server.frozen(move, handle),
      },
    });
  }

  private enter({ handle, pose, velocity }: Entity): void {
    if (pose !== undefined) this.walkers.set(handle, { place: pose.translation, velocity: velocity ?? [0, 0, 0], wish: undefined });
  }

  /** Simulates and reports one tick, if one is due. Whoever calls it often enough misses none. */
  step(): void {
    const tick = this.server.begin();
    if (tick === undefined) return;
    const mine = [...this.walkers].filter(([handle]) => this.server.hasAuthority(handle));
    const before = new Map(mine.map(([handle, { place, velocity }]) => [handle, { place, velocity }]));
    for (const [handle, walker] of mine) {
      const { wish } = walker;
      walker.velocity = [(wish?.x ?? 0) * SPEED_M_S, (wish?.y ?? 0) * SPEED_M_S, 0];
      walker.place = walker.place.map((axis, index) => axis + walker.velocity[index]! * TICK_S) as wire.Vec3;
      if (wish !== undefined) tick.used(handle, wish.number);
    }
    for (const action of this.actions.splice(0)) tick.judged(action, this.judge(action) ? "done" : "refused");
    this.part(mine.map(([, walker]) => walker));
    for (const [handle, { place, velocity }] of mine) {
      const was = before.get(handle)!;
      // What did not change costs nothing.
      if (this.anew || place.some((axis, index) => axis !== was.place[index]) || velocity.some((axis, index) => axis !== was.velocity[index])) {
        tick.motion(handle, { position: place, velocity });
      }
    }
    if (this.server.report(tick) !== undefined) this.anew = false;
  }

  /** Whether the action has its effect. */
  private judge({ kind, target, actor }: wire.Messages["Action"]): boolean {
    const [walker, from] = [this.walkers.get(target), this.walkers.get(actor)];
    const name = this.server.view.catalog.actions.get(kind);
    if (walker === undefined || from === undefined) return false;
    if (name !== "push") return name === "wave";
    const [dx, dy] = [walker.place[0] - from.place[0], walker.place[1] - from.place[1]];
    const far = Math.hypot(dx, dy);
    if (far === 0 || far > ARM_M) return false;
    walker.place = [walker.place[0] + dx / far, walker.place[1] + dy / far, walker.place[2]];
    return true;
  }

  /** No two walkers stand in one another: each gives way by half. */
  private part(walkers: readonly Walker[]): void {
    for (const [index, one] of walkers.entries()) {
      for (const other of walkers.slice(index + 1)) {
        const [dx, dy] = [other.place[0] - one.place[0], other.place[1] - one.place[1]];
        const [far, least] = [Math.hypot(dx, dy), 2 * RADIUS_M];
        if (far >= least || far === 0) continue;
        const by = (least - far) / far / 2;
        one.place = [one.place[0] - dx * by, one.place[1] - dy * by, one.place[2]];
        other.place = [other.place[0] + dx * by, other.place[1] + dy * by, other.place[2]];
      }
    }
  }
}

if (import.meta.url === pathToFileURL(argv[1] ?? "").href) {
  const game = new Game({ url: argv[2] ?? "ws://127.0.0.1:8080/stream", onEnded: (error) => console.log(error?.message ?? "ended") });
  game.server.start();
  setInterval(() => game.step(), 5);
}
