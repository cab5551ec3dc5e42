// A game client: takes a character, sees what is around it, acts.
import { Connection, type ConnectionOptions } from "./connection.js";
import type { ActionDraft } from "./actions.js";
import { type Callbacks, View } from "./view.js";
import type * as wire from "./wire/index.js";

/** What a player is told, beside what every peer is. */
export interface PlayerCallbacks extends Callbacks {
  /** The character is there, with this handle. */
  entered?(handle: number): void;
}

export interface PlayerOptions extends Omit<ConnectionOptions, "role" | "view"> {
  callbacks?: PlayerCallbacks;
  /** Id of the character, which the subject owns: taken when a session begins and again where it has to be. */
  character: bigint;
  /** The caller sends `Ready` when it has loaded what `bind` brings, again after a resume; else it is sent at once. */
  loads?: boolean;
}

export class Player {
  readonly view: View;
  readonly connection: Connection;
  /** Handle of the character, while it is there. */
  character: number | undefined;
  private inputs = 0n;

  constructor(options: PlayerOptions) {
    const { callbacks = {}, character, loads = false, onBegun, onMessage } = options;
    this.view = new View({
      callbacks: {
        ...callbacks,
        bind: (batch, entities) => {
          if (!loads) this.connection.send("Ready", { batch });
          callbacks.bind?.(batch, entities);
        },
        unbind: (entities, why) => {
          if (entities.some((entity) => entity.handle === this.character)) this.character = undefined;
          callbacks.unbind?.(entities, why);
        },
      },
    });
    this.connection = new Connection({
      ...options,
      role: "player",
      view: this.view,
      onBegun: (begun) => {
        if (!begun.resumed) {
          this.character = undefined;
          this.connection.send("Enter", { character });
        }
        // What was said may have been lost with the socket.
        if (begun.resumed && !loads) for (const batch of this.view.loading()) this.connection.send("Ready", { batch });
        onBegun?.(begun);
      },
      onMessage: (control) => {
        if (control.kind === "Entered") {
          this.character = control.message.handle;
          callbacks.entered?.(this.character);
        }
        onMessage?.(control);
      },
    });
  }

  start(): void {
    this.connection.start();
  }

  /** Says Goodbye: the session ends. */
  close(): void {
    this.connection.close();
  }

  /** Does something to an entity, once; the result comes when its owner judged it. */
  act(draft: ActionDraft): Promise<wire.Messages["ActionResult"]> {
    return this.connection.action(draft);
  }

  /** Says what the hands do now: its number, which `onApplied` names; nothing while the character is not there. */
  input(content: Uint8Array): bigint | undefined {
    if (this.character === undefined) return undefined;
    const number = this.inputs + 1n;
    if (!this.connection.input({ character: this.character, number, content })) return undefined;
    this.inputs = number;
    return number;
  }
}
