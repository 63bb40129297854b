// Asking the daemon. A token, where one is demanded, lives in this tab's memory of the session and in no cookie: no other
// site can make the browser send it.

const kept = 'danelaw-token';
let token = sessionStorage.getItem(kept) ?? '';
let askForToken = null; // set by app.js: shows the form, resolves once there is a new token

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export function onTokenNeeded(ask) { askForToken = ask; }
export function setToken(text) {
  token = text.trim();
  sessionStorage.setItem(kept, token);
}
export function forgetToken() {
  token = '';
  sessionStorage.removeItem(kept);
}
export const hasToken = () => token !== '';

async function once(method, path, body, signal) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let answer;
  try {
    answer = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refused(0, 'the relay does not answer');
  }
  const value = await answer.json().catch(() => null);
  if (answer.ok) return value;
  throw new Refused(answer.status, value?.error ?? `the relay answered ${answer.status}`);
}

async function ask(method, path, body, signal) {
  for (;;) {
    try {
      return await once(method, path, body, signal);
    } catch (error) {
      if (error.status !== 401 || !askForToken) throw error;
      await askForToken(hasToken());
    }
  }
}

export const get = (path, signal) => ask('GET', path, undefined, signal);
export const post = (path, body, signal) => ask('POST', path, body, signal);

// '?a=1&b=2' of what is set.
export function query(values) {
  const set = Object.entries(values).filter(([, v]) => v !== '' && v !== null && v !== undefined);
  return set.length === 0 ? '' : '?' + new URLSearchParams(set);
}
