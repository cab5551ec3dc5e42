// The connection on the sockets of `ws`, as Node 20 uses it.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "node:test";

import { WebSocket, WebSocketServer } from "ws";

import { Connection, SUBPROTOCOL } from "../src/connection.js";
import { View } from "../src/view.js";
import * as wire from "../src/wire/index.js";

test("a session begins, hears a slice's moment and is resumed over a real socket", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => SUBPROTOCOL });
  await once(server, "listening");
  const hellos: (string | undefined)[] = [];
  server.on("connection", (socket) => {
    socket.on("message", (data: Buffer) => {
      for (const { kind, body } of wire.frames(data, wire.limitsUp("viewer"))) {
        if (kind !== "Hello") continue;
        const { login } = wire.readMessage(kind, body);
        hellos.push(login.case);
        const resumed = login.case === "resume";
        const welcome = { version: 1, role: 3, incarnation: 1n, resumeToken: Uint8Array.of(7), resumeMs: 60_000, tickUs: 33_333, pingMs: 20_000, resumed };
        socket.send(wire.messageFrame("Welcome", welcome));
        socket.send(wire.horizonFrame(resumed ? 8n : 7n));
        if (!resumed) setTimeout(() => socket.close(4500), 20);
      }
    });
  });
  const moments: bigint[] = [];
  const connection = await new Promise<Connection>((done) => {
    const view = new View({
      callbacks: {
        horizon: (moment) => {
          moments.push(moment);
          if (moments.length === 2) done(made);
        },
      },
    });
    const made = new Connection({
      url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/stream`,
      role: "viewer",
      login: { subject: "anna" },
      webSocket: WebSocket,
      backoffMs: { first: 10, most: 10 },
      view,
    });
    made.start();
  });
  connection.close();
  assert.deepEqual([hellos, moments, connection.state], [["subject", "resume"], [7n, 8n], "ended"]);
  server.close();
  for (const socket of server.clients) socket.terminate();
});
