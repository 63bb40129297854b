// What an operator does to the queue: first what it would touch, then a question in plain words, then the deed. "Try
// now" is blue and takes nothing away; what can't be undone is red, stands apart and asks for a tick.
import { post } from './api.js';
import { h, toast } from './dom.js';
import { count } from './words.js';

const kinds = {
  flush: { title: 'Try now', button: 'Try now', done: 'due now', what: 'Delivery is tried at once. Nothing is taken away.' },
  hold: { title: 'Hold', button: 'Hold', done: 'held', what: 'Kept in the queue, not tried until it is released.' },
  release: { title: 'Release', button: 'Release', done: 'released', what: 'No longer held, and tried at once.' },
  bounce: { title: 'Give up and tell the sender', button: 'Bounce', done: 'bounced', grave: 'Send the reports: the mail will not be delivered',
    what: 'Each sender gets a report that the mail was not delivered. This can’t be undone.' },
  delete: { title: 'Delete for good', button: 'Delete', done: 'deleted', grave: 'Delete it: nobody is told, and it can’t be brought back',
    what: 'The mail is gone, and nobody is told: neither sender nor recipient.' },
};

function touched(answer) {
  const recipients = answer.recipients === answer.messages ? '' : `, ${count(answer.recipients, 'recipient')}`;
  return `${count(answer.messages, 'message')}${recipients}`;
}

function extras(action, choice) {
  if (action === 'bounce') {
    const text = h('input', { type: 'text', placeholder: 'Returned by the operator of this relay', maxLength: 300 });
    return { nodes: [h('label', { class: 'field' }, h('span', {}, 'What the sender is told'), text)], read: () => (text.value.trim() ? { text: text.value.trim() } : {}) };
  }
  const named = Object.keys(choice).filter((k) => choice[k]);
  if ((action === 'hold' || action === 'release') && named.length > 0 && named.every((k) => k === 'domain' || k === 'sender')) {
    const arrivals = h('input', { type: 'checkbox' });
    const words = action === 'hold' ? 'Hold also what arrives later' : 'End the rule that holds what arrives';
    return { nodes: [h('label', { class: 'tick' }, arrivals, h('span', {}, words))], read: () => (arrivals.checked ? { new: true } : {}) };
  }
  return { nodes: [], read: () => ({}) };
}

// Resolves to what else is to be sent, or null.
function question(action, choice, about, preview) {
  const kind = kinds[action];
  const more = extras(action, choice);
  return new Promise((resolve) => {
    const tick = kind.grave && h('input', { type: 'checkbox', required: true });
    const go = h('button', { class: kind.grave ? 'danger' : 'primary', disabled: Boolean(kind.grave), value: 'go' }, `${kind.button}: ${count(preview.messages, 'message')}`);
    tick?.addEventListener('change', () => { go.disabled = !tick.checked; });
    const cancel = h('button', { type: 'button', onclick: () => dialog.close('') }, 'Cancel');
    const dialog = h('dialog', { class: `ask ${kind.grave ? 'grave' : ''}`, 'aria-labelledby': 'ask-title' },
      h('form', { method: 'dialog' },
        h('h2', { id: 'ask-title' }, kind.title),
        h('p', {}, h('strong', {}, touched(preview)), ` — ${about}`),
        h('p', { class: 'hint' }, kind.what),
        more.nodes,
        tick && h('label', { class: 'tick' }, tick, h('span', {}, kind.grave)),
        h('div', { class: 'buttons' }, cancel, go)));
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'go' ? more.read() : null);
    });
    document.body.append(dialog);
    dialog.showModal();
    cancel.focus(); // Enter by accident does nothing
  });
}

// The whole way. True when something was done.
export async function act(action, choice, about) {
  try {
    const preview = await post(`/api/queue/${action}`, { ...choice, dry_run: true });
    const nothing = preview.messages === 0;
    const rule = (action === 'hold' || action === 'release') && !choice.ids;
    if (nothing && !rule) {
      toast(`Nothing to do: ${about}`, 'plain');
      return false;
    }
    const more = await question(action, choice, about, preview);
    if (more === null) return false;
    const answer = await post(`/api/queue/${action}`, { ...choice, ...more });
    toast(`${touched(answer)} ${kinds[action].done}`);
    return true;
  } catch (error) {
    toast(error.message, 'bad');
    return false;
  }
}

export function actionBar(choose, after) {
  const button = (action, kind = '') => h('button', { class: kind, data: { action }, onclick: async () => {
    const { choice, about } = choose();
    if (await act(action, choice, about)) after();
  } }, kinds[action].button + (kinds[action].grave ? ' …' : ''));
  return h('div', { class: 'bar', role: 'toolbar', 'aria-label': 'Queue actions' },
    button('flush', 'primary'), button('hold'), button('release'),
    h('span', { class: 'apart' }), button('bounce', 'danger quiet'), button('delete', 'danger quiet'));
}
