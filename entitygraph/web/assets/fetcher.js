// How the playground talks to the server: queries and mutations by POST, subscriptions over one WebSocket that
// speaks graphql-transport-ws; both at /graphql of the origin that served the page.
import { setStatus } from './status.js';

const ENDPOINT = '/graphql';
const RETRIES_MAX = 100; // some minutes, at RETRY_MS_MAX
const RETRY_MS_MAX = 4000;

const socket = graphqlWs.createClient({
  url: () => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${ENDPOINT}`,
  keepAlive: 20_000, // a dead connection is noticed although nothing changes in the world
  retryAttempts: RETRIES_MAX,
  retryWait: (retries) => new Promise((done) => setTimeout(done, Math.min(250 * 2 ** retries, RETRY_MS_MAX))),
  shouldRetry: () => true, // the server may be restarting; the subscription then starts again with a snapshot
});

/** GraphiQL's fetcher: a promise for queries and mutations, an observable for subscriptions. */
export function fetcher({ query, variables, operationName }, { headers } = {}) {
  const chosen = choose(query, operationName);
  const params = { query, variables, operationName: chosen.name };
  return chosen.kind === 'subscription' ? observe(params) : post(params, headers);
}

// GraphiQL hands over the name (and the parsed document) of what was in the editor a moment ago: right after a
// change of tabs that is the previous tab. The text is what counts, so the operation is chosen from the text.
function choose(query, name) {
  let operations;
  try {
    operations = GraphiQL.GraphQL.parse(query).definitions.filter((it) => it.kind === 'OperationDefinition');
  } catch {
    return {}; // the server explains a syntax error with its line and column
  }
  const chosen = operations.find((it) => it.name?.value === name) ?? (operations.length === 1 ? operations[0] : undefined);
  return { name: chosen?.name?.value, kind: chosen?.operation };
}

async function post(params, headers) {
  // GraphiQL asks for the schema on its own: that is no run of the user's.
  const report = params.operationName === 'IntrospectionQuery' ? () => {} : setStatus;
  report({ state: 'running', messages: 0, text: 'Running …' });
  const started = performance.now();
  try {
    const response = await fetch(ENDPOINT, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/graphql-response+json, application/json',
        ...headers,
      },
      body: JSON.stringify(params),
    });
    const text = await response.text();
    const size = text.length < 2048 ? `${text.length} B` : `${(text.length / 1024).toFixed(1)} KB`;
    const took = `${Math.round(performance.now() - started)} ms`;
    const answer = parse(text, response.status);
    const failed = !response.ok || answer.errors?.length > 0;
    report({ state: failed ? 'failed' : 'done', messages: 1, text: `HTTP ${response.status} · ${took} · ${size}` });
    return answer;
  } catch (cause) {
    report({ state: 'failed', messages: 0, text: 'The server did not answer: is it still running?' });
    throw cause;
  }
}

// A proxy or a limit may answer with plain text; show that instead of a complaint about JSON.
function parse(text, status) {
  try {
    return JSON.parse(text);
  } catch {
    return { errors: [{ message: `HTTP ${status}: ${text || 'empty answer'}` }] };
  }
}

function observe(params) {
  return {
    subscribe(observer) {
      let messages = 0;
      const count = () => `${messages} ${messages === 1 ? 'message' : 'messages'}`;
      const report = (state, text) => setStatus({ state, messages, text });
      report('running', 'Connecting …');
      const stopListening = [
        socket.on('connected', () => report('live', `Live · ${count()}`)),
        socket.on('closed', () => report('reconnecting', `Connection lost after ${count()}, trying again …`)),
      ];
      const finish = (state, text) => {
        stopListening.forEach((stop) => stop());
        report(state, text);
      };
      const stop = socket.subscribe(params, {
        next(message) {
          messages += 1;
          report('live', `Live · ${count()} · last at ${new Date().toLocaleTimeString()}`);
          observer.next(message);
        },
        error(cause) {
          finish('failed', `Ended by an error after ${count()}`);
          observer.error(explain(cause));
        },
        complete() {
          finish('done', `Ended after ${count()}`);
          observer.complete();
        },
      });
      return { unsubscribe: stop };
    },
  };
}

// The client reports GraphQL errors as a list, and a closed connection as an event that prints as {}.
function explain(cause) {
  if (Array.isArray(cause) || cause instanceof Error) return cause;
  if (cause && 'code' in cause) return new Error(`WebSocket closed with ${cause.code}: ${cause.reason || 'no reason given'}`);
  return new Error('The WebSocket could not be opened: is the server still running?');
}
