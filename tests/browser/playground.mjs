// The landing page and the playground in a real Chromium, against a running server.
//
//   node playground.mjs http://127.0.0.1:4000 SCREENSHOT_DIR
//
// Checks that the pages load, that the documentation explorer shows the schema, that the examples open from the
// menu and by address, that a query shows data and a subscription at least two messages, in light and in dark;
// and that all along nothing was asked of another address and nothing was written to the console as an error.
// It knows no example by name: it takes what /assets/examples.json lists. $CHROMIUM names the browser if it is
// not on the PATH.
import assert from 'node:assert/strict';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

const STEP_MS_MAX = 30_000; // generous: it is only ever reached by a failure

const [base, screenshots] = process.argv.slice(2);
if (!base || !screenshots) {
  console.error('usage: node playground.mjs BASE_URL SCREENSHOT_DIR');
  process.exit(2);
}
const origin = new URL(base).origin;
mkdirSync(screenshots, { recursive: true });

const browser = await chromium.launch({
  executablePath: findChromium(),
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: 'light' });
context.setDefaultTimeout(STEP_MS_MAX);
const page = await context.newPage();
const seen = watch(page);

try {
  const examples = await fetch(new URL('/assets/examples.json', origin)).then((response) => response.json());
  const ask = examples.findLast((example) => example.kind === 'query');
  const observe = examples.find((example) => example.kind === 'subscription');
  assert(ask && observe, 'the examples need at least one query and one subscription');

  await step('the landing page shows the figures of this server', async () => {
    await page.goto(`${origin}/`);
    await page.locator('#state[data-state="up"]').waitFor();
    await page.waitForFunction(() => document.querySelector('[data-figure="entities"]').textContent !== '–');
    const cursor = await page.locator('[data-figure="cursor"]').textContent();
    assert(/^\d+$/.test(cursor), `the cursor is not shown as clients write it: ${cursor}`);
    await page.locator('#examples a').first().waitFor();
    await shot('landing-light', { fullPage: true });
    await page.emulateMedia({ colorScheme: 'dark' });
    await shot('landing-dark', { fullPage: true });
    await page.emulateMedia({ colorScheme: 'light' });
  });

  await step('the landing page leads to the playground', async () => {
    await page.getByRole('link', { name: 'Open the playground' }).click();
    await menuShowsAll(examples);
    await shot('playground-first-visit');
  });

  await step('the documentation explorer shows the types of the schema', async () => {
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    const types = page.locator('.graphiql-doc-explorer .graphiql-doc-explorer-type-name');
    await types.filter({ hasText: /^String$/ }).waitFor();
    const names = await types.allTextContents();
    assert(names.length > 5, `expected every type of the schema, got ${names.join(' ')}`);
    await shot('documentation-types');
    await types.first().click(); // the query root
    await page.locator('.graphiql-doc-explorer-item').first().waitFor();
    await shot('documentation-query');
    await page.getByRole('button', { name: 'Hide Documentation Explorer' }).click();
  });

  await step(`the query example “${ask.title}” opens from the menu and shows data`, async () => {
    await page.getByRole('button', { name: 'Show Examples' }).click();
    await openFromMenu(ask);
    await run();
    await page.locator('.run-status:is([data-state="done"], [data-state="failed"])').waitFor();
    assertData(await response());
    await shot('example-query');
  });

  await step(`the subscription example “${observe.title}” receives messages until it is stopped`, async () => {
    await openFromMenu(observe);
    assert.equal(await page.locator('[role="tab"]').count(), 3, 'each example has its own tab');
    await run();
    await received(2);
    assert.equal(await page.locator('.run-status').getAttribute('data-state'), 'live');
    assertData(await response());
    await shot('example-subscription');
    await page.getByRole('button', { name: /Stop query/ }).click();
    await page.locator('.run-status[data-state="done"]').waitFor();
    assert(seen.sockets.every((url) => url === `${origin.replace('http', 'ws')}/graphql`), `sockets: ${seen.sockets}`);
    assert.equal(seen.sockets.length, 1, 'one WebSocket');
  });

  await step('dialogs open', async () => {
    await page.getByRole('button', { name: 'Open settings dialog' }).click();
    await page.getByRole('button', { name: 'Dark', exact: true }).click();
    await shot('settings-dark');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });

  await step('code completion opens and names fields', async () => {
    await page.getByRole('button', { name: 'New tab' }).click();
    await page.locator('.graphiql-query-editor .CodeMirror').click();
    await page.keyboard.press('Control+End');
    await page.keyboard.type('{ ');
    await page.keyboard.press('Control+Space');
    await page.locator('.CodeMirror-hint').first().waitFor();
    await shot('completion-dark');
    await page.keyboard.press('Escape');
  });

  await step('an address opens its example, and its own query with variables, in the dark', async () => {
    await page.goto(`${origin}/playground?example=${ask.name}`);
    await editorHolds(ask.query);
    await menuShowsAll(examples);
    await shot('playground-dark');
    const query = 'query Named($yes: Boolean!) { __schema @include(if: $yes) { queryType { name } } }';
    await page.goto(`${origin}/playground?${new URLSearchParams({ query, variables: '{"yes":true}' })}`);
    await editorHolds(query);
    await run();
    await page.locator('.run-status:is([data-state="done"], [data-state="failed"])').waitFor();
    assertData(await response());
  });

  await step('an unknown example is named and the menu stays', async () => {
    await page.goto(`${origin}/playground?example=no-such-example`);
    await page.locator('.run-status[data-state="failed"]', { hasText: 'no-such-example' }).waitFor();
    await menuShowsAll(examples);
  });

  await step('nothing left this origin and nothing failed', async () => {
    assert(seen.requests > 10, `only ${seen.requests} requests were seen: the watch is broken`);
    assert.deepEqual(seen.outside, []);
    assert.deepEqual(seen.errors, []);
  });
} catch (failure) {
  console.error(`failed: ${failure.message}`);
  for (const error of [...seen.errors, ...seen.outside]) console.error(`  seen before: ${error}`);
  await shot('failure').catch(() => {});
  process.exitCode = 1;
} finally {
  await browser.close();
}

