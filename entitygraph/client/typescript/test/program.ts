// The hub of replication/examples/hub.rs as a process, and a proxy before it that can be cut.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../../../", import.meta.url));
const CARGO = ["run", "--quiet", "--package", "entitygraph-replication", "--example", "hub", "--"];

export class HubProgram {
  private constructor(
    private readonly process: ChildProcess,
    readonly url: string,
  ) {}

  /** With so many characters. `ENTITYGRAPH_HUB` names the program; without it Cargo builds it, which may take a while. */
  static async start(characters: number): Promise<HubProgram> {
    const built = process.env["ENTITYGRAPH_HUB"];
    const [program, before] = built === undefined ? ["cargo", CARGO] : [built, []];
    const child = spawn(program, [...before, String(characters)], { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
    const [url] = (await Promise.race([
      once(createInterface(child.stdout!), "line"),
      once(child, "exit").then(([code]) => Promise.reject(new Error(`${program} ended with ${code} before it said where it listens`))),
    ])) as [string];
    return new HubProgram(child, url);
  }

  async stop(): Promise<void> {
    const ended = once(this.process, "exit");
    this.process.stdin!.end();
    await ended;
  }
}

export class Proxy {
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: ReturnType<typeof createServer>,
    readonly url: string,
  ) {}

  static async start(to: string): Promise<Proxy> {
    const { hostname, port, pathname } = new URL(to);
    const server = createServer((from) => {
      const hub = connect(Number(port), hostname);
      for (const [one, other] of [[from, hub], [hub, from]] as const) {
        proxy.sockets.add(one);
        one.on("error", () => undefined);
        one.on("close", () => {
          proxy.sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = new Proxy(server, `ws://127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`);
    return proxy;
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  stop(): void {
    this.cut();
    this.server.close();
  }
}
