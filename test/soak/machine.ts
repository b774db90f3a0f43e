import { Subject } from 'rxjs';

/** A resource that holds memory and a handle of the process until it is ended. */
export class Machine {
  /** Made and not ended. */
  static running = 0;

  readonly memory: number[] = new Array<number>(64).fill(0);
  readonly #broken = new Subject<Error>();
  readonly broken$ = this.#broken.asObservable();
  readonly #heartbeat = setInterval(() => undefined, 3_600_000);
  #isEnded = false;

  constructor() {
    Machine.running += 1;
  }

  break(error: Error): void {
    this.#broken.next(error);
  }

  end(keepsHandle = false): void {
    if (this.#isEnded) throw new Error('a machine was ended twice');
    this.#isEnded = true;
    Machine.running -= 1;
    if (!keepsHandle) clearInterval(this.#heartbeat);
  }
}
