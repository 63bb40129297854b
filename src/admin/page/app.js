// Which view is shown, the line to the relay, and the token where one is demanded. Views are modules with
// show(place, parameters, session) that return { refresh, every, end }: refresh() asks anew, end() lets go.
import { forgetToken, get, hasToken, onTokenNeeded, setToken } from './api.js';
import { fill, h, icon } from './dom.js';
import { learnReasons } from './words.js';
import * as overview from './overview.js';
import * as queue from './queue.js';
import * as destinations from './destinations.js';
import * as failures from './failures.js';
import * as check from './check.js';
import * as policies from './policies.js';
import * as reports from './reports.js';
import * as message from './message.js';

const views = {
  overview: [overview, 'Overview'], queue: [queue, 'Queue'], destinations: [destinations, 'Destinations'],
  failures: [failures, 'Failures'], check: [check, 'Check a domain'], policies: [policies, 'Policies'], reports: [reports, 'TLS reports'],
};
const main = document.getElementById('main');
const session = { mayAct: false, hostname: '' };
let shown = null; // { name, refresh, end }
let timer = 0;

// #/queue?domain=example.com → the view and its parameters
function place() {
  const [path, search = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [name = '', id = ''] = path.split('/');
  return { name: name || 'overview', id: decodeURIComponent(id), asked: Object.fromEntries(new URLSearchParams(search)) };
}

function drawNav(current) {
  fill(document.getElementById('nav'), Object.entries(views).map(([name, [, title]]) =>
    h('a', { href: `#/${name}`, 'aria-current': name === current ? 'page' : undefined }, icon(name), h('span', {}, title))));
}

function live(state, text) {
  const line = document.getElementById('live');
  line.className = `live ${state}`;
  if (line.textContent !== text) line.textContent = text;
}

async function turn() {
  clearTimeout(timer);
  const view = shown;
  if (!document.hidden && view?.refresh) {
    try {
      await view.refresh();
      live('on', 'Live');
    } catch (error) {
      if (error.name !== 'AbortError') live('off', `No answer: ${error.message}`);
    }
  }
  if (view === shown && view?.every) timer = setTimeout(turn, view.every);
}

function go() {
  const { name, id, asked } = place();
  clearTimeout(timer);
  shown?.end?.();
  const known = name === 'message' ? [message, 'Message'] : views[name] ?? views.overview;
  drawNav(name === 'message' ? 'queue' : name);
  document.title = `${known[1]} · ${session.hostname || 'Danelaw'}`;
  fill(main);
  live('on', 'Connected');
  shown = known[0].show(main, { id, asked }, session);
  window.scrollTo(0, 0);
  turn();
}

async function askToken(wrong) {
  const entry = h('input', { type: 'password', autocomplete: 'off', required: true, id: 'token', 'aria-describedby': 'token-help' });
  return new Promise((resolve) => {
    const form = h('form', { method: 'dialog', onsubmit: (e) => {
      e.preventDefault();
      setToken(entry.value);
      dialog.close();
      dialog.remove();
      resolve();
    } },
    h('h2', {}, 'This relay asks for a token'),
    wrong && h('p', { class: 'problem', role: 'alert' }, 'The relay does not know that token.'),
    h('label', { for: 'token' }, 'Token'), entry,
    h('p', { class: 'hint', id: 'token-help' }, 'A line of the file that admin.token_file names. It is kept until this tab is closed.'),
    h('div', { class: 'buttons' }, h('button', { class: 'primary' }, 'Sign in')));
    const dialog = h('dialog', { class: 'ask', oncancel: (e) => e.preventDefault() }, form);
    document.body.append(dialog);
    dialog.showModal();
    entry.focus();
  });
}

let asking = null; // several requests that are refused at once ask once
onTokenNeeded((wrong) => {
  asking ??= askToken(wrong).finally(() => { asking = null; });
  return asking;
});

function drawWho(index) {
  fill(document.getElementById('who'),
    h('div', { class: 'host', title: index.hostname }, index.hostname),
    h('div', {}, `Danelaw ${index.version} · ${index.access}`),
    hasToken() && h('button', { class: 'link', onclick: () => { forgetToken(); location.reload(); } }, 'Sign out'));
}

async function start() {
  drawNav(place().name);
  live('off', 'Connecting');
  for (;;) {
    try {
      const index = await get('/api');
      session.mayAct = index.access === 'admin';
      session.hostname = index.hostname;
      learnReasons(index.reasons);
      drawWho(index);
      live('on', 'Connected');
      break;
    } catch (error) {
      live('off', `No answer: ${error.message}`);
      await new Promise((resolve) => { setTimeout(resolve, 2000); });
    }
  }
  addEventListener('hashchange', go);
  addEventListener('visibilitychange', () => { if (!document.hidden) turn(); });
  go();
}

// The address bar keeps the place: the skip link must not change it.
document.querySelector('.skip').addEventListener('click', (e) => { e.preventDefault(); main.focus(); });
start();
