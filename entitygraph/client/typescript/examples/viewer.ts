import { Connection, View } from "@entitygraph/client";

const view = new View({
  callbacks: {
    // Load what is to be shown, then say so; what cannot be loaded goes into `failed`.
    bind: (batch) => connection.send("Ready", { batch }),
    activate: (entities) => entities.forEach((one) => console.log("shown", one.id, one.structure?.name, one.pose)),
    update: (entity, { motion, variables }) => console.log("changed", entity.id, motion && entity.pose, variables),
    unbind: (entities) => entities.forEach((one) => console.log("gone", one.id)),
  },
});
const connection = new Connection({
  url: "ws://127.0.0.1:8080/stream",
  role: "viewer",
  login: { subject: "map" }, // with keys: () => fetchToken(), which brings { token }
  view,
  onBegun: ({ resumed }) => {
    const sphere = { zone: 1n, pointM: { x: 0, y: 0, z: 0 }, radiusM: 1e9, minAngularSizeRad: 0.004 };
    if (!resumed) connection.send("Follow", { number: 1n, area: { case: "sphere", value: sphere } });
  },
  onEnded: (error) => console.log("ended", error?.code, error?.message),
});
connection.start();
