import { byId, setText } from './format.js';

/** The buttons. They say what they did. */
export class Controls {
  #group = byId('controls');
  #answer = byId('answer');
  #min = byId('min');
  #max = byId('max');
  #key;
  #card;

  constructor() {
    for (const button of this.#group.querySelectorAll('[data-action]')) {
      button.addEventListener('click', () => this.#send({ action: button.dataset.action }));
    }
    byId('resize').addEventListener('submit', event => {
      event.preventDefault();
      const size = input => (input.value === '' ? undefined : Number(input.value));
      this.#send({ action: 'resize', min: size(this.#min), max: size(this.#max) });
    });
  }

  draw(card, enabled) {
    this.#group.hidden = !enabled;
    if (!enabled) return;
    if (card.key !== this.#key) {
      this.#key = card.key;
      setText(this.#answer, '');
      this.#min.value = '';
      this.#max.value = '';
    }
    this.#card = card;
    this.#min.placeholder = String(card.state.min);
    this.#max.placeholder = card.state.max === null ? '∞' : String(card.state.max);
    const { lifecycle } = card.state;
    const closed = lifecycle === 'closed' || lifecycle === 'draining';
    for (const control of this.#group.querySelectorAll('button, input')) control.disabled = closed;
    this.#group.querySelector('[data-action=pause]').hidden = lifecycle === 'paused';
    this.#group.querySelector('[data-action=resume]').hidden = lifecycle !== 'paused';
  }

  async #send(command) {
    const { key } = this.#card;
    setText(this.#answer, '…');
    let answer;
    try {
      const response = await fetch('control', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ pool: key, ...command }),
      });
      answer = (await response.text()).trim();
    } catch {
      answer = 'The server did not answer.';
    }
    if (key !== this.#key) return;
    setText(this.#answer, answer);
  }
}
