/** The stream of frames: it comes back by itself, and rests while nobody looks at the page. */

const silentAfterMillis = 6000;

export class Connection {
  #source;
  #focus;
  #onFrame;
  #onState;
  #heardAt = 0;
  #state = '';

  constructor(onFrame, onState) {
    this.#onFrame = onFrame;
    this.#onState = onState;
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.#stop('resting');
      else this.open(this.#focus);
    });
    window.setInterval(() => this.#check(), 1000);
  }

  /** Streams all pools, and the details of one. */
  open(focus) {
    this.#focus = focus;
    if (document.hidden) return;
    this.#stop('connecting');
    const query = focus === undefined ? '' : `?pool=${encodeURIComponent(focus)}`;
    const source = new EventSource(`events${query}`);
    this.#source = source;
    this.#heardAt = Date.now();
    for (const type of ['all', 'cards', 'detail', 'beat']) {
      source.addEventListener(type, event => {
        if (source !== this.#source) return;
        this.#heardAt = Date.now();
        this.#tell('live');
        if (type !== 'beat') this.#onFrame(type, JSON.parse(event.data));
      });
    }
    source.onerror = () => {
      if (source === this.#source) this.#tell('lost');
    };
  }

  #stop(state) {
    this.#source?.close();
    this.#source = undefined;
    if (this.#state !== 'lost') this.#tell(state);
  }

  /** A browser tries again after a lost connection, but gives up after an answer that is none. */
  #check() {
    const source = this.#source;
    if (source === undefined) return;
    const silent = Date.now() - this.#heardAt > silentAfterMillis;
    if (silent) this.#tell('lost');
    if (silent || source.readyState === EventSource.CLOSED) this.open(this.#focus);
  }

  #tell(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#onState(state);
  }
}
