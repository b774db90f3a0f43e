/** One call of `prefill`: how many creates are still to start, how many are on their way, and what became of them. */
export class Prefill {
  readonly target: number;
  readonly promise: Promise<number>;
  toStart: number;
  made = 0;
  readonly wanted: number;
  failure: { readonly error: unknown } | undefined = undefined;
  #pending = 0;
  #resolve!: (made: number) => void;
  #reject!: (error: unknown) => void;

  constructor(target: number, toStart: number) {
    this.target = target;
    this.toStart = toStart;
    this.wanted = toStart;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get done(): boolean {
    return this.toStart === 0 && this.#pending === 0;
  }

  /** A create that was in flight before is waited for, so that the size is reached when the promise resolves. */
  join(slot: { joined: Prefill[] | undefined }): void {
    this.#pending += 1;
    (slot.joined ??= []).push(this);
  }

  started(): void {
    this.toStart -= 1;
    this.#pending += 1;
  }

  ended(): void {
    this.#pending -= 1;
  }

  resolve(): void {
    this.#resolve(this.made);
  }

  reject(error: unknown): void {
    this.#reject(error);
  }
}
