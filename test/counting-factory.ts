import { map, timer } from 'rxjs';
import type { DestroyReason, Hook } from '../src/index.js';

/** What the tests pool. */
export interface Thing {
  readonly number: number;
}

/** How long each hook takes, and what comes of it; what throws is the hook's failure. Hooks without a word are left out. */
export interface FactoryPlan {
  readonly createMillis?: number;
  readonly validateMillis?: number;
  readonly resetMillis?: number;
  readonly destroyMillis?: number;
  /** Told which attempt it is, from 1. */
  readonly create?: (attempt: number) => void;
  readonly validate?: (thing: Thing) => boolean;
  readonly reset?: (thing: Thing) => void;
  readonly destroy?: (thing: Thing) => void;
}

/**
 * Makes numbered things and keeps books of its own, so that the pool's can be compared with the world outside it.
 * It refuses to touch what it has destroyed, and remembers that it was asked to.
 */
export class CountingFactory {
  readonly made: number[] = [];
  readonly validated: number[] = [];
  readonly reset: number[] = [];
  readonly destroyed: { number: number; reason: DestroyReason }[] = [];
  /** Calls with a resource that must not be touched any more. */
  readonly misuses: string[] = [];
  attempts = 0;
  /** Calls of `create` that have not settled. */
  pending = 0;
  /** The most that ever were alive or being made at once. */
  peak = 0;
  readonly #live = new Set<number>();
  readonly #usable = new Set<number>();
  readonly #plan: FactoryPlan;

  constructor(plan: FactoryPlan = {}) {
    this.#plan = plan;
  }

  get live(): number {
    return this.#live.size;
  }

  create(): Hook<Thing> {
    this.attempts += 1;
    const attempt = this.attempts;
    this.pending += 1;
    this.peak = Math.max(this.peak, this.live + this.pending);
    return after(this.#plan.createMillis, () => {
      this.pending -= 1;
      this.#plan.create?.(attempt);
      const number = this.made.length + 1;
      this.made.push(number);
      this.#live.add(number);
      this.#usable.add(number);
      return { number };
    });
  }

  /** The hooks as options of a pool. */
  get hooks() {
    const { validate, validateMillis, reset, resetMillis } = this.#plan;
    return {
      create: () => this.create(),
      ...((validate ?? validateMillis) === undefined ? {} : { validate: this.#validate }),
      ...((reset ?? resetMillis) === undefined ? {} : { reset: this.#reset }),
      destroy: this.#destroy,
    };
  }

  readonly #validate = (thing: Thing): Hook<boolean> => {
    this.#mustLive(thing);
    this.validated.push(thing.number);
    return after(this.#plan.validateMillis, () => this.#plan.validate?.(thing) ?? true);
  };

  readonly #reset = (thing: Thing): Hook<unknown> => {
    this.#mustLive(thing);
    this.reset.push(thing.number);
    return after(this.#plan.resetMillis, () => this.#plan.reset?.(thing));
  };

  readonly #destroy = (thing: Thing, reason: DestroyReason): Hook<unknown> => {
    this.#mustLive(thing);
    this.#usable.delete(thing.number);
    this.destroyed.push({ number: thing.number, reason });
    return after(this.#plan.destroyMillis, () => {
      this.#live.delete(thing.number);
      this.#plan.destroy?.(thing);
    });
  };

  #mustLive({ number }: Thing): void {
    if (this.#usable.has(number)) return;
    const misuse = `thing ${number} is destroyed already`;
    this.misuses.push(misuse);
    throw new Error(misuse);
  }
}

function after<R>(millis: number | undefined, outcome: () => R): Hook<R> {
  return millis === undefined || millis === 0 ? outcome() : timer(millis).pipe(map(outcome));
}
