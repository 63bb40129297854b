// Where mail waits and why. The relay pages: a hundred thousand destinations are as quick as ten.
import { get, query } from './api.js';
import { act } from './actions.js';
import { fill, h } from './dom.js';
import { empty, field, head, loading, pager, problem, table, turns, visit } from './parts.js';
import { ago, number, reasonNames } from './words.js';

const page = 50;
const columns = [{ name: 'Destination' }, { name: 'Waiting', kind: 'num' }, { name: 'Why' }, { name: 'Oldest' }, { name: 'Actions', kind: 'acts', head: '' }];

export function show(place, { asked }, session) {
  let offset = 0;
  const result = h('div', {}, loading());
  const contains = h('input', { type: 'search', value: asked.contains ?? '', placeholder: 'part of a name', autocomplete: 'off' });
  const reason = h('select', {}, h('option', { value: '' }, 'any reason'), reasonNames().map((r) => h('option', { value: r, selected: r === asked.reason }, r)));

  const row = (d) => ({
    cells: [h('a', { href: `#/queue?${new URLSearchParams({ domain: d.domain })}` }, d.domain), number(d.recipients),
      d.reason ? h('code', { class: 'reason' }, d.reason) : h('span', { class: 'soft' }, 'nothing wrong so far'), ago(d.oldest_at),
      h('div', { class: 'acts' },
        session.mayAct && h('button', { class: 'small', onclick: () => act('flush', { domain: d.domain }, `mail to ${d.domain}`).then((done) => done && refresh(true)) }, 'Try now'),
        h('a', { class: 'button small', href: `#/check?${new URLSearchParams({ domain: d.domain })}` }, 'Check'))],
  });

  const order = turns(result);
  async function refresh(byReader = false) {
    const mine = order.take(byReader);
    try {
      const found = await get(`/api/destinations${query({ contains: contains.value.trim(), reason: reason.value, limit: page, offset })}`);
      if (!order.isLast(mine)) return;
      const rows = found.destinations;
      if (order.disturbs() && rows.length > 0) return;
      order.drawn();
      fill(result, rows.length === 0 ? empty('No destination', contains.value || reason.value ? 'matches' : 'has mail waiting')
        : [table(columns, rows.map(row), 'Destinations with mail in the queue'),
          pager(offset, rows.length, found.more, () => turn(-page), () => turn(page))]);
    } catch (error) {
      if (order.isLast(mine)) fill(result, problem(error.message));
      throw error;
    }
  }
  function turn(by) {
    offset = Math.max(0, offset + by);
    return refresh(true);
  }
  const search = () => { offset = 0; refresh(true); };
  let typing = 0;
  contains.addEventListener('input', () => { clearTimeout(typing); typing = setTimeout(search, 200); });
  reason.addEventListener('change', search);
  fill(place,
    head('Destinations', 'Domains with mail in the queue, the fullest first.'),
    h('form', { class: 'filters', onsubmit: (e) => { e.preventDefault(); search(); } }, field('Name', contains), field('Why it waits', reason),
      h('button', { type: 'button', class: 'link', onclick: () => visit('destinations', {}) }, 'Clear')),
    result);
  return { refresh, every: 5000, end: () => clearTimeout(typing) };
}
