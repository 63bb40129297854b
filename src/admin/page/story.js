// One attempt at one host, told in order: DNS, plan, host, TLS, SMTP. From the same facts that the log has.
import { h, icon } from './dom.js';
import { badge, levelBadge, meaning, remedy } from './words.js';

const plans = {
  dane: 'The server must show a certificate that matches the signed TLSA records, or nothing is sent.',
  encrypt: 'TLS is a must; whose certificate it is can’t be told.',
  'mta-sts': 'The domain’s MTA-STS policy asks for a certificate with the server’s name from a known issuer.',
  pkix: 'The server must show a certificate with its name from a known issuer.',
  may: 'TLS if the server offers it; nothing promises it.',
  none: 'No TLS, by this relay’s policy.',
  skip: 'This host must not be used: what DNS says about it can’t be trusted or could not be learnt.',
};

export function step(kind, title, ...body) {
  const marks = { good: 'ok', bad: 'bad', idle: 'wait' };
  return h('li', { class: `step ${kind}` }, h('span', { class: 'mark' }, icon(marks[kind] ?? 'wait')),
    h('div', {}, h('h4', {}, title), body));
}

const bad = (status) => status === 'bogus' || status === 'error';
const lookup = (name, status) => h('span', { class: 'lookup' }, `${name} `, badge(status ?? 'not-queried'));

// Where the attempt ended: each stage after it was never reached.
function stageOf(a) {
  const dns = a.dns ?? {};
  if (a.requirement === 'skip' || !a.address) return bad(dns.mx) || bad(dns.address) || bad(dns.tlsa) ? 'dns' : 'plan';
  if (a.result === 'delivered' || a.code) return 'smtp';
  if (a.reason === 'connect-failed') return 'host';
  if (['tlsa-invalid', 'certificate-host-mismatch', 'certificate-expired', 'certificate-not-trusted', 'validation-failure', 'tls-handshake-failed',
    'starttls-not-supported'].includes(a.reason)) return 'tls';
  return a.tls?.protocol ? 'smtp' : 'host';
}
const order = ['dns', 'plan', 'host', 'tls', 'smtp'];

function mark(a, stage, at) {
  const here = order.indexOf(stage), end = order.indexOf(at);
  if (here < end) return 'good';
  if (here > end) return 'idle';
  return a.result === 'delivered' ? 'good' : 'bad';
}

function why(a) {
  return [a.text && h('p', { class: 'said' }, a.text), a.reason && h('p', {}, meaning(a.reason)),
    a.reason && remedy(a.reason) && h('p', { class: 'remedy' }, h('strong', {}, 'What helps: '), remedy(a.reason))];
}

function dnsStep(a, at) {
  const dns = a.dns ?? {};
  return step(mark(a, 'dns', at), 'DNS',
    h('p', {}, lookup('MX', dns.mx), lookup('addresses', dns.address), lookup('TLSA', dns.tlsa)),
    a.tlsa?.length > 0 && h('ul', { class: 'records' }, a.tlsa.map((t) => h('li', {}, h('code', {}, t)))),
    at === 'dns' && why(a));
}

function tlsStep(a, at) {
  const t = a.tls ?? {};
  const words = t.protocol ? `${t.protocol}${t.cipher ? `, ${t.cipher}` : ''}` : order.indexOf(at) > 3 ? 'Not used: the conversation went in the clear.' : '';
  return step(mark(a, 'tls', at), 'TLS',
    h('p', {}, t.level && t.protocol && [levelBadge(t.level), ' '], words, t.sni && ` · asked for ${t.sni}`),
    t.matched && h('p', {}, 'Matched ', h('code', {}, typeof t.matched === 'string' ? t.matched : JSON.stringify(t.matched))),
    t.secured === false && h('p', { class: 'remedy' }, 'The MX record itself is not signed: this protects the line to this server, not the choice of it.'),
    at === 'tls' && why(a));
}

function smtpStep(a, at) {
  const replied = [a.code, a.enhanced].filter(Boolean).join(' ');
  const several = a.recipients && `${a.recipients.delivered} delivered, ${a.recipients.deferred} deferred, ${a.recipients.bounced} refused`;
  const kind = mark(a, 'smtp', at);
  return step(kind, 'SMTP', at === 'smtp' ? [replied && h('p', {}, 'The server answered ', h('code', {}, replied)), several && h('p', {}, several), why(a),
    a.possible_duplicate && h('p', { class: 'remedy' }, 'The last reply never came: the message may arrive twice.')] : h('p', { class: 'soft' }, 'Nothing was said.'));
}

export function attemptStory(a) {
  const at = stageOf(a);
  const where = a.address ? `${a.host} · ${a.address} port ${a.port}` : a.host || a.domain;
  return h('article', { class: 'attempt card' },
    h('header', {}, h('div', {}, h('h3', {}, where), h('p', { class: 'soft' }, new Date(a.ts).toLocaleString(), a.ms !== undefined && ` · ${a.ms} ms`, a.reused && ' · over a connection that was open')),
      h('div', {}, badge(a.result), a.reason && h('code', { class: 'reason' }, a.reason))),
    h('ol', { class: 'story' },
      dnsStep(a, at),
      step(mark(a, 'plan', at), 'Plan', h('p', {}, plans[a.requirement] ?? 'No host could be chosen.'), at === 'plan' && why(a)),
      step(mark(a, 'host', at), 'Host', h('p', { class: a.address ? '' : 'soft' }, a.address ? `${a.host} at ${a.address}` : 'Not asked.'), at === 'host' && why(a)),
      tlsStep(a, at), smtpStep(a, at)));
}

export { plans };
