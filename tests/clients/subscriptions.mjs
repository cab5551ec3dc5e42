// The reference JavaScript clients against a running server: graphql-ws over WebSocket, graphql-sse over HTTP.
//
//   node subscriptions.mjs http://127.0.0.1:4000
//
// Makes a small world of its own, follows it with both clients, loses the connection, resumes, and misbehaves.
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { createClient as createSse } from 'graphql-sse';
import { createClient as createWs } from 'graphql-ws';
import WebSocket from 'ws';

const STEP_MS_MAX = 20_000; // generous: it is only ever reached by a failure

const [base] = process.argv.slice(2);
if (!base) {
  console.error('usage: node subscriptions.mjs BASE_URL');
  process.exit(2);
}
const socketUrl = `${base.replace(/^http/, 'ws')}/graphql`;

const FOLLOW = `subscription ($scope: ScopeInput!, $after: Cursor) {
  changes(scope: $scope, after: $after) {
    __typename
    ... on Snapshot { cursor entities { id name revision } }
    ... on Transaction { cursor changes {
      __typename
      ... on EntityEntered { entity { id name } }
      ... on EntityChanged { id revision current { name } }
      ... on EntityLeft { id buried }
    } }
    ... on Lag { after newest }
  }
}`;

async function run(query, variables = {}) {
  const response = await fetch(`${base}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const answer = await response.json();
  assert(!answer.errors, JSON.stringify(answer.errors));
  return answer.data;
}

async function create(entity) {
  const data = await run(
    `mutation ($entity: CreateEntityInput!) { createEntity(input: $entity) {
      ... on Committed { cursor entity { id } } ... on Refusal { code message } } }`,
    { entity },
  );
  assert(data.createEntity.entity, JSON.stringify(data));
  return data.createEntity.entity.id;
}

async function rename(id, name) {
  const data = await run(
    `mutation ($entity: ChangeEntityInput!) { changeEntity(input: $entity) {
      ... on Committed { cursor } ... on Refusal { code message } } }`,
    { entity: { entity: id, name } },
  );
  assert(data.changeEntity.cursor, JSON.stringify(data));
  return data.changeEntity.cursor;
}

/** The next result of an async iterator, in time. */
async function next(results) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('no message in time')), STEP_MS_MAX);
  });
  const { value, done } = await Promise.race([results.next(), late]).finally(() => clearTimeout(timer));
  assert(!done, 'the subscription ended');
  assert(!value.errors, JSON.stringify(value.errors));
  return value.data.changes;
}

let passed = 0;
async function step(name, test) {
  try {
    await test();
    passed += 1;
    console.log(`ok   ${name}`);
  } catch (error) {
    console.log(`FAIL ${name}`);
    throw error;
  }
}

const bounds = { min: [-1000, -1000, -1000], max: [1000, 1000, 1000] };
const root = await create({ name: 'Test', kind: 'universe', bounds });
const ship = await create({ name: 'Ship', kind: 'ship', parent: root });

for (const [protocol, makeClient] of [
  ['graphql-ws', () => createWs({ url: socketUrl, webSocketImpl: WebSocket, retryAttempts: 0 })],
  ['graphql-sse', () => createSse({ url: `${base}/graphql/stream`, retryAttempts: 0 })],
]) {
  let cursor;
  await step(`${protocol}: a snapshot, then each transaction`, async () => {
    const client = makeClient();
    const results = client.iterate({ query: FOLLOW, variables: { scope: { subtree: ship } } });
    const snapshot = await next(results);
    assert.equal(snapshot.__typename, 'Snapshot');
    assert.deepEqual(snapshot.entities.map((entity) => entity.id), [ship]);
    for (const name of ['one', 'two']) {
      const committed = await rename(ship, name);
      const told = await next(results);
      assert.equal(told.__typename, 'Transaction');
      assert.equal(told.cursor, committed);
      assert.deepEqual(told.changes.map((change) => [change.__typename, change.id]), [['EntityChanged', ship]]);
      cursor = told.cursor;
    }
    await results.return();
    client.dispose();
  });

  await step(`${protocol}: a resumed subscription misses nothing and repeats nothing`, async () => {
    await rename(ship, 'while away');
    const mug = await create({ name: 'Mug', kind: 'item', parent: ship });
    const client = makeClient();
    const results = client.iterate({ query: FOLLOW, variables: { scope: { subtree: ship }, after: cursor } });
    assert.equal((await next(results)).changes[0].__typename, 'EntityChanged');
    const entered = await next(results);
    assert.deepEqual(entered.changes, [{ __typename: 'EntityEntered', entity: { id: mug, name: 'Mug' } }]);
    await run(`mutation ($entity: BuryInput!) { bury(input: $entity) { __typename } }`, { entity: { entity: mug } });
    assert.deepEqual((await next(results)).changes, [{ __typename: 'EntityLeft', id: mug, buried: true }]);
    await results.return();
    client.dispose();
  });

  await step(`${protocol}: queries and mutations run over it too`, async () => {
    const client = makeClient();
    const results = client.iterate({ query: 'query ($id: EntityId!) { entity(id: $id) { id } }', variables: { id: ship } });
    const { value } = await results.next();
    assert.deepEqual(value.data, { entity: { id: ship } });
    assert.equal((await results.next()).done, true);
    client.dispose();
  });

  await step(`${protocol}: what is wrong is said`, async () => {
    const client = makeClient();
    const wrong = async (query, variables) => {
      try {
        const results = client.iterate({ query, variables });
        const { value } = await results.next();
        return JSON.stringify(value.errors);
      } catch (error) {
        return inspect(error, { depth: 5 });
      }
    };
    assert.match(await wrong('subscription { nothing }'), /nothing/);
    assert.match(await wrong('subscription {'), /expected/);
    assert.match(await wrong(FOLLOW, { scope: { subtree: '999999999' } }), /999999999 does not exist/);
    const beyond = wrong(FOLLOW, { scope: { subtree: '18446744073709551616' } });
    assert.match(await beyond, /scope\.subtree.* from 1 to 18446744073709551615/);
    client.dispose();
  });
}

/** Sends raw frames and gives the close code and reason. */
function closed(protocols, frames) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('not closed in time')), STEP_MS_MAX);
    const socket = new WebSocket(socketUrl, protocols);
    socket.on('open', () => frames.forEach((frame) => socket.send(frame)));
    socket.on('error', () => {});
    socket.on('close', (code, reason) => {
      clearTimeout(timer);
      resolve([code, String(reason)]);
    });
  });
}

await step('malformed frames and unknown sub-protocols are closed with the code of the protocol', async () => {
  const spoken = 'graphql-transport-ws';
  const init = '{"type":"connection_init"}';
  const subscribe = JSON.stringify({ id: '1', type: 'subscribe', payload: { query: FOLLOW, variables: { scope: { entity: ship } } } });
  assert.equal((await closed([spoken], ['not json']))[0], 4400);
  assert.equal((await closed([spoken], ['{"type":"unheard_of"}']))[0], 4400);
  assert.equal((await closed([spoken], [Buffer.from([1, 2, 3])]))[0], 4400);
  assert.equal((await closed([spoken], [subscribe]))[0], 4401);
  assert.equal((await closed([spoken], [init, init]))[0], 4429);
  assert.equal((await closed([spoken], [init, subscribe, subscribe]))[0], 4409);
  // The close frame of an oversized message may be lost, because the client is still sending when we close.
  assert([1002, 1006, 1009].includes((await closed([spoken], ['x'.repeat(20 * 1024 * 1024)]))[0]));
  // A client that is offered none of its protocols ends the connection itself, or is told why by us.
  const [code] = await closed(['graphql-ws'], []);
  assert([1006, 4406].includes(code), `unexpected ${code}`);
});

await step('the server is still there', async () => {
  assert.equal((await run('query ($id: EntityId!) { entity(id: $id) { id } }', { id: ship })).entity.id, ship);
});

console.log(`\n${passed} passed, 0 failed`);
process.exit(0);
