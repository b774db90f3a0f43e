import { Observable, type Subscriber } from 'rxjs';
import { describe, it } from 'vitest';
import type { Permit, PermitSource, ResourceInfo } from '../src/index.js';
import { idleOrderConformance, permitSourceConformance } from '../src/testing/index.js';

/** The budget under test: so many permits, for whoever comes first. */
function localPermits(limit: number): PermitSource {
  let free = limit;
  const waiting: Subscriber<Permit>[] = [];
  const give = (subscriber: Subscriber<Permit>) => {
    free -= 1;
    subscriber.next({
      release: () => {
        free += 1;
        const next = waiting.shift();
        if (next !== undefined) give(next);
      },
    });
  };
  return {
    acquire: () =>
      new Observable(subscriber => {
        if (free > 0) give(subscriber);
        else waiting.push(subscriber);
        return () => {
          const place = waiting.indexOf(subscriber);
          if (place >= 0) waiting.splice(place, 1);
        };
      }),
  };
}

describe('localPermits', () => {
  const make = (limit: number) => ({ source: localPermits(limit) });
  for (const { name, run } of permitSourceConformance({ make, fifo: true })) it(name, run);
});

describe('the order by uses', () => {
  const leastUsed = (a: ResourceInfo, b: ResourceInfo) => a.uses - b.uses;
  for (const { name, run } of idleOrderConformance(leastUsed)) it(name, run);
});
