import { Server } from "@entitygraph/client";
import { WebSocket } from "ws"; // Node 22 and browsers have one of their own

const server = new Server({
  url: "ws://127.0.0.1:8080/stream",
  login: { subject: "server-1" },
  webSocket: WebSocket,
  register: {}, // any post that is free; { post: "harbour" } takes that one
  onEnded: (error) => console.log("ended", error?.code, error?.message),
});
server.start();

// Everything that this server may write moves along x, once for each tick of the shard clock.
setInterval(() => {
  const tick = server.begin();
  if (tick === undefined) return;
  for (const { handle, pose } of server.view.all()) {
    if (pose === undefined || !server.hasAuthority(handle)) continue;
    const [x, y, z] = pose.translation;
    pose.translation = [x + 0.1, y, z];
    tick.motion(handle, { position: pose.translation, velocity: [3, 0, 0] });
  }
  server.report(tick);
}, 5);
