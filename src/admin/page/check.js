// What would delivery do for a domain right now? The relay's own planner and verifier answer.
import { post } from './api.js';
import { fill, h } from './dom.js';
import { card, empty, field, head, problem, visit } from './parts.js';
import { plans, step } from './story.js';
import { badge, levelBadge, meaning } from './words.js';

const verdicts = { deliver: ['good', 'Mail would be delivered'], defer: ['warn', 'Mail would wait'], bounce: ['bad', 'Mail would be returned'] };

function record(r) {
  return h('li', { class: r.usable ? '' : 'soft' }, h('code', {}, `${r.usage} ${r.selector} ${r.matching} ${r.data.length > 40 ? `${r.data.slice(0, 40)}…` : r.data}`), !r.usable && ` not usable: ${r.why ?? ''}`);
}

function certificate(chain) {
  const leaf = chain?.[0];
  if (!leaf) return null;
  return h('p', { class: 'soft' }, `Certificate ${leaf.subject}, ${leaf.key}, until ${leaf.not_after.slice(0, 10)}; names ${leaf.names.join(', ') || 'none'}`);
}

function probe(p) {
  const matched = p.matched && `${p.matched.usage} ${p.matched.selector} ${p.matched.matching} at depth ${p.matched.depth}`;
  return step(p.verdict === 'ok' ? 'good' : 'bad', `Asked ${p.address}`,
    h('p', {}, p.verdict === 'ok' ? [levelBadge(p.level), ' '] : [h('code', { class: 'reason' }, p.reason), ' '], p.starttls ? 'offers STARTTLS' : 'offers no STARTTLS', p.protocol && ` · ${p.protocol}, ${p.cipher}`),
    matched && h('p', {}, 'Matched TLSA ', h('code', {}, matched)), certificate(p.chain),
    p.text && h('p', { class: 'said' }, p.text), p.verdict !== 'ok' && h('p', {}, meaning(p.reason)));
}

function host(x) {
  const skipped = x.requirement === 'skip';
  return h('article', { class: 'attempt card' },
    h('header', {}, h('div', {}, h('h3', {}, x.name), h('p', { class: 'soft' }, `preference ${x.preference}, port ${x.port}`)), h('div', {}, badge(x.requirement))),
    h('ol', { class: 'story' },
      step(['bogus', 'error'].includes(x.address_status) || ['bogus', 'error'].includes(x.tlsa_status) ? 'bad' : 'good', 'DNS',
        h('p', {}, h('span', { class: 'lookup' }, 'addresses ', badge(x.address_status)), h('span', { class: 'lookup' }, 'TLSA ', badge(x.tlsa_status)), x.addresses.join(', ')),
        x.tlsa.length > 0 && h('ul', { class: 'records' }, x.tlsa.map(record))),
      step(skipped ? 'bad' : 'good', 'Plan', h('p', {}, plans[x.requirement] ?? x.requirement), x.why && h('p', { class: 'said' }, x.why)),
      x.probes.length === 0 ? step('idle', 'Host', h('p', { class: 'soft' }, 'Not asked.')) : x.probes.map(probe)));
}

function sts(m) {
  if (!m.announced) return 'not announced';
  return [m.mode ? `${m.mode}; for ${m.mx.join(', ')}` : 'announced', m.reason && ` · ${m.reason}`, m.text && ` · ${m.text}`];
}

function report(r) {
  const [kind, words] = verdicts[r.verdict];
  const list = (title, all) => all.length > 0 && card(title, h('ul', { class: 'plain' }, all.map((t) => h('li', {}, t))));
  return [
    h('div', { class: `banner ${kind}`, role: 'status' }, h('strong', {}, `${words}: ${r.domain}`), h('span', {}, r.text), r.verdict === 'deliver' && r.level !== 'none' ? levelBadge(r.level) : r.reason && h('code', { class: 'reason' }, r.reason)),
    list('What the domain’s operator should mend', r.advice), list('Noted', r.notes),
    card('The domain', h('dl', { class: 'facts' },
      h('dt', {}, 'Policy here'), h('dd', {}, badge(r.policy)), h('dt', {}, 'MX records'), h('dd', {}, badge(r.mx.status), r.mx.null_mx && ' says that it takes no mail'),
      h('dt', {}, 'MTA-STS'), h('dd', {}, sts(r.mta_sts)))),
    r.hosts.map(host),
  ];
}

export function show(place, { asked }, session) {
  const result = h('div', { 'aria-live': 'polite' });
  const domain = h('input', { name: 'domain', type: 'search', required: true, value: asked.domain ?? '', placeholder: 'example.com or somebody@example.com', autocomplete: 'off' });
  const probing = h('input', { name: 'probe', type: 'checkbox', checked: asked.probe !== 'no' });
  const button = h('button', { class: 'primary' }, 'Check');
  const stop = new AbortController();
  let clock = 0;

  async function run() {
    button.disabled = true;
    const began = Date.now();
    const wait = h('p', { class: 'hint loading', role: 'status' }, 'Asking DNS and the mail servers …');
    clock = setInterval(() => { wait.textContent = `Asking DNS and the mail servers … ${Math.round((Date.now() - began) / 1000)} s`; }, 1000);
    fill(result, wait);
    try {
      fill(result, report(await post('/api/check', { domain: domain.value.trim(), probe: probing.checked }, stop.signal)));
    } catch (error) {
      if (error.name !== 'AbortError') fill(result, problem(error.message));
    } finally {
      clearInterval(clock);
      button.disabled = false;
    }
  }
  fill(place,
    head('Check a domain', 'What delivery would do right now, by the same code. Nothing is sent: EHLO, STARTTLS, verification, QUIT.'),
    session.mayAct ? h('form', { class: 'filters', onsubmit: (e) => {
      e.preventDefault();
      const before = location.hash;
      visit('check', { domain: domain.value.trim(), probe: probing.checked ? '' : 'no' });
      if (location.hash === before) run();
    } }, field('Domain', domain), h('label', { class: 'tick' }, probing, h('span', {}, 'Ask the mail servers too')), button)
      : empty('A check dials out', 'so that it needs an admin token'),
    result);
  if (asked.domain && session.mayAct) run();
  else domain.focus();
  return { end: () => { stop.abort(); clearInterval(clock); } };
}
