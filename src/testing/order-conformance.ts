import { Subscription } from 'rxjs';
import { createPool, type IdleOrder, type Lease, type Pool, type ResourceInfo } from '../index.js';
import { demand, type ConformanceCheck } from './conformance.js';
import { seededRandom } from './random.js';

/** A comparator of idle resources: the one that it puts first is lent first. */
export type IdleComparator = Extract<IdleOrder, (...given: never) => unknown>;

/**
 * What a comparator given as `order` must do, as a list of checks for any test framework: be one order of all
 * resources, the same for each look, and harmless to what it looks at.
 *
 * @example
 * const leastUsed = (a: ResourceInfo, b: ResourceInfo) => a.uses - b.uses;
 * for (const { name, run } of idleOrderConformance(leastUsed)) it(name, run);
 */
export function idleOrderConformance(order: IdleComparator): readonly ConformanceCheck[] {
  return Object.entries(questions).map(([name, ask]) => ({
    name,
    run: async () => {
      ask(order, samples());
    },
  }));
}

type Question = (order: IdleComparator, resources: readonly ResourceInfo[]) => void;

/** Idle resources of all ages and uses, equal ones and the extremes among them. */
function samples(): readonly ResourceInfo[] {
  const random = seededRandom(11);
  const upTo = (most: number) => Math.floor(random() * (most + 1));
  return Array.from({ length: 24 }, (_none, place): ResourceInfo => {
    // Every third is like the one before it in all but its id.
    const now = 1_000_000;
    const ageMillis = place === 0 ? 0 : upTo(place % 2 === 0 ? 3 : 900_000);
    const idleMillis = upTo(ageMillis);
    return Object.freeze({
      id: place + 1,
      state: 'idle',
      createdAt: now - ageMillis,
      lastUsedAt: now - idleMillis,
      ageMillis,
      idleMillis,
      uses: upTo(place % 3),
      stale: place % 7 === 3,
      ...(place % 5 === 4 ? { lastError: new Error('it failed once') } : undefined),
    });
  });
}

const questions: Readonly<Record<string, Question>> = {
  'answers with a number for any two resources': (order, resources) => {
    for (const [a, b] of pairs(resources)) {
      const answer: unknown = order(a, b);
      demand(
        typeof answer === 'number' && !Number.isNaN(answer),
        `the answer for ${a.id} and ${b.id} is ${String(answer)}`,
      );
    }
  },
  'puts no resource before itself': (order, resources) => {
    for (const resource of resources) {
      demand(order(resource, resource) === 0, `resource ${resource.id} is not equal to itself`);
    }
  },
  'says the opposite when asked the other way round': (order, resources) => {
    for (const [a, b] of pairs(resources)) {
      demand(
        Math.sign(order(a, b)) === -Math.sign(order(b, a)),
        `resources ${a.id} and ${b.id} are each before the other, or neither is behind`,
      );
    }
  },
  'has no circles': (order, resources) => {
    for (const [a, b] of pairs(resources)) {
      if (order(a, b) > 0) continue;
      for (const c of resources) {
        demand(
          order(b, c) > 0 || order(a, c) <= 0,
          `resource ${a.id} is before ${b.id}, that before ${c.id}, but the first not before the last`,
        );
      }
    }
  },
  'gives the same answer each time': (order, resources) => {
    const look = () => pairs(resources).map(([a, b]) => Math.sign(order(a, b)));
    const first = look();
    for (let round = 0; round < 3; round += 1) {
      const again = look();
      demand(
        again.every((answer, place) => answer === first[place]),
        'the answers change',
      );
    }
  },
  'changes nothing in what it looks at': (order, resources) => {
    for (const [a, b] of pairs(resources)) {
      const [copyOfA, copyOfB] = [{ ...a }, { ...b }];
      order(copyOfA, copyOfB);
      demand(isSame(copyOfA, a) && isSame(copyOfB, b), `it changed resource ${a.id} or ${b.id}`);
    }
  },
  'decides which resource a pool lends': order => {
    lendFromPool(order);
  },
};

function pairs(resources: readonly ResourceInfo[]): (readonly [ResourceInfo, ResourceInfo])[] {
  return resources.flatMap(a => resources.filter(b => b !== a).map(b => [a, b] as const));
}

function isSame(a: ResourceInfo, b: ResourceInfo): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof ResourceInfo>;
  return [...names].every(name => a[name] === b[name]);
}

/** Nothing idle may come before the one that a pool with this order lends. */
function lendFromPool(order: IdleComparator): void {
  let now = 0;
  const random = seededRandom(5);
  const pool = createPool({
    create: () => 0,
    max: 6,
    order,
    idleTimeoutMillis: Infinity,
    // A clock that stands, moved by hand: nothing of this pool is due at a time.
    scheduler: { now: () => now, schedule: () => Subscription.EMPTY },
  });
  const leases: Lease<number>[] = [];
  for (let step = 0; step < 300; step += 1) {
    now += Math.floor(random() * 50);
    const returned = random() < 0.5 ? leases[Math.floor(random() * leases.length)] : undefined;
    if (returned !== undefined) {
      leases.splice(leases.indexOf(returned), 1);
      void returned.release();
    } else {
      borrow(pool, order, leases);
    }
  }
  demand(pool.state.size > 1, 'the pool never had a choice');
}

function borrow(pool: Pool<number>, order: IdleComparator, leases: Lease<number>[]): void {
  const idle = pool.resources().filter(resource => resource.state === 'idle');
  const lease = pool.tryAcquire();
  if (lease === undefined) {
    if (pool.state.leased < pool.state.max) {
      pool.acquire().subscribe({ next: made => leases.push(made), error: () => undefined });
    }
    return;
  }
  leases.push(lease);
  const lent = idle.find(resource => resource.id === lease.info.id);
  demand(lent !== undefined, `the pool lent resource ${lease.info.id}, which was not idle`);
  for (const other of idle) {
    demand(
      !(order(other, lent) < 0),
      `the pool lent resource ${lent.id}, but ${other.id} comes before it`,
    );
  }
}
