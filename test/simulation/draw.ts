import { seededRandom } from '../../src/testing/random.js';

/** Decisions by a seed: the same seed, the same decisions in the same order. */
export class Draw {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** From 0 up to, not including, 1. */
  share(): number {
    return this.#random();
  }

  /** A whole number from 0 up to, not including, the limit. */
  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  /** A whole number, both ends included. */
  between(from: number, upTo: number): number {
    return from + this.below(upTo - from + 1);
  }

  chance(share: number): boolean {
    return this.#random() < share;
  }

  one<Value>(...values: readonly Value[]): Value {
    return values[this.below(values.length)] as Value;
  }

  /** One of the names, each as often as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    let total = 0;
    for (const name in weights) total += weights[name];
    let left = this.#random() * total;
    let chosen: Name | undefined;
    for (const name in weights) {
      chosen = name;
      left -= weights[name];
      if (left < 0) break;
    }
    return chosen as Name;
  }

  /** A seed for somebody else, so that one's decisions do not shift another's. */
  seed(): number {
    return Math.floor(this.#random() * 2 ** 32);
  }
}
