// The playground: GraphiQL with a menu of examples beside it, a status line below the response, and an address
// that always leads back to what is on the screen (?example=NAME, or ?query=…&variables=…).
import { fetcher } from './fetcher.js';
import { getStatus, setStatus, subscribeStatus } from './status.js';

const { createElement: h, useEffect, useRef, useSyncExternalStore } = React;
const { useEditorContext, useExecutionContext, usePluginStore } = GraphiQL.React;

const QUERY_IN_ADDRESS_MAX_CHARS = 4000; // longer addresses are cut off by some proxies and chat programs
const MENU_WIDTH_MIN = '(min-width: 60rem)'; // on a narrower screen the menu would hide the editors
const EMPTY_TAB = '# Write an operation here; Ctrl-Space completes, Ctrl-Enter runs.\n\n';
const KINDS = [
  ['query', 'Ask'],
  ['mutation', 'Change'],
  ['subscription', 'Watch'],
];

const examples = await fetch('/assets/examples.json').then((response) => response.json());

function ExamplesIcon() {
  return h(
    'svg',
    { viewBox: '0 0 24 24', fill: 'none', stroke: 'currentColor', strokeWidth: 1.5, 'aria-hidden': true },
    h('path', { d: 'M9 18h6M10 21h4M12 3a6 6 0 0 0-3.6 10.8c.7.6 1.1 1.3 1.1 2.2h5c0-.9.4-1.6 1.1-2.2A6 6 0 0 0 12 3Z' }),
  );
}

function ExamplesPane() {
  const { tabs, activeTabIndex, moveTab, changeTab } = useEditorContext({ nonNull: true });
  const { stop } = useExecutionContext({ nonNull: true });

  const open = (example) => {
    stop(); // as GraphiQL does on a click on a tab: the response belongs to the tab that ran
    const already = tabs.findIndex((tab) => tab.query === example.query);
    if (already >= 0) return changeTab(already);
    moveTab([...tabs, newTab(example)]);
    changeTab(tabs.length);
  };

  const entry = (example) =>
    h(
      'button',
      {
        key: example.name,
        type: 'button',
        className: 'example',
        'data-example': example.name,
        'aria-current': tabs[activeTabIndex].query === example.query,
        onClick: () => open(example),
      },
      h('span', { className: 'example-title' }, example.title),
      h('span', { className: 'example-description' }, example.description),
    );

  const group = ([kind, title]) => {
    const members = examples.filter((example) => example.kind === kind);
    return members.length === 0
      ? null
      : h('section', { key: kind, className: `example-group ${kind}` }, h('h2', null, title), members.map(entry));
  };

  return h(
    'section',
    { className: 'examples', 'aria-label': 'Examples' },
    h('div', { className: 'examples-heading' }, 'Examples'),
    KINDS.map(group),
  );
}

function StatusLine() {
  useMenuAtStart();
  useWrappedLines();
  const status = useSyncExternalStore(subscribeStatus, getStatus);
  return h(
    'div',
    { className: `run-status ${status.state}`, role: 'status', 'data-state': status.state, 'data-messages': status.messages },
    status.text,
  );
}

// GraphiQL 4.1 keeps the pane of its `visiblePlugin` hidden at the first paint, so the menu is opened as a user
// would: by its button, as soon as that exists.
function useMenuAtStart() {
  const plugins = usePluginStore((store) => store.plugins);
  const opened = useRef(!matchMedia(MENU_WIDTH_MIN).matches);
  useEffect(() => {
    if (opened.current || !plugins.includes(EXAMPLES_PLUGIN)) return;
    opened.current = true;
    document.querySelector('.graphiql-sidebar [aria-label="Show Examples"]')?.click();
  }, [plugins]);
}

// The examples begin with a sentence that is wider than the editor.
function useWrappedLines() {
  const { queryEditor } = useEditorContext({ nonNull: true });
  useEffect(() => queryEditor?.setOption('lineWrapping', true), [queryEditor]);
}

function newTab({ name, query, operation }) {
  return {
    id: `${name}-${Date.now()}`,
    hash: `${query}||`,
    title: operation,
    query,
    variables: null,
    headers: null,
    operationName: operation,
    response: null,
  };
}

/** What the address asks for: `{ query, variables }`, or nothing. */
function readAddress() {
  const asked = new URLSearchParams(location.search);
  const name = asked.get('example');
  const example = examples.find((it) => it.name === name);
  if (name && !example) {
    setStatus({ state: 'failed', messages: 0, text: `There is no example “${name}”: choose one from the list` });
  }
  return {
    query: example?.query ?? asked.get('query') ?? undefined,
    variables: (!example && asked.get('variables')) || undefined,
  };
}

function writeAddress({ tabs, activeTabIndex }) {
  const { query, variables } = tabs[activeTabIndex];
  const example = examples.find((it) => it.query === query);
  const wanted = new URLSearchParams();
  if (example && !variables) {
    wanted.set('example', example.name);
  } else if (query && query !== EMPTY_TAB && query.length <= QUERY_IN_ADDRESS_MAX_CHARS) {
    wanted.set('query', query);
    if (variables) wanted.set('variables', variables);
  }
  history.replaceState(null, '', wanted.size ? `?${wanted}` : location.pathname);
}

const EXAMPLES_PLUGIN = { title: 'Examples', icon: ExamplesIcon, content: ExamplesPane };
const { query, variables } = readAddress();

ReactDOM.createRoot(document.getElementById('playground')).render(
  h(
    GraphiQL,
    {
      fetcher,
      plugins: [EXAMPLES_PLUGIN],
      query,
      variables,
      // Stored tabs come first; only the very first visit opens an example unasked.
      defaultTabs: query === undefined && examples.length > 0 ? [{ query: examples[0].query }] : undefined,
      defaultQuery: EMPTY_TAB,
      defaultEditorToolsVisibility: Boolean(variables),
      inputValueDeprecation: true,
      schemaDescription: true,
      onTabChange: writeAddress,
    },
    h(GraphiQL.Logo, null, h('a', { href: '/', className: 'home' }, h('img', { src: '/assets/favicon.svg', alt: '' }), 'EntityGraph')),
    h(GraphiQL.Footer, null, h(StatusLine)),
  ),
);
