// The live parts of the landing page: figures from /healthz, and links to three examples. The page is complete
// without them; whatever the server does not say stays a dash.
const REFRESH_MS = 2000;
const LINKED_KINDS = ['query', 'query', 'subscription']; // two to ask, one to watch

const stateLine = document.getElementById('state');
const stateText = document.getElementById('state-text');

async function refresh() {
  try {
    const response = await fetch('/healthz', { cache: 'no-store', headers: { accept: 'application/json' } });
    const figures = parse(await response.text());
    const up = response.ok && figures.status !== 'without store';
    stateLine.dataset.state = up ? 'up' : 'down';
    stateText.textContent = up ? 'running' : response.ok ? 'the store does not answer' : `unhealthy (HTTP ${response.status})`;
    show(figures);
  } catch {
    stateLine.dataset.state = 'down';
    stateText.textContent = 'not answering';
  }
}

// A health check may be plain text; then there are no figures.
function parse(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

function show(figures) {
  for (const field of document.querySelectorAll('[data-figure]')) {
    const value = figures[field.dataset.figure];
    if (value === undefined || value === null) continue;
    field.textContent = 'count' in field.dataset ? grouped(String(value)) : String(value);
  }
}

// 64-bit numbers arrive as strings: group their digits without going through a float.
function grouped(text) {
  return /^\d{5,}$/.test(text) ? BigInt(text).toLocaleString('en') : text;
}

async function linkExamples() {
  const response = await fetch('/assets/examples.json');
  const examples = response.ok ? await response.json() : [];
  const chosen = [];
  for (const kind of LINKED_KINDS) {
    const next = examples.find((example) => example.kind === kind && !chosen.includes(example));
    if (next) chosen.push(next);
  }
  const section = document.getElementById('examples');
  section.querySelector('ul').append(...chosen.map(card));
  section.hidden = chosen.length === 0;
}

function card({ name, title, description }) {
  const link = document.createElement('a');
  link.href = `/playground?example=${encodeURIComponent(name)}`;
  const strong = document.createElement('strong');
  strong.textContent = title;
  const span = document.createElement('span');
  span.textContent = description;
  link.append(strong, span);
  const item = document.createElement('li');
  item.append(link);
  return item;
}

async function keepFresh() {
  if (!document.hidden) await refresh();
  setTimeout(keepFresh, REFRESH_MS);
}

keepFresh();
linkExamples();
