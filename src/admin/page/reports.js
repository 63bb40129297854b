// TLS reports of a day: what this relay tells other domains about its sessions with them.
import { get, query } from './api.js';
import { fill, h } from './dom.js';
import { empty, field, head, loading, problem, table } from './parts.js';
import { badge, number } from './words.js';

const columns = [{ name: 'Domain' }, { name: 'State' }, { name: 'To' }, { name: 'Sessions that worked', kind: 'num' }, { name: 'that failed', kind: 'num' }];

function totals(report) {
  return (report.policies ?? []).reduce(([ok, bad], p) => [ok + (p.summary?.['total-successful-session-count'] ?? 0), bad + (p.summary?.['total-failure-session-count'] ?? 0)], [0, 0]);
}

function row(r) {
  const [ok, bad] = totals(r.report);
  return { cells: [r.domain, h('div', {}, badge(r.state), r.text && h('div', { class: 'said' }, r.text)), r.to || h('span', { class: 'soft' }, 'not sent yet'), number(ok), bad > 0 ? h('strong', {}, number(bad)) : '0'] };
}

export function show(place) {
  const body = h('div', {}, loading());
  const today = new Date().toISOString().slice(0, 10);
  const day = h('input', { type: 'date', value: new Date(Date.now() - 86400000).toISOString().slice(0, 10), max: today });
  async function refresh() {
    try {
      const all = await get(`/api/tlsrpt${query({ day: day.value })}`);
      fill(body, all.length === 0 ? empty('No report', 'for that day: no session with a domain that wants reports') : table(columns, all.map(row), 'TLS reports'));
    } catch (error) {
      fill(body, problem(error.message));
    }
  }
  day.addEventListener('change', refresh);
  fill(place, head('TLS reports', 'What went well and what failed, told once a day to domains that ask for it.'), h('form', { class: 'filters', onsubmit: (e) => e.preventDefault() }, field('Day (UTC)', day)), body);
  return { refresh, every: 0 };
}
