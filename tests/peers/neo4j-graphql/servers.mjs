// Processes that the comparison starts, each alone on the processor while it is measured.

import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const running = [];

// However this process ends, none stays behind. A paused process takes no other signal.
process.on('exit', () => running.forEach(({ child }) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

/** Ends all servers in order, the last first. */
export async function stopAll() {
  for (const server of running.toReversed()) await server.stop();
}

/** A server that this process started; `url` is where it answers GraphQL. */
class Process {
  constructor(name, command, args, environment = {}) {
    this.name = name;
    running.push(this);
    this.child = spawn(command, args, { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.said = '';
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (data) => (this.said += data));
    this.ended = new Promise((resolve) => this.child.on('exit', resolve));
  }

  /** What it prints, once that matches. */
  async says(pattern) {
    for (;;) {
      const found = this.said.match(pattern);
      if (found) return found;
      const ended = await Promise.race([this.ended.then(() => true), new Promise((wait) => setTimeout(wait, 50, false))]);
      if (ended) throw new Error(`${this.name} ended: ${this.said}`);
    }
  }

  /** Takes it off the processor: the servers poll the database even when nobody asks them. */
  pause() {
    this.child.kill('SIGSTOP');
  }

  resume() {
    this.child.kill('SIGCONT');
  }

  async stop() {
    this.resume();
    this.child.kill('SIGINT');
    await this.ended;
  }

  async ask(body) {
    const response = await fetch(this.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    const { data, errors } = await response.json();
    if (errors) throw new Error(`${this.name} answered ${JSON.stringify(errors)} to ${body}`);
    return data;
  }
}

export async function freePort() {
  const server = createServer();
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

export async function startNeo4j(program) {
  const [bolt, http] = [await freePort(), await freePort()];
  const server = new Process('Neo4j', program, ['--bolt-port', bolt, '--http-port', http, '--heap', '1024', '--page-cache', '1024']);
  await server.says(/runs until/);
  return Object.assign(server, { bolt: `bolt://127.0.0.1:${bolt}`, http: `http://127.0.0.1:${http}` });
}

/** EntityGraph with a cache of so many bytes, or of its default size. */
export async function startOurs(name, program, bolt, cacheBytes) {
  const port = await freePort();
  const cache = cacheBytes === undefined ? [] : ['--set', `service.cache.max_bytes=${cacheBytes}`];
  const server = new Process(name, program, ['serve', '--store', bolt, '--listen', `127.0.0.1:${port}`, ...cache]);
  await server.says(/EntityGraph serves/);
  return Object.assign(server, { url: `http://127.0.0.1:${port}/graphql` });
}

export async function startPeer(bolt) {
  const port = await freePort();
  const script = fileURLToPath(new URL('server.mjs', import.meta.url));
  const server = new Process('@neo4j/graphql', 'node', [script], { NODE_ENV: 'production', BOLT: bolt, PORT: port });
  const [, url] = await server.says(/listening at (\S+)/);
  return Object.assign(server, { url });
}
