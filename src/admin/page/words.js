// Numbers, times and the relay's words, for people.
import { h } from './dom.js';

const plain = new Intl.NumberFormat('en');
export const number = (n) => plain.format(n);
export const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 }).format;

export function count(n, one, many = one + 's') {
  return `${number(n)} ${n === 1 ? one : many}`;
}

export function age(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} days`;
}

export const sinceSeconds = (time) => (Date.now() - Date.parse(time)) / 1000;

export function ago(time) {
  const s = sinceSeconds(time);
  const text = s < 5 ? 'just now' : `${age(s)} ago`;
  return h('time', { dateTime: time, title: new Date(time).toLocaleString() }, text);
}

export function next(time) {
  const s = -sinceSeconds(time);
  return s <= 0 ? 'due now' : `next in ${age(s)}`;
}

// A server's reply holds its code and status already; our own words don't.
export function said({ code, enhanced, text }) {
  if (code && text?.startsWith(String(code))) return text;
  return [code, enhanced, text].filter(Boolean).join(' ');
}

export function size(octets) {
  for (const [unit, n] of [['MiB', 1 << 20], ['KiB', 1 << 10]]) if (octets >= n) return `${(octets / n).toFixed(1)} ${unit}`;
  return `${octets} B`;
}

export const levels = {
  'dane-ee': 'DANE (the key itself)', 'dane-ta': 'DANE (through an issuer)', 'mta-sts': 'MTA-STS', pkix: 'verified by web PKI',
  encrypted: 'encrypted, not verified', none: 'in the clear',
};
// From the strongest to none, as drawn.
export const levelOrder = ['dane-ee', 'dane-ta', 'mta-sts', 'pkix', 'encrypted', 'none'];
export const verified = new Set(['dane-ee', 'dane-ta', 'mta-sts', 'pkix']);

export function levelBadge(level) {
  return h('span', { class: `badge level-${level}`, title: levels[level] ?? level }, level === 'none' ? 'clear' : level);
}

const kinds = {
  delivered: 'good', deliver: 'good', ok: 'good', secure: 'good', queued: 'plain', active: 'plain', deferred: 'warn', defer: 'warn',
  insecure: 'plain', absent: 'plain', held: 'info', bounced: 'bad', bounce: 'bad', expired: 'bad', fail: 'bad', bogus: 'bad', error: 'bad',
};

export function badge(word) {
  return h('span', { class: `badge ${kinds[word] ?? 'plain'}` }, word);
}

// What reasons mean comes from the relay itself, once, with the index.
let reasons = new Map();
export function learnReasons(all) {
  reasons = new Map(all.map((r) => [r.reason, r]));
}
export const meaning = (reason) => reasons.get(reason)?.meaning ?? '';
export const remedy = (reason) => reasons.get(reason)?.remedy ?? '';
export const reasonNames = () => [...reasons.keys()];
