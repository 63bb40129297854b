// Elements from values. Text goes in as text, always: nothing that came from a mail, a server or a DNS record is ever
// read as HTML. The page's content policy forbids it besides.

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'class') element.className = value;
    else if (name === 'data') Object.assign(element.dataset, value);
    else if (name in element && name !== 'list' && name !== 'form') element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return element;
}

const svg = 'http://www.w3.org/2000/svg';

// Strokes on a 24 by 24 grid.
const paths = {
  overview: 'M4 13h6V4H4zM14 20h6v-9h-6zM14 4v3h6V4zM4 20h6v-3H4z',
  queue: 'M4 6h16M4 12h16M4 18h10',
  destinations: 'M12 21s7-5.6 7-11a7 7 0 1 0-14 0c0 5.4 7 11 7 11zM12 12.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z',
  failures: 'M12 9v4.5M12 17h.01M10.3 4.2 2.7 17.5A2 2 0 0 0 4.4 20.5h15.2a2 2 0 0 0 1.7-3L13.7 4.2a2 2 0 0 0-3.4 0z',
  check: 'M12 3 20 6v6c0 4.6-3.2 7.6-8 9-4.8-1.4-8-4.4-8-9V6zM8.7 12l2.3 2.4 4.3-4.6',
  policies: 'M6 3h9l4 4v14H6zM9 11h7M9 15h7M9 7h3',
  reports: 'M4 5h16v14H4zM4 7l8 6 8-6',
  ok: 'm5 12.5 4.5 4.5L19 7.5', bad: 'm6 6 12 12M18 6 6 18', wait: 'M12 7v5l3 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z',
  play: 'M7 5v14l12-7z', pause: 'M8 5v14M16 5v14', open: 'M5 12h14M13 6l6 6-6 6', back: 'M4 12h15M10 6l-6 6 6 6',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5', close: 'm6 6 12 12M18 6 6 18',
};

export function icon(name) {
  const image = document.createElementNS(svg, 'svg');
  image.setAttribute('viewBox', '0 0 24 24');
  image.setAttribute('class', 'icon');
  image.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(svg, 'path');
  path.setAttribute('d', paths[name]);
  image.append(path);
  return image;
}

export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
}

// Tells the one who looks, and who listens, for some seconds.
export function toast(text, kind = 'good') {
  const note = h('div', { class: `toast ${kind}` }, text);
  document.getElementById('toasts').append(note);
  setTimeout(() => note.remove(), kind === 'bad' ? 9000 : 5000);
}
