import { byId, clock, duration, setText } from './format.js';

const keptEvents = 600;
const shownEvents = 200;

const trouble = new Set([
  'timedOut',
  'rejected',
  'createFailed',
  'validateFailed',
  'resetFailed',
  'destroyFailed',
  'resourceError',
  'permitLost',
  'nestedAcquire',
  'revoking',
  'leaked',
  'revoked',
]);
const leases = new Set([
  'requested',
  'acquired',
  'released',
  'cancelled',
  'validating',
  'validated',
  'resetting',
  'reset',
]);

function groupOf(type) {
  if (trouble.has(type)) return 'trouble';
  return leases.has(type) ? 'leases' : 'life';
}

/** The newest events on top, as many as the server has sent; it leaves routine out when there is too much. */
export class EventLog {
  #list = byId('events');
  #find = byId('event-find');
  #hold = byId('hold');
  #groups = new Set(['trouble', 'life', 'leases']);
  #events = [];
  #seen = 0;
  #missed = 0;

  constructor() {
    for (const button of document.querySelectorAll('[data-group]')) {
      button.addEventListener('click', () => {
        const { group } = button.dataset;
        const on = !this.#groups.has(group);
        if (on) this.#groups.add(group);
        else this.#groups.delete(group);
        button.setAttribute('aria-pressed', String(on));
        this.#draw();
      });
    }
    this.#find.addEventListener('input', () => this.#draw());
    this.#hold.addEventListener('click', () => {
      const on = this.#hold.getAttribute('aria-pressed') !== 'true';
      this.#hold.setAttribute('aria-pressed', String(on));
      if (!on) this.#draw();
    });
  }

  replace(events, seq) {
    this.#events = [];
    this.#missed = 0;
    this.#seen = 0;
    this.#take(events, seq);
    this.#missed = 0;
    this.#draw();
  }

  add(events, seq) {
    if (seq <= this.#seen) return;
    this.#take(events, seq);
    if (this.#hold.getAttribute('aria-pressed') !== 'true') this.#draw();
  }

  #take(events, seq) {
    const fresh = events.filter(event => event.seq > this.#seen);
    this.#missed += Math.max(0, seq - this.#seen - fresh.length);
    this.#events = [...this.#events, ...fresh].slice(-keptEvents);
    this.#seen = Math.max(this.#seen, seq);
  }

  #draw() {
    const wanted = this.#find.value.trim().toLowerCase();
    const shown = [];
    for (
      let index = this.#events.length - 1;
      index >= 0 && shown.length < shownEvents;
      index -= 1
    ) {
      const event = this.#events[index];
      const group = groupOf(event.type);
      if (!this.#groups.has(group)) continue;
      const text = textOf(event);
      if (wanted !== '' && !`${event.type} ${text}`.toLowerCase().includes(wanted)) continue;
      shown.push({ event, group, text });
    }
    while (this.#list.childElementCount > shown.length) this.#list.lastElementChild.remove();
    while (this.#list.childElementCount < shown.length) this.#list.append(newLine());
    for (const [index, { event, group, text }] of shown.entries()) {
      const line = this.#list.children[index];
      if (line.dataset.seq === String(event.seq)) continue;
      line.dataset.seq = String(event.seq);
      line.dataset.group = group;
      const [time, type, rest] = line.children;
      setText(time, clock(event.at));
      setText(type, event.type);
      setText(rest, text);
    }
    const left =
      this.#missed === 0
        ? ''
        : `${this.#missed.toLocaleString('en')} routine events are not shown: too many to read.`;
    setText(byId('events-note'), shown.length === 0 ? 'No such event yet.' : left);
  }
}

function newLine() {
  const line = document.createElement('li');
  line.append(
    document.createElement('time'),
    document.createElement('b'),
    document.createElement('span'),
  );
  return line;
}

function textOf({ id, request, label, reason, millis, error }) {
  return [
    id === undefined ? '' : `slot ${id}`,
    label ?? (request === undefined ? '' : `#${request}`),
    reason ?? '',
    millis === undefined ? '' : duration(millis),
    error ?? '',
  ]
    .filter(part => part !== '')
    .join(' · ');
}
