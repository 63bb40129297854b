// What went wrong last, in words that say who has to do what.
import { get } from './api.js';
import { fill, h } from './dom.js';
import { empty, head, loading } from './parts.js';
import { ago, badge } from './words.js';

export const domainOf = (address) => address.slice(address.lastIndexOf('@') + 1);

export function failureItem(f) {
  const domain = domainOf(f.recipient);
  return h('li', { class: `failure ${f.result}` },
    h('div', { class: 'line' }, badge(f.result), f.reason && h('code', { class: 'reason' }, f.reason), h('span', { class: 'who' }, f.recipient), h('span', { class: 'when' }, ago(f.ts))),
    f.meaning && h('p', {}, f.meaning),
    f.text && h('p', { class: 'said' }, f.host && h('span', { class: 'host' }, f.host, ': '), f.text),
    f.remedy && h('p', { class: 'remedy' }, h('strong', {}, 'What helps: '), f.remedy),
    h('div', { class: 'links' },
      f.id && h('a', { href: `#/message/${encodeURIComponent(f.id)}` }, 'The whole story'),
      h('a', { href: `#/check?${new URLSearchParams({ domain })}` }, `Check ${domain}`)));
}

export function show(place) {
  const list = h('div', {}, loading());
  let before = '';
  async function refresh() {
    const all = await get('/api/failures?limit=200');
    const now = JSON.stringify(all);
    if (now === before) return; // nothing moves under a reader's eyes
    before = now;
    fill(list, all.length === 0 ? empty('Nothing has failed', 'since the relay was started') : h('ul', { class: 'failures card' }, all.map(failureItem)));
  }
  fill(place, head('Failures', 'The last 200 since the relay was started, newest first.'), list);
  return { refresh, every: 5000 };
}
