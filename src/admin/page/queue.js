// The messages that wait: found, chosen, acted on.
import { get, query } from './api.js';
import { actionBar } from './actions.js';
import { fill, h } from './dom.js';
import { empty, field, head, loading, pager, problem, table, turns, visit } from './parts.js';
import { ago, badge, count, reasonNames, size, next } from './words.js';

const page = 50;
const shown = 20; // recipients of each message: it may have thousands
const columns = (all) => [{ name: 'Chosen', kind: 'pick', head: all }, { name: 'Message' }, { name: 'Recipients' }, { name: 'State' }, { name: 'Last attempt' }, { name: 'Size', kind: 'num' }];
const filters = ['domain', 'sender', 'state', 'reason', 'host', 'older_than'];

function lastOf(m) {
  return m.recipients.map((r) => r.last).find((l) => l && l.result !== 'delivered') ?? m.recipients[0]?.last;
}

function attemptCell(m) {
  const last = lastOf(m), due = m.recipients.map((r) => r.next_attempt).filter(Boolean).sort()[0];
  if (!last) return h('span', { class: 'soft' }, 'not tried yet');
  return h('div', {}, last.reason ? h('code', { class: 'reason' }, last.reason) : badge(last.result),
    h('div', { class: 'said clip', title: last.text }, last.text), due && h('div', { class: 'soft' }, next(due)));
}

function recipientCell(m) {
  const first = m.recipients[0]?.address ?? '', more = m.recipient_count - 1;
  return h('div', {}, h('div', { class: 'clip' }, first), more > 0 && h('div', { class: 'soft' }, `and ${count(more, 'other')}`));
}

function describe(values) {
  const words = { domain: 'to', sender: 'from', state: 'state', reason: 'reason', host: 'at', older_than: 'older than' };
  const set = Object.entries(values).filter(([, v]) => v);
  return set.length === 0 ? 'everything in the queue' : set.map(([k, v]) => `${words[k]} ${v}`).join(', ');
}

export function show(place, { asked }, session) {
  const values = Object.fromEntries(filters.map((f) => [f, asked[f] ?? '']));
  const chosen = new Set();
  const pages = ['']; // the id after which each page begins; the last one is shown
  let messages = [];
  const result = h('div', {}, loading()), actions = h('div');

  const choose = () => (chosen.size > 0
    ? { choice: { ids: [...chosen] }, about: 'the ones chosen' }
    : { choice: describe(values) === 'everything in the queue' ? { all: true } : Object.fromEntries(Object.entries(values).filter(([, v]) => v)), about: describe(values) });

  function drawActions() {
    if (!session.mayAct) return;
    const what = chosen.size > 0 ? `${count(chosen.size, 'message')} chosen` : `All: ${describe(values)}`;
    actions.querySelector('.what').textContent = what;
  }
  function pick(id, box) {
    if (box.checked) chosen.add(id); else chosen.delete(id);
    drawActions();
  }

  const row = (m) => ({
    data: { id: m.id },
    cells: [h('input', { type: 'checkbox', checked: chosen.has(m.id), 'aria-label': `Choose message ${m.id}`, onchange: (e) => pick(m.id, e.target) }),
      h('div', {}, h('a', { href: `#/message/${encodeURIComponent(m.id)}`, class: 'id' }, m.id), h('div', { class: 'clip' }, m.sender || '<> (a report)'), h('div', { class: 'soft' }, ago(m.received_at))),
      recipientCell(m), badge(m.state), attemptCell(m), size(m.size)],
  });

  function draw(more) {
    const all = h('input', { type: 'checkbox', 'aria-label': 'Choose all on this page', onchange: (e) => {
      for (const box of result.querySelectorAll('tbody input')) { box.checked = e.target.checked; pick(box.closest('tr').dataset.id, box); }
    } });
    fill(result, messages.length === 0 ? empty('No message', describe(values) === 'everything in the queue' ? 'is waiting' : `is waiting ${describe(values)}`)
      : [table(columns(all), messages.map(row), 'Messages in the queue'), pager((pages.length - 1) * page, messages.length, more, back, forth)]);
  }
  const order = turns(result);
  async function refresh(byReader = false) {
    const mine = order.take(byReader);
    try {
      const found = await get(`/api/queue${query({ ...values, limit: page + 1, recipients: shown, after: pages.at(-1) })}`);
      if (!order.isLast(mine)) return;
      if (order.disturbs()) return;
      order.drawn();
      messages = found.slice(0, page);
      draw(found.length > page);
    } catch (error) {
      if (order.isLast(mine)) fill(result, problem(error.message));
      throw error;
    }
  }
  function turn() {
    chosen.clear();
    drawActions();
    return refresh(true);
  }
  const back = () => { if (pages.length > 1) pages.pop(); turn(); };
  const forth = () => { pages.push(messages.at(-1).id); turn(); };

  const text = (name, hint) => h('input', { name, type: 'search', value: values[name], placeholder: hint, autocomplete: 'off' });
  const choice = (name, first, all) => h('select', { name }, h('option', { value: '' }, first), all.map((v) => h('option', { value: v, selected: v === values[name] }, v)));
  const form = h('form', { class: 'filters', onsubmit: (e) => { e.preventDefault(); visit('queue', Object.fromEntries(new FormData(e.target))); } },
    field('Recipient domain', text('domain', 'example.com')), field('Sender', text('sender', 'who@example.org')),
    field('State', choice('state', 'any', ['active', 'deferred', 'held'])), field('Reason', choice('reason', 'any', reasonNames())),
    field('Mail server', text('host', 'mx.example.com, .example.com')), field('Older than', text('older_than', '4h')),
    h('button', { class: 'primary' }, 'Find'), h('button', { type: 'button', class: 'link', onclick: () => visit('queue', {}) }, 'Clear'));
  if (session.mayAct) fill(actions, h('div', { class: 'chosen card' }, h('span', { class: 'what' }), actionBar(choose, turn)));
  drawActions();
  fill(place, head('Queue', 'Oldest first. Without a choice, actions mean everything found.'), form, actions, result);
  return { refresh, every: 5000 };
}
