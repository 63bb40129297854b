// What several views are made of: the head of a page, states of a table, paging.
import { fill, h, icon } from './dom.js';

export function head(title, hint, ...tools) {
  return h('div', { class: 'head' },
    h('div', {}, h('h1', {}, title), hint && h('p', { class: 'hint' }, hint)), h('div', { class: 'tools' }, tools));
}

export function card(title, ...children) {
  return h('section', { class: 'card' }, title && h('h2', {}, title), children);
}

export function empty(title, text) {
  return h('div', { class: 'empty' }, icon('ok'), h('strong', {}, title), text && h('p', {}, text));
}

export const problem = (text) => h('p', { class: 'problem', role: 'alert' }, text);
export const loading = () => h('p', { class: 'hint loading', role: 'status' }, 'Loading …');

// A table whose cells carry their column's name, so that a phone can show rows as cards.
export function table(columns, rows, caption) {
  const cells = (row) => row.cells.map((cell, i) => h('td', { data: { label: columns[i].name }, class: columns[i].kind ?? '' }, cell));
  return h('div', { class: 'scroll' }, h('table', {},
    h('caption', { class: 'unseen' }, caption),
    h('thead', {}, h('tr', {}, columns.map((c) => h('th', { scope: 'col', class: c.kind ?? '' }, c.head ?? c.name)))),
    h('tbody', {}, rows.map((row) => h('tr', { class: row.kind ?? '', data: row.data ?? {} }, cells(row))))));
}

// Which answer may be drawn in `place`: the one to the latest question, and where that was asked by the clock not under the
// fingers of someone on the keyboard, unless it overtook one that the reader asked.
export function turns(place) {
  let last = 0;
  let wanted = false;
  return {
    take: (byReader) => { wanted ||= byReader; return ++last; },
    isLast: (mine) => mine === last,
    disturbs: () => !wanted && place.contains(document.activeElement),
    drawn: () => { wanted = false; },
  };
}

export function pager(from, shown, more, back, forth) {
  const bar = h('div', { class: 'pager' });
  fill(bar,
    h('span', {}, shown === 0 ? '' : `${from + 1}–${from + shown}`),
    h('button', { disabled: from === 0, onclick: back }, 'Previous'),
    h('button', { disabled: !more, onclick: forth }, 'Next'));
  return bar;
}

export function segments(label, choices, chosen, choose) {
  return h('div', { class: 'segments', role: 'group', 'aria-label': label }, choices.map(([value, text]) =>
    h('button', { type: 'button', 'aria-pressed': String(value === chosen), onclick: (e) => {
      for (const other of e.currentTarget.parentElement.children) other.setAttribute('aria-pressed', String(other === e.currentTarget));
      choose(value);
    } }, text)));
}

export function field(label, control) {
  return h('label', { class: 'field' }, h('span', {}, label), control);
}

// Goes to a view with what is set of `asked`.
export function visit(view, asked) {
  const set = Object.entries(asked).filter(([, v]) => v);
  location.hash = `#/${view}${set.length ? '?' + new URLSearchParams(set) : ''}`;
}
