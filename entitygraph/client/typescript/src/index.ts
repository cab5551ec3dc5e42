// The stream of EntityGraph for viewers, players and game servers. Read in this order:
// wire/ (frames), record/ (entities inside them), view.ts (the local copy), session.ts and connection.ts (sockets), server.ts and
// player.ts (peers of a role).
export * as wire from "./wire/index.js";
export * as message from "./generated/stream_pb.js";
export { type EntityRecord, type Source, readEntity } from "./record/entity.js";
export { type ComponentPatch, type DeltaRecord, readDelta } from "./record/delta.js";
export { type ComponentRecord, type VariableRecord, readComponent } from "./record/component.js";
export type { Box, Components } from "./record/part.js";
export { Catalog } from "./catalog.js";
export type { Entity, State, Structure } from "./entity.js";
export { Authority } from "./authority.js";
export { type Callbacks, type Unbound, type Update, View, type ViewOptions } from "./view.js";
export { REFUSALS, type Next, type RefusalCode, type StreamCode, StreamError, codeName } from "./refusal.js";
export { ShardClock } from "./clock.js";
export { type Begun, type Effect, type Login, Session, type SessionOptions, type SessionState } from "./session.js";
export { type ActionDraft, Actions } from "./actions.js";
export { Connection, type ConnectionOptions, SUBPROTOCOL, type SocketConstructor, type SocketLike, type Timers } from "./connection.js";
export { Once } from "./once.js";
export { type Motion, Tick, type Where } from "./tick.js";
export { type Sent, Server, type ServerCallbacks, type ServerOptions } from "./server.js";
export { Player, type PlayerCallbacks, type PlayerOptions } from "./player.js";
