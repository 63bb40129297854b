// One message: who, where to, and what happened at each attempt.
import { get } from './api.js';
import { actionBar } from './actions.js';
import { fill, h, icon } from './dom.js';
import { card, head, loading, problem } from './parts.js';
import { attemptStory } from './story.js';
import { ago, badge, count, levelBadge, meaning, remedy, said, size, next } from './words.js';

function recipient(r) {
  const last = r.last;
  return h('li', { class: 'recipient' },
    h('div', { class: 'line' }, badge(r.state), h('strong', { class: 'who' }, r.address),
      last?.result === 'delivered' && levelBadge(last.tls_level),
      h('span', { class: 'when' }, r.attempts > 0 && count(r.attempts, 'attempt'), r.attempts > 0 && r.next_attempt && ' · ', r.next_attempt && next(r.next_attempt))),
    last && h('p', { class: 'said' }, last.host && h('span', { class: 'host' }, last.host, ': '), said(last)),
    last?.reason && h('p', {}, meaning(last.reason)),
    last?.reason && remedy(last.reason) && h('p', { class: 'remedy' }, h('strong', {}, 'What helps: '), remedy(last.reason)));
}

function facts(t) {
  const c = t.client;
  const fact = (name, value) => value && [h('dt', {}, name), h('dd', {}, value)];
  return h('dl', { class: 'facts' },
    fact('From', t.sender || '<> (a report)'), fact('Received', ago(t.received_at)), fact('Size', size(t.size)),
    fact('Came by', t.origin !== 'client' ? 'this relay itself' : [c.protocol, c.address, c.helo && `as ${c.helo}`, c.user && `signed in as ${c.user}`, c.tls].filter(Boolean).join(', ')),
    fact('Asks for', [t.requiretls && 'REQUIRETLS', t.tls_required_no && 'TLS-Required: No', t.smtputf8 && 'SMTPUTF8', t.body !== '7BIT' && t.body].filter(Boolean).join(', ')));
}

export function show(place, { id }, session) {
  const body = h('div', {}, loading());
  let before = '';
  async function refresh() {
    let t;
    try {
      t = await get(`/api/queue/${encodeURIComponent(id)}/trace`);
    } catch (error) {
      fill(body, problem(error.status === 404 ? 'Neither in the queue nor among the traces kept.' : error.message));
      if (error.status === 404) return;
      throw error;
    }
    const now = JSON.stringify(t);
    if (now === before) return;
    before = now;
    const actions = session.mayAct && t.in_queue && h('div', { class: 'chosen card' }, h('span', { class: 'what' }, 'This message'), actionBar(() => ({ choice: { ids: [id] }, about: `message ${id}` }), refresh));
    fill(body, actions,
      h('div', { class: 'two wide-left' }, card('Recipients', h('ul', { class: 'failures' }, t.recipients.map(recipient))), card('Message', facts(t))),
      h('h2', { class: 'between' }, t.attempts.length === 0 ? 'Not tried yet' : `${count(t.attempts.length, 'attempt')}${t.attempts.length > 1 ? ', the last one first' : ''}`),
      [...t.attempts].reverse().filter((a) => typeof a === 'object').map(attemptStory));
  }
  fill(place, h('a', { class: 'back', href: '#/queue' }, icon('back'), 'Queue'), head(`Message ${id}`), body);
  return { refresh, every: 3000 };
}
