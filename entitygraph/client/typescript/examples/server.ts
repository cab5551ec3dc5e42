import { Connection, View } from "@entitygraph/client";
import { WebSocket } from "ws"; // Node 22 and browsers have one of their own

const mine = new Map<number, bigint>(); // roots and the epochs under which they are written
const view = new View({
  callbacks: {
    bind: (batch) => server.send("Ready", { batch }),
    authorityGained: ({ handle, epoch }) => mine.set(handle, epoch),
    authorityLost: (handle) => mine.delete(handle),
  },
});
const server = new Connection({
  url: "ws://127.0.0.1:8080/stream",
  role: "server",
  login: { subject: "server-1" },
  webSocket: WebSocket,
  view,
  onBegun: ({ resumed }) => !resumed && server.send("Register", { post: "harbour", entitiesMax: 100_000 }),
});
server.start();
setInterval(() => {
  const groups = [...mine].flatMap(([handle, epoch]) => {
    const entity = view.get(handle);
    if (entity?.pose === undefined) return [];
    const [x, y, z] = entity.pose.translation;
    entity.pose.translation = [x + 0.1, y, z];
    const rows = [{ handle, position: entity.pose.translation }];
    return [{ epoch, zone: entity.zone, rows, receipts: [], inputs: [], events: [] }];
  });
  server.report({ tick: server.moment() / 16n, lastOfTick: true, groups });
}, 33);
