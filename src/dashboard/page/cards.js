import { byId, duration, limit, rate, setData, setText, severity, statusWords } from './format.js';
import { drawMiniStrip } from './strip.js';

/** The list of all pools. */
export class Cards {
  #list = byId('cards');
  #elements = new Map();
  #cards = new Map();
  #order = byId('sort');
  #find = byId('find');
  #selected;

  constructor() {
    this.#order.addEventListener('change', () => this.#arrange());
    this.#find.addEventListener('input', () => this.#arrange());
  }

  get all() {
    return [...this.#cards.values()];
  }

  get(key) {
    return this.#cards.get(key);
  }

  /** The pool that needs a look most. */
  get worst() {
    return this.all.sort(byWorst)[0];
  }

  replaceAll(cards) {
    this.#cards = new Map(cards.map(card => [card.key, card]));
    for (const [key, element] of this.#elements) {
      if (this.#cards.has(key)) continue;
      element.remove();
      this.#elements.delete(key);
    }
    this.update(cards);
  }

  update(cards) {
    for (const card of cards) {
      this.#cards.set(card.key, card);
      this.#draw(card);
    }
    this.#arrange();
    const sick = this.all.filter(({ status }) => status !== 'ok').length;
    const count = this.#cards.size;
    setText(
      byId('summary'),
      `${count} ${count === 1 ? 'pool' : 'pools'}${sick === 0 ? ', all well' : `, ${sick} to look at`}`,
    );
    document.title = `${sick === 0 ? '' : `(${sick}) `}Pools`;
  }

  select(key) {
    this.#selected = key;
    for (const [own, element] of this.#elements) {
      const link = element.firstElementChild;
      if (own === key) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    }
  }

  #draw(card) {
    let element = this.#elements.get(card.key);
    if (element === undefined) {
      element = newElement(card);
      this.#elements.set(card.key, element);
      this.#list.append(element);
      this.select(this.#selected);
    }
    const [link] = element.children;
    const { state } = card;
    setData(link, 'status', card.status);
    setText(link.querySelector('.badge'), statusWords[card.status]);
    setData(link.querySelector('.badge'), 'status', card.status);
    drawMiniStrip(link.querySelector('.mini'), card.strip, state);
    setText(link.querySelector('.leased'), `${state.leased}/${limit(state.max)} leased`);
    const waiting = link.querySelector('.waits');
    setText(waiting, state.waiting === 0 ? '' : `${state.waiting} waiting`);
    setText(link.querySelector('.rate'), `${rate(card.perSecond)}/s`);
    setText(link.querySelector('.wait'), `p95 ${duration(card.waitP95)}`);
  }

  /** Order and filter; elements move only when their place changes. */
  #arrange() {
    const compare = { worst: byWorst, name: byName, busy: byBusy }[this.#order.value];
    const wanted = this.#find.value.trim().toLowerCase();
    let place = 0;
    let shown = 0;
    for (const { key, name } of this.all.sort(compare)) {
      const element = this.#elements.get(key);
      if (this.#list.children[place] !== element)
        this.#list.insertBefore(element, this.#list.children[place] ?? null);
      place += 1;
      element.hidden = !name.toLowerCase().includes(wanted);
      if (!element.hidden) shown += 1;
    }
    byId('no-pools').hidden = shown > 0 || this.#cards.size === 0;
  }
}

function newElement(card) {
  const element = document.createElement('li');
  const link = document.createElement('a');
  link.className = 'card';
  link.href = `#pool=${encodeURIComponent(card.key)}`;
  const part = (tag, className) => {
    const child = document.createElement(tag);
    child.className = className;
    return child;
  };
  const head = part('span', 'card-head');
  const name = part('strong', 'card-name');
  name.textContent = card.name;
  head.append(name, part('span', 'badge'));
  const strip = part('span', 'mini');
  strip.setAttribute('aria-hidden', 'true');
  const facts = part('span', 'card-facts');
  facts.append(
    part('span', 'leased'),
    part('span', 'waits'),
    part('span', 'rate'),
    part('span', 'wait'),
  );
  link.append(head, strip, facts);
  element.append(link);
  return element;
}

function byName(a, b) {
  return a.name.localeCompare(b.name, 'en', { numeric: true }) || (a.key < b.key ? -1 : 1);
}

function byWorst(a, b) {
  return severity.indexOf(a.status) - severity.indexOf(b.status) || byName(a, b);
}

/** In coarse steps: pools that are about as busy don't change places all the time. */
function byBusy(a, b) {
  const step = ({ perSecond }) => Math.round(Math.log2(1 + perSecond));
  return step(b) - step(a) || byName(a, b);
}
