// The TLS rules in force: for everybody, for some, and what is held on arrival.
import { get, post } from './api.js';
import { fill, h, toast } from './dom.js';
import { card, empty, head, loading, table } from './parts.js';
import { ago, badge } from './words.js';

const meanings = {
  none: 'never TLS', may: 'TLS if offered, not verified', encrypt: 'TLS always, not verified', dane: 'DANE where the domain has it; else MTA-STS, else TLS if offered',
  'dane-only': 'no delivery without DANE', verify: 'a certificate with the server’s name from a known issuer',
};

function rest(p) {
  const word = (name, value) => value !== null && value !== undefined && h('span', { class: 'lookup' }, `${name} `, badge(String(value)));
  return h('div', {}, word('insecure MX', p.insecure_mx), word('on failure', p.on_failure), word('at least TLS', p.min_protocol),
    p.mta_sts !== null && word('MTA-STS', p.mta_sts ? 'on' : 'off'), p.next_hop && h('span', { class: 'lookup' }, 'by ', h('code', {}, p.next_hop)), p.hold && badge('held'));
}

function end(p) {
  if (!p.until) return h('span', { class: 'soft' }, 'no end');
  const days = Math.ceil((Date.parse(p.until) + 86400000 - Date.now()) / 86400000);
  if (p.ended) return h('span', { class: 'badge bad' }, `ended ${p.until}`);
  return h('span', { class: `badge ${days <= 7 ? 'warn' : 'plain'}`, title: `${days} days left` }, `until ${p.until}`);
}

const columns = [{ name: 'For' }, { name: 'TLS' }, { name: 'Besides' }, { name: 'Why' }, { name: 'Until' }];
const row = (p) => ({
  kind: p.ended ? 'over' : '',
  cells: [h('ul', { class: 'plain' }, p.match.map((m) => h('li', {}, h('code', {}, m)))), p.tls ? h('span', { title: meanings[p.tls] }, badge(p.tls)) : h('span', { class: 'soft' }, 'as for everybody'),
    rest(p), p.note ?? h('span', { class: 'soft' }, 'no note'), end(p)],
});

export function show(place, _, session) {
  const body = h('div', {}, loading());
  async function refresh() {
    const [p, holds] = await Promise.all([get('/api/policies'), get('/api/holds')]);
    const t = p.tls;
    const lift = (r) => h('button', { class: 'small', onclick: async () => {
      try {
        await post('/api/queue/release', { ...(r.domain && { domain: r.domain }), ...(r.sender && { sender: r.sender }), new: true });
        toast('The rule is gone; what it held is released');
      } catch (error) { toast(error.message, 'bad'); }
      refresh();
    } }, 'Release');
    fill(body,
      card('For everybody', h('p', {}, badge(t.policy), ` ${meanings[t.policy] ?? ''}`), rest(t)),
      card('For some, the first that matches', p.policies.length === 0 ? empty('No entry', 'the rules above hold for every domain') : table(columns, p.policies.map(row), 'Entries of policies')),
      card('Held on arrival', holds.length === 0 ? empty('No rule', '“Hold also what arrives later” in the queue makes one')
        : h('ul', { class: 'failures' }, holds.map((r) => h('li', { class: 'line' }, badge('held'), h('span', { class: 'who' }, [r.domain && `to ${r.domain}`, r.sender && `from ${r.sender}`].filter(Boolean).join(', ')), h('span', { class: 'when' }, ago(r.since)), session.mayAct && lift(r))))));
  }
  fill(place, head('Policies', 'From the configuration file; changed there and taken over at reload.'), body);
  return { refresh, every: 15000 };
}