async function step(sentence, body) {
  try {
    await body();
  } catch (cause) {
    throw new Error(`${sentence}: ${cause.message}`, { cause });
  }
  console.log(`ok  ${sentence}`);
}

/** Everything the page asks for and complains about, from now on. */
function watch(page) {
  const seen = { requests: 0, outside: [], sockets: [], errors: [] };
  const note = (url) => {
    seen.requests += 1;
    if (!/^(data|blob):/.test(url) && new URL(url).origin.replace(/^ws/, 'http') !== origin) seen.outside.push(url);
  };
  page.on('request', (request) => note(request.url()));
  page.on('websocket', (socket) => {
    note(socket.url());
    seen.sockets.push(socket.url());
  });
  page.on('pageerror', (error) => seen.errors.push(`page error: ${error.stack}`));
  page.on('console', (message) => {
    if (message.type() === 'error') seen.errors.push(`console: ${message.text()}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) seen.errors.push(`HTTP ${response.status()}: ${response.url()}`);
  });
  return seen;
}

/** The pane of examples is on the screen (a hidden one stands left of it) and names each of them. */
async function menuShowsAll(examples) {
  await page.waitForFunction(() => document.querySelector('[data-example]')?.getBoundingClientRect().left >= 0);
  const names = await page.locator('[data-example]').evaluateAll((buttons) => buttons.map((it) => it.dataset.example));
  assert.deepEqual(names.toSorted(), examples.map((example) => example.name).toSorted());
}

async function openFromMenu(example) {
  await page.locator(`[data-example="${example.name}"]`).click();
  await editorHolds(example.query);
  await page.waitForURL((url) => url.searchParams.get('example') === example.name);
}

function run() {
  return page.getByRole('button', { name: /Execute query/ }).click();
}

function received(messages) {
  return page.waitForFunction(
    (least) => Number(document.querySelector('.run-status').dataset.messages) >= least,
    messages,
  );
}

function editorHolds(text) {
  return page.waitForFunction(
    (wanted) => document.querySelector('.graphiql-query-editor .CodeMirror')?.CodeMirror.getValue() === wanted,
    text,
  );
}

/** The response pane, once it holds a whole JSON document. */
async function response() {
  const handle = await page.waitForFunction(() => {
    try {
      return JSON.parse(document.querySelector('.result-window .CodeMirror').CodeMirror.getValue());
    } catch {
      return null;
    }
  });
  return handle.jsonValue();
}

function assertData({ data, errors }) {
  assert.equal(errors, undefined, `the answer has errors: ${JSON.stringify(errors)}`);
  assert(data && Object.values(data).some((field) => field !== null), `the answer is empty: ${JSON.stringify(data)}`);
}

function shot(name, options) {
  return page.screenshot({ path: join(screenshots, `${name}.png`), ...options });
}

function findChromium() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const candidates = (process.env.PATH ?? '').split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  for (const candidate of candidates) {
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // not here
    }
  }
  throw new Error('no Chromium on the PATH: install it (Debian: apt-get install chromium) or set CHROMIUM');
}
