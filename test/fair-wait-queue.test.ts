import { describe, expect, it } from 'vitest';
import { FairWaitQueue } from '../src/internal/fair-wait-queue.js';
import { seededRandom } from '../src/testing/random.js';
import { SilentRequest } from './silent-request.js';

describe('the fair queue of waiters', () => {
  it('has nobody first or newest while it is empty', () => {
    const queue = new FairWaitQueue<string>(Infinity, true);
    expect(queue.first(0)).toBeUndefined();
    expect(queue.newest(0)).toBeUndefined();
    expect([...queue]).toEqual([]);
  });

  it('goes through everybody, the better priority first, and by label in the order of arrival', () => {
    const queue = new FairWaitQueue<string>(Infinity, true);
    const labels = ['a', 'b', 'a', 'b', 'a'];
    [3, 1, 3, 1, 2].forEach((priority, index) => {
      queue.push(new SilentRequest(index, 0, { label: labels[index] ?? '' }), priority);
    });
    expect([...queue].map(({ id }) => id)).toEqual([1, 3, 4, 0, 2]);
    // To look at it changes nothing.
    expect(queue.first(0)?.id).toBe(1);
    expect(queue.newest(0)?.id).toBe(3);
  });

  it('says whether the one that leaves was in, and lets it leave once', () => {
    const queue = new FairWaitQueue<string>(Infinity, true);
    const [inside, stranger] = [new SilentRequest(1), new SilentRequest(2)] as const;
    queue.push(inside, 0);
    expect(queue.remove(stranger)).toBe(false);
    expect(inside.pending).toBe(true);
    expect(queue.remove(inside)).toBe(true);
    expect(inside.pending).toBe(false);
    expect(queue.remove(inside)).toBe(false);
    expect(queue.first(0)).toBeUndefined();
  });

  it.each([
    { seed: 1, ageing: Infinity, byLabel: true },
    { seed: 2, ageing: 10, byLabel: true },
    { seed: 3, ageing: 25, byLabel: false },
    { seed: 4, ageing: 1, byLabel: true },
  ])('agrees with looking at everybody (seed $seed, ageing $ageing, labels $byLabel)', row => {
    const { seed, ageing, byLabel } = row;
    const random = seededRandom(seed);
    const below = (limit: number): number => Math.floor(random() * limit);
    const queue = new FairWaitQueue<string>(ageing, byLabel);
    const held = new Map<string, number>();
    let inside: { request: SilentRequest; priority: number; label: string }[] = [];
    for (let now = 0; now < 600; now += 1) {
      const label = 'abc'[below(3)] ?? 'a';
      const choice = random();
      if (choice < 0.45) {
        const entry = {
          request: new SilentRequest(now, now, { label }),
          priority: below(4),
          label,
        };
        queue.push(entry.request, entry.priority);
        inside.push(entry);
      } else if (choice < 0.7) {
        const change = (held.get(label) ?? 0) > 0 && random() < 0.5 ? -1 : 1;
        held.set(label, (held.get(label) ?? 0) + change);
        queue.holds(label, change);
      } else if (inside.length > 0) {
        const leaving = inside[below(inside.length)];
        expect(queue.remove(leaving!.request)).toBe(true);
        inside = inside.filter(entry => entry !== leaving);
      }
      // Within one label and priority the oldest stands for all: the others rise behind it.
      const heads = inside.filter(
        each =>
          !inside.some(
            other =>
              other.priority === each.priority &&
              (!byLabel || other.label === each.label) &&
              other.request.id < each.request.id,
          ),
      );
      const rank = ({ request, priority }: (typeof inside)[number]): number =>
        priority - Math.floor((now - request.requestedAt) / ageing);
      const share = ({ label: whose }: (typeof inside)[number]): number =>
        byLabel ? (held.get(whose) ?? 0) : 0;
      const [best] = heads.sort(
        (a, b) => rank(a) - rank(b) || share(a) - share(b) || a.request.id - b.request.id,
      );
      expect(queue.first(now)).toBe(best?.request);
      expect([...queue]).toHaveLength(inside.length);
    }
  });
});
