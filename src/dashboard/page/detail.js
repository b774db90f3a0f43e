import { Charts } from './charts.js';
import { Controls } from './controls.js';
import { EventLog } from './event-log.js';
import { byId, duration, limit, rate, setData, setText, statusWords } from './format.js';
import { drawLegend, drawQueue, Slots } from './strip.js';

/** Everything about one pool. */
export class Detail {
  #slots = new Slots();
  #charts = new Charts();
  #events = new EventLog();
  #controls = new Controls();
  #openStacks = new Set();

  replace(detail) {
    this.#charts.replace(detail.points);
    this.#events.replace(detail.events, detail.seq);
  }

  repaint() {
    this.#charts.repaint();
  }

  drawCard(card, controls) {
    byId('detail').hidden = false;
    setText(byId('name'), card.name);
    const badge = byId('status');
    setText(badge, statusWords[card.status]);
    setData(badge, 'status', card.status);
    drawReasons(card.reasons);
    const { state } = card;
    setText(byId('figure-leased'), `${state.leased}`);
    byId('figure-leased').dataset.of = `of ${limit(state.max)}`;
    setText(byId('figure-waiting'), String(state.waiting));
    setData(byId('waiting-figure'), 'bad', state.waiting > 0 ? 'yes' : 'no');
    setText(byId('figure-rate'), rate(card.perSecond));
    setText(byId('figure-wait'), duration(card.waitP95));
    setText(byId('figure-failed'), rate(card.failedPerSecond));
    setData(byId('failed-figure'), 'bad', card.failedPerSecond > 0 ? 'yes' : 'no');
    drawLegend(state);
    this.#controls.draw(card, controls);
  }

  draw(detail, card) {
    if (detail.points !== undefined) this.#charts.add(detail.points);
    this.#events.add(detail.events, detail.seq);
    this.#slots.draw(detail, card.state);
    drawQueue(detail.waiters, detail.holders[0], card.state);
    this.#drawHolders(detail.holders);
  }

  #drawHolders(holders) {
    const [body] = byId('holders').tBodies;
    byId('holders').hidden = holders.length === 0;
    byId('no-holders').hidden = holders.length > 0;
    while (body.rows.length > holders.length) body.deleteRow(-1);
    while (body.rows.length < holders.length) {
      const row = body.insertRow();
      for (const className of ['', 'by', 'number', 'number'])
        row.insertCell().className = className;
    }
    for (const [index, holder] of holders.entries()) {
      const [slot, by, held, waited] = body.rows[index].cells;
      setText(slot, String(holder.id));
      this.#drawHolder(by, holder);
      setText(held, duration(holder.held));
      setText(waited, holder.waited === undefined ? '–' : duration(holder.waited));
    }
  }

  #drawHolder(cell, { id, label, stack, waited }) {
    const unknown = waited === undefined ? 'since before the dashboard' : 'without a label';
    const text = label ?? unknown;
    const drawn = `${id} ${text} ${stack ?? ''}`;
    if (cell.dataset.drawn === drawn) return;
    cell.dataset.drawn = drawn;
    if (stack === undefined) {
      cell.replaceChildren(text);
      return;
    }
    const details = document.createElement('details');
    const summary = document.createElement('summary');
    const frames = document.createElement('pre');
    summary.textContent = text;
    frames.textContent = stack;
    details.append(summary, frames);
    details.open = this.#openStacks.has(drawn);
    details.addEventListener('toggle', () => {
      if (details.open) this.#openStacks.add(drawn);
      else this.#openStacks.delete(drawn);
    });
    cell.replaceChildren(details);
  }
}

function drawReasons(reasons) {
  const list = byId('reasons');
  list.hidden = reasons.length === 0;
  while (list.childElementCount > reasons.length) list.lastElementChild.remove();
  while (list.childElementCount < reasons.length) list.append(document.createElement('li'));
  for (const [index, reason] of reasons.entries()) {
    setText(list.children[index], `${reason[0].toUpperCase()}${reason.slice(1)}.`);
  }
}
