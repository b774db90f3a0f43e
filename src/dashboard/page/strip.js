import { byId, duration, letters, places, plural, setData, setText } from './format.js';

/** A small strip of slots, one cell for each letter. */
export function drawMiniStrip(element, strip, state) {
  const max =
    Number.isFinite(state.max) && state.max !== null ? Math.min(state.max, 60) : strip.length;
  const wanted = Math.max(strip.length, max);
  while (element.childElementCount > wanted) element.lastElementChild.remove();
  while (element.childElementCount < wanted) element.append(document.createElement('i'));
  for (let index = 0; index < wanted; index += 1) {
    setData(element.children[index], 'state', letters[strip[index]] ?? 'free');
  }
}

/** The slots of the pool that is looked at: what each does, for how long, and who has it. */
export class Slots {
  #list = byId('slots');
  #facts = byId('slot-facts');
  #hint = byId('slot-facts').textContent;
  #slots = [];
  #current;

  constructor() {
    this.#list.addEventListener('pointerover', event => this.#show(this.#slotOf(event.target)));
    this.#list.addEventListener('pointerleave', () => this.#show(undefined));
    this.#list.addEventListener('focusin', event => {
      this.#show(event.target === this.#list ? 0 : this.#slotOf(event.target));
    });
    this.#list.addEventListener('focusout', () => this.#show(undefined));
    this.#list.addEventListener('keydown', event => this.#move(event));
  }

  draw(detail, state) {
    const free = Number.isFinite(state.max) && state.max !== null ? Math.min(state.max, 400) : 0;
    const shown = [
      ...detail.slots,
      ...Array.from({ length: Math.min(state.creating, 100) }, () => ({ state: 'creating' })),
    ];
    while (shown.length < free) shown.push({ state: 'free' });
    this.#slots = shown;
    while (this.#list.childElementCount > shown.length) this.#list.lastElementChild.remove();
    while (this.#list.childElementCount < shown.length) this.#list.append(newCell());
    setData(
      this.#list,
      'size',
      shown.length > 120 ? 'tiny' : shown.length > 40 ? 'small' : 'large',
    );
    for (const [index, slot] of shown.entries()) {
      const cell = this.#list.children[index];
      setData(cell, 'state', slot.state);
      setData(cell, 'stale', slot.stale === true ? 'yes' : 'no');
      setText(cell.firstElementChild, slot.id === undefined ? '' : String(slot.id));
      setText(cell.lastElementChild, slot.state === 'leased' ? duration(slot.since) : '');
      const label = sentenceOf(slot);
      if (cell.getAttribute('aria-label') !== label) cell.setAttribute('aria-label', label);
    }
    if (this.#current !== undefined) this.#show(this.#current);
  }

  #slotOf(target) {
    const cell = target.closest?.('li');
    return cell === null || cell === undefined ? undefined : [...this.#list.children].indexOf(cell);
  }

  #show(index) {
    this.#current = index;
    const slot = index === undefined ? undefined : this.#slots[index];
    setText(this.#facts, slot === undefined ? this.#hint : sentenceOf(slot));
    setData(this.#facts, 'live', slot === undefined ? 'no' : 'yes');
  }

  #move(event) {
    const last = this.#list.childElementCount - 1;
    const from = this.#slotOf(document.activeElement) ?? -1;
    const to = {
      ArrowRight: from + 1,
      ArrowDown: from + 1,
      ArrowLeft: from - 1,
      ArrowUp: from - 1,
      Home: 0,
      End: last,
    }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.#list.children[Math.min(Math.max(to, 0), last)].focus();
  }
}

export function drawLegend(state) {
  const legend = byId('legend');
  while (legend.childElementCount < places.length) {
    const item = document.createElement('li');
    item.append(document.createElement('i'), document.createElement('span'));
    legend.append(item);
  }
  for (const [index, place] of places.entries()) {
    const item = legend.children[index];
    setData(item.firstElementChild, 'state', place);
    setText(item.lastElementChild, `${state[place]} ${place}`);
    setData(item, 'none', state[place] === 0 ? 'yes' : 'no');
  }
}

export function drawQueue(waiters, longest, state) {
  byId('queue').hidden = state.waiting === 0;
  if (state.waiting === 0) return;
  const dots = byId('queue-dots');
  const wanted = Math.min(state.waiting, 60);
  while (dots.childElementCount > wanted) dots.lastElementChild.remove();
  while (dots.childElementCount < wanted) dots.append(document.createElement('i'));
  const who = waiters.labels
    .map(([label, count]) => `${label === '' ? 'without a label' : label} × ${count}`)
    .join(', ');
  const oldest = waiters.oldest > 0 ? `, the oldest for ${duration(waiters.oldest)}` : '';
  const queue = `${plural(state.waiting, 'request')} waiting${oldest}${who === '' ? '' : `: ${who}`}.`;
  const held =
    longest === undefined
      ? ''
      : ` Held for longest: slot ${longest.id}, ${longest.label ?? 'without a label'}, for ${duration(longest.held)}.`;
  setText(byId('queue-text'), queue + held);
}

function newCell() {
  const cell = document.createElement('li');
  cell.tabIndex = -1;
  cell.append(document.createElement('b'), document.createElement('small'));
  return cell;
}

function sentenceOf(slot) {
  if (slot.state === 'free') return 'Free: nothing is made here yet';
  if (slot.state === 'creating') return 'A resource is being created';
  const doing = {
    leased: `leased for ${duration(slot.since)}${slot.label === undefined ? '' : ` by ${slot.label}`}`,
    idle: `idle for ${duration(slot.since)}`,
  };
  const stale = slot.stale === true ? ', to be retired' : '';
  return `Slot ${slot.id}: ${doing[slot.state] ?? slot.state}, ${plural(slot.uses, 'use')}, ${duration(slot.age)} old${stale}`;
}
