import type { Pool } from '../index.js';
import type { HealthThresholds } from '../metrics/index.js';
import { PoolFeed } from './pool-feed.js';

/** Something that knows pools by name and may come to know others: a registry. It is asked again and again. */
export interface PoolDirectory {
  /** The names of the pools that it has now. */
  list(): Iterable<string>;
  /** Undefined when it is not there any more. */
  find(name: string): Pool<unknown> | undefined;
}

/** What a dashboard shows: a pool, or all pools of a directory. */
export type PoolSource = Pool<unknown> | PoolDirectory;

/** The feeds of all pools that the sources have at the moment. */
export class Sources {
  readonly #sources: readonly PoolSource[];
  readonly #thresholds: HealthThresholds | undefined;
  readonly #sampleStacks: number;
  readonly #feeds = new Map<Pool<unknown>, PoolFeed>();
  readonly #byKey = new Map<string, PoolFeed>();

  constructor(
    sources: readonly PoolSource[],
    thresholds: HealthThresholds | undefined,
    sampleStacks: number,
  ) {
    this.#sources = sources;
    this.#thresholds = thresholds;
    this.#sampleStacks = sampleStacks;
    this.refresh();
  }

  get feeds(): Iterable<PoolFeed> {
    return this.#feeds.values();
  }

  get(key: string): PoolFeed | undefined {
    return this.#byKey.get(key);
  }

  /** Whether pools have come or gone since the last time. */
  refresh(): boolean {
    const present = new Map<Pool<unknown>, string>();
    for (const source of this.#sources) {
      if (!('list' in source)) present.set(source, source.name);
      else {
        for (const name of source.list()) {
          const pool = source.find(name);
          if (pool !== undefined) present.set(pool, name);
        }
      }
    }
    let changed = false;
    for (const [pool, feed] of this.#feeds) {
      if (present.has(pool)) continue;
      feed.unsubscribe();
      this.#feeds.delete(pool);
      this.#byKey.delete(feed.key);
      changed = true;
    }
    for (const [pool, name] of present) {
      if (this.#feeds.has(pool)) continue;
      const key = this.#keyFor(name);
      const feed = new PoolFeed(key, name, pool, this.#thresholds, this.#sampleStacks);
      this.#feeds.set(pool, feed);
      this.#byKey.set(key, feed);
      changed = true;
    }
    return changed;
  }

  unsubscribe(): void {
    for (const feed of this.#feeds.values()) feed.unsubscribe();
    this.#feeds.clear();
    this.#byKey.clear();
  }

  /** The name; of several pools of one name the later ones have a number. */
  #keyFor(name: string): string {
    let key = name;
    for (let number = 2; this.#byKey.has(key); number += 1) key = `${name}~${number}`;
    return key;
  }
}
