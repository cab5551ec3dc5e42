// Compares EntityGraph with @neo4j/graphql on one Neo4j with one world; `run` starts it.
//
//   node compare.mjs ENTITYGRAPH NEO4J FOLDER [--quick] [--only QUESTION]
//
// ENTITYGRAPH and NEO4J are the programs, FOLDER is where the raw figures go.

import { execFile, execFileSync } from 'node:child_process';
import { isDeepStrictEqual, promisify } from 'node:util';
import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Database } from './database.mjs';
import { QUESTIONS, body } from './questions.mjs';
import { table } from './report.mjs';
import { startNeo4j, startOurs, startPeer, stopAll } from './servers.mjs';
import { writeWorld } from './world.mjs';

const [program, neo4jProgram, folder, ...flags] = process.argv.slice(2);
const only = flags.includes('--only') ? flags[flags.indexOf('--only') + 1] : undefined;
if (flags.includes('--only') && !QUESTIONS.some(({ name }) => name === only)) {
  throw new Error(`there is no question "${only}", but: ${QUESTIONS.map(({ name }) => name).join(', ')}`);
}
const plan = flags.includes('--quick')
  ? { systems: 3, rounds: 1, seconds: 1, warmSeconds: 1, checks: 5 }
  : { systems: 40, rounds: 3, seconds: 5, warmSeconds: 3, checks: 20 };
const CONNECTIONS = 16;
// Less than an entity: nothing stays.
const NO_CACHE_BYTES = 1;

let unique = 1_000_000;

try {
  mkdirSync(folder, { recursive: true });
  const neo4j = await startNeo4j(neo4jProgram);
  const database = new Database(neo4j.http);
  const world = `${folder}/world.yaml`;
  await writeWorld(world, plan.systems);
  const began = performance.now();
  execFileSync(program, ['ingest', 'world', world, '--store', neo4j.bolt], { stdio: ['ignore', 'ignore', 'inherit'] });
  const entities = await database.entities();
  say(`${entities} entities ingested in ${((performance.now() - began) / 1e3).toFixed(1)} s`);
  await database.prepareForPeer();
  const places = await database.places(plan.systems);
  const sides = {
    cold: await startOurs('EntityGraph without cache', program, neo4j.bolt, NO_CACHE_BYTES),
    warm: await startOurs('EntityGraph', program, neo4j.bolt),
    peer: await startPeer(neo4j.bolt),
  };
  Object.values(sides).forEach((side) => side.pause());

  const results = [];
  for (const question of QUESTIONS.filter(({ name }) => !only || name === only)) {
    const bodies = bodiesOf(question, places[question.places]);
    await check(question, bodies, sides);
    results.push({ question: question.name, ...(await measure(question, bodies, sides)) });
    await check(question, bodies, sides);
  }
  const report = { entities, ...plan, connections: CONNECTIONS, machine: machine(), results };
  writeFileSync(`${folder}/figures.json`, JSON.stringify(report, null, 2));
  console.log(table(report));
} finally {
  await stopAll();
}

function bodiesOf(question, places) {
  const unsigned = (id) => id && String(BigInt.asUintN(64, BigInt(id)));
  const ours = places.map((place) => body(question.ours({ ...place, id: unsigned(place.signed), station: unsigned(place.parent) })));
  const peer = places.map((place) => body(question.peer({ ...place, id: place.signed })));
  return { cold: ours, warm: ours, peer };
}

/** Both must answer the same, and as much as the question says. */
async function check(question, bodies, sides) {
  const step = Math.ceil(bodies.peer.length / plan.checks);
  for (let place = 0; place < bodies.peer.length; place += step) {
    const answers = {};
    for (const [name, side] of Object.entries(sides)) {
      side.resume();
      const data = await side.ask(bodies[name][place].replaceAll('@', () => unique++));
      answers[name] = question[name === 'peer' ? 'peerRows' : 'oursRows'](data);
      side.pause();
      if (answers[name].length !== question.rows || !isDeepStrictEqual(answers[name], answers.cold)) {
        throw new Error(
          `${question.name}: ${side.name} answers ${JSON.stringify(answers[name])}, EntityGraph ${JSON.stringify(answers.cold)}; ` +
            `${question.rows} rows are right, asked by ${bodies[name][place]}`,
        );
      }
    }
  }
}

/** Takes turns, so that what else the machine does meets all of them. */
async function measure(question, bodies, sides) {
  const runs = { cold: [], warm: [], peer: [] };
  for (let round = 0; round < plan.rounds; round++) {
    for (const [name, side] of Object.entries(sides)) {
      const file = `${folder}/bodies`;
      writeFileSync(file, `${bodies[name].join('\n')}\n`);
      side.resume();
      await load(side, file, plan.warmSeconds);
      runs[name].push(await load(side, file, plan.seconds));
      // Writes that were asked for last end first: their locks would stop the others. In our queue one that is asked now comes behind them.
      if (question.writes) await side.ask(bodies[name][0].replaceAll('@', () => unique++));
      await setTimeout(300);
      side.pause();
    }
  }
  const figures = Object.fromEntries(Object.entries(runs).map(([name, taken]) => [name, { ...median(taken), runs: taken }]));
  const [cold, warm, peer] = ['cold', 'warm', 'peer'].map((name) => Math.round(figures[name].perSecond));
  say(`${question.name}: cold ${cold}, warm ${warm}, peer ${peer} requests/s`);
  return figures;
}

async function load(side, file, seconds) {
  const script = fileURLToPath(new URL('load.lua', import.meta.url));
  const { stdout, stderr } = await promisify(execFile)('wrk', [
    '--threads', '1', '--connections', CONNECTIONS, '--duration', `${seconds}s`, '--timeout', '10s',
    '--script', script, side.url, '--', file, unique,
  ].map(String));
  // It took a number for each request, also at a hundred thousand requests of 60 numbers each.
  unique += 10_000_000;
  const { requests, failed, p50_ms, p99_ms, seconds: took } = JSON.parse(stdout.trim().split('\n').at(-1));
  if (failed || !requests) throw new Error(`${side.name} failed ${failed} of ${requests} requests: ${stderr}`);
  return { perSecond: requests / took, p50_ms, p99_ms };
}

function median(runs) {
  return runs.toSorted((a, b) => a.perSecond - b.perSecond)[Math.floor(runs.length / 2)];
}

function machine() {
  const [{ model }] = os.cpus();
  return { processor: model, cores: os.cpus().length, memoryGiB: Math.round(os.totalmem() / 2 ** 30), load: os.loadavg()[0] };
}

function say(text) {
  console.error(text);
}
