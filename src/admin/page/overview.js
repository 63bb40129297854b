// How is the relay doing? One look, kept up to date.
import { get } from './api.js';
import { Charts } from './charts.js';
import { fill, h } from './dom.js';
import { failureItem } from './failures.js';
import { card, empty, head, segments } from './parts.js';
import { age, count, number, short, verified } from './words.js';

function tile(title, value, note, kind = '') {
  return h('div', { class: `tile ${kind}` }, h('div', { class: 'label' }, title), h('div', { class: 'value' }, value), h('div', { class: 'note' }, note));
}

// Of all that was delivered since the start, how much went to a server that proved who it is.
// DANE behind an MX record that is not signed proves less and does not count.
function protection(byLevel, unsecured) {
  const sum = (tally) => Object.values(tally).reduce((a, b) => a + b, 0);
  const all = sum(byLevel);
  if (all === 0) return ['–', 'nothing delivered yet'];
  const safe = sum(Object.fromEntries(Object.entries(byLevel).filter(([level]) => verified.has(level)))) - sum(unsecured);
  return [`${Math.floor((safe / all) * 100)} %`, `${number(safe)} of ${number(all)} to a proven server`];
}

function tiles(s) {
  const q = s.queue;
  return h('div', { class: 'tiles' },
    tile('Delivered', short(s.delivered.per_minute), `in the last minute · ${short(s.delivered.total)} since the start`),
    tile('Verified TLS', ...protection(s.delivered.by_tls_level, s.unsecured_dane)),
    tile('In the queue', short(q.messages), q.messages === 0 ? 'empty' : `oldest ${age(q.oldest_age_s)} · ${count(q.destinations, 'destination')}`),
    tile('Waiting', short(q.deferred), `${count(q.active, 'active', 'active')} · ${number(q.held)} held`, q.deferred > 0 ? 'warn' : ''));
}

function health(h1) {
  const list = (texts) => texts.map((t) => h('li', {}, t));
  if (h1.problems.length > 0) return h('div', { class: 'banner bad', role: 'alert' }, h('strong', {}, 'Not healthy'), h('ul', {}, list(h1.problems)));
  if (h1.warnings.length > 0) return h('div', { class: 'banner warn' }, h('strong', {}, 'Mail flows; have a look at this'), h('ul', {}, list(h1.warnings)));
  return h('div', { class: 'banner good' }, h('strong', {}, 'All is well'), h('span', {}, 'DNSSEC validates, the queue writes, no policy is about to end.'));
}

function bars(rows) {
  const most = Math.max(1, ...rows.map((r) => r.n));
  return h('ul', { class: 'bars' }, rows.map((r) => h('li', {}, h('a', { href: r.href },
    h('span', { class: 'name' }, r.name), h('span', { class: 'n' }, number(r.n)),
    h('meter', { min: 0, max: most, value: r.n, title: r.title ?? '' })))));
}

function waiting(s) {
  const rows = s.reasons.map((r) => ({
    name: r.reason ?? 'nothing wrong so far', n: r.recipients, title: count(r.destinations, 'destination'),
    href: `#/destinations${r.reason ? '?' + new URLSearchParams({ reason: r.reason }) : ''}`,
  }));
  return rows.length === 0 ? empty('The queue is empty') : bars(rows);
}

function fullest(s) {
  const rows = s.destinations.slice(0, 8).map((d) => ({
    name: d.domain, n: d.recipients, title: d.reason ?? '', href: `#/queue?${new URLSearchParams({ domain: d.domain })}`,
  }));
  return rows.length === 0 ? empty('No mail is waiting') : bars(rows);
}

function relays(s) {
  return s.relays.length === 0 ? null : card('Relays on this queue', bars(s.relays.map((r) => ({ name: r.name, n: r.recipients, href: '#/overview' }))));
}

function facts(s) {
  const d = s.dns, c = s.connections;
  const fact = (name, value) => [h('dt', {}, name), h('dd', {}, value)];
  return h('dl', { class: 'facts' },
    fact('DNS answers', `${short(d.secure)} secure, ${short(d.insecure)} insecure, ${short(d.bogus)} bogus, ${short(d.error)} failed`),
    fact('Connections', `${number(c.open)} open, ${number(c.idle)} of them idle; ${short(c.reused)} reuses of ${short(c.opened)}`),
    fact('TLS handshakes', short(c.handshakes)),
    fact('Accepted', `${short(s.accepted.total)} messages; ${short(s.accepted.rejected)} refusals`),
    fact('Given up', short(s.bounced.total)),
    fact('Running for', age(s.uptime_s)));
}

export function show(place, { asked }) {
  let span = asked.span === '24h' ? '24h' : '15m';
  const banner = h('div'), row = h('div'), reasons = h('div'), top = h('div'), last = h('div'), more = h('div'), shared = h('div');
  const flow = h('canvas', { role: 'img', 'aria-label': 'Messages accepted, delivered, deferred and bounced over time' });
  const level = h('canvas', { role: 'img', 'aria-label': 'Deliveries by TLS level over time' });
  let charts = null;

  async function refresh() {
    const [s, history] = await Promise.all([get('/api/status'), get(`/api/history?span=${span}`)]);
    fill(banner, health(s.health));
    fill(row, tiles(s));
    fill(reasons, waiting(s));
    fill(top, fullest(s));
    fill(last, s.failures.length === 0 ? empty('Nothing has failed', 'since the relay was started') : h('ul', { class: 'failures' }, s.failures.slice(0, 4).map(failureItem)));
    fill(more, facts(s));
    fill(shared, relays(s));
    if (!place.isConnected || !flow.isConnected) return;
    charts ??= new Charts(flow, level);
    charts.draw(history);
  }
  const choose = (value) => { span = value; refresh(); };
  fill(place,
    head('Overview', null, segments('Time shown', [['15m', '15 minutes'], ['24h', '24 hours']], span, choose)),
    banner, row,
    h('div', { class: 'two' },
      card('Throughput, messages a minute', h('div', { class: 'chart' }, flow)),
      card('How deliveries were protected, a minute', h('div', { class: 'chart' }, level))),
    h('div', { class: 'two' }, card('Waiting, by reason', reasons), card('Fullest destinations', top)),
    h('div', { class: 'two wide-left' },
      h('section', { class: 'card' }, h('h2', {}, 'Last failures', h('a', { class: 'aside', href: '#/failures' }, 'all')), last),
      card('The relay', more)),
    shared);
  return { refresh, every: 2000, end: () => charts?.end() };
}
