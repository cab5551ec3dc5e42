// What the last run did, shown under the response: one value, its listeners, and the words for it.

/** @typedef {{ state: 'idle'|'running'|'live'|'reconnecting'|'done'|'failed', messages: number, text: string }} Status */

/** @type {Status} */
let current = { state: 'idle', messages: 0, text: 'Ctrl-Enter runs the operation' };
const listeners = new Set();

/** @param {Status} next */
export function setStatus(next) {
  current = next;
  for (const listener of listeners) listener();
}

export const getStatus = () => current;

/** The two halves of React's `useSyncExternalStore`: this one and `getStatus`. */
export function subscribeStatus(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
