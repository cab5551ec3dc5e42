// Frames whose body is a protobuf message: sessions, authority, actions, what is bound, the catalog. Their types are made
// from schema/proto/stream.proto, which says what each field means.
import { type MessageInitShape, type MessageShape, create, fromBinary, toBinary } from "@bufbuild/protobuf";

import * as pb from "../generated/stream_pb.js";
import { textBytes } from "./bytes.js";
import { WireError } from "./error.js";
import { frame } from "./frame.js";
import type { MessageKind } from "./kind.js";
import { judgeMessage } from "./proto.js";

/** The type of the message of each kind. */
export const SCHEMAS = {
  Hello: pb.HelloSchema,
  Welcome: pb.WelcomeSchema,
  Refused: pb.RefusedSchema,
  Ping: pb.PingSchema,
  Pong: pb.PongSchema,
  Token: pb.TokenSchema,
  Authenticate: pb.AuthenticateSchema,
  Goodbye: pb.GoodbyeSchema,
  Limits: pb.LimitsSchema,
  Notice: pb.NoticeSchema,
  Enter: pb.EnterSchema,
  Entered: pb.EnteredSchema,
  Register: pb.RegisterSchema,
  Load: pb.LoadSchema,
  Grant: pb.GrantSchema,
  Revoke: pb.RevokeSchema,
  Prepare: pb.PrepareSchema,
  Prepared: pb.PreparedSchema,
  Cross: pb.CrossSchema,
  Freeze: pb.FreezeSchema,
  Frozen: pb.FrozenSchema,
  Abort: pb.AbortSchema,
  Lock: pb.LockSchema,
  Locked: pb.LockedSchema,
  Unlock: pb.UnlockSchema,
  Drain: pb.DrainSchema,
  Durable: pb.DurableSchema,
  Barrier: pb.BarrierSchema,
  BarrierDone: pb.BarrierDoneSchema,
  Action: pb.ActionSchema,
  ActionResult: pb.ActionResultSchema,
  Command: pb.CommandSchema,
  CommandResult: pb.CommandResultSchema,
  Bind: pb.BindSchema,
  Ready: pb.ReadySchema,
  Activate: pb.ActivateSchema,
  Pause: pb.PauseSchema,
  Unbind: pb.UnbindSchema,
  Changed: pb.ChangedSchema,
  Follow: pb.FollowSchema,
  Followed: pb.FollowedSchema,
  Unfollow: pb.UnfollowSchema,
  Unfollowed: pb.UnfollowedSchema,
  Seen: pb.SeenSchema,
  Owners: pb.OwnersSchema,
  CatalogPart: pb.CatalogPartSchema,
  CatalogWanted: pb.CatalogWantedSchema,
  DigestWanted: pb.DigestWantedSchema,
  Digest: pb.DigestSchema,
} as const satisfies Record<MessageKind, unknown>;

/** The message of each kind, and what it can be made from. */
export type Messages = { [K in MessageKind]: MessageShape<(typeof SCHEMAS)[K]> };
export type Inits = { [K in MessageKind]: MessageInitShape<(typeof SCHEMAS)[K]> };

/** Any message that is the body of a frame, with its kind. */
export type Control = { [K in MessageKind]: { kind: K; message: Messages[K] } }[MessageKind];

/** Most bytes of a name or reason. */
export const TEXT_BYTES_MAX = 256;

/** Reads the body of a frame of this kind. Unknown fields are passed over. */
export function readMessage<K extends MessageKind>(kind: K, body: Uint8Array): Messages[K] {
  const schema = SCHEMAS[kind];
  judgeMessage(schema, kind, body);
  let message: Messages[K];
  try {
    message = fromBinary(schema, body, { readUnknownFields: false }) as Messages[K];
  } catch (error) {
    throw new WireError(kind, 0, `it is no such message: ${error instanceof Error ? error.message : String(error)}`);
  }
  for (const [field, text] of namesAndReasons({ kind, message } as Control)) {
    const bytes = textBytes(text);
    if (bytes > TEXT_BYTES_MAX) throw new WireError(kind, 0, `the ${field} has ${bytes} bytes, the limit is ${TEXT_BYTES_MAX}`);
  }
  return message;
}

/** The same, with its kind. */
export function readControl(kind: MessageKind, body: Uint8Array): Control {
  return { kind, message: readMessage(kind, body) } as Control;
}

/** A message as a whole frame. */
export function messageFrame<K extends MessageKind>(kind: K, init: Inits[K]): Uint8Array<ArrayBuffer> {
  const schema = SCHEMAS[kind] as (typeof SCHEMAS)[MessageKind];
  return frame(kind, toBinary(schema, create(schema, init as never)));
}

/** Names and reasons, each with the name of its field. */
function namesAndReasons(control: Control): [string, string][] {
  const all = (field: string, texts: string[]): [string, string][] => texts.map((text) => [field, text]);
  switch (control.kind) {
    case "Hello": {
      const { software, login } = control.message;
      return [["software", software], ...all("subject", login.case === "subject" ? [login.value.name] : [])];
    }
    case "Goodbye":
      return [["address", control.message.address], ["reason", control.message.reason]];
    case "Refused":
    case "Notice":
    case "Abort":
      return [["reason", control.message.reason]];
    case "Register": {
      const { post, actions, events } = control.message;
      return [["post", post], ...all("actions", actions), ...all("events", events)];
    }
    case "Grant":
    case "Revoke":
      return [["post", control.message.post]];
    case "Command":
      return [["operation_id", control.message.operationId]];
    case "CommandResult": {
      const { operationId, refusal, reason } = control.message;
      return [["operation_id", operationId], ["refusal", refusal], ["reason", reason]];
    }
    case "Ready":
      return all("reason", control.message.failed.map((failed) => failed.reason));
    case "Owners":
      return all("post", control.message.owners.map((owner) => owner.post));
    case "CatalogPart":
      return all("name", [...control.message.events, ...control.message.actions].map((kind) => kind.name));
    default:
      return [];
  }
}
