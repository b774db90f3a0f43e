import { describe, expect, it } from 'vitest';
import { WaitQueue } from '../src/internal/wait-queue.js';
import { seededRandom } from '../src/testing/random.js';
import { SilentRequest } from './silent-request.js';

describe('the queue of waiters', () => {
  it('has nobody first while it is empty', () => {
    const queue = new WaitQueue<string>();
    expect(queue.first()).toBeUndefined();
    expect([...queue]).toEqual([]);
  });

  it('serves the lower priority first, and within one who came first', () => {
    const queue = new WaitQueue<string>();
    const requests = [3, 1, 2, 1, 3, 2].map((priority, index) => {
      const request = new SilentRequest(index);
      queue.push(request, priority);
      return request;
    });
    expect(queue.first()).toBe(requests[1]);
    expect([...queue].map(({ id }) => id)).toEqual([1, 3, 2, 5, 0, 4]);
  });

  it('says whether the one that leaves was in, and lets it leave once', () => {
    const queue = new WaitQueue<string>();
    const [inside, stranger] = [new SilentRequest(1), new SilentRequest(2)] as const;
    queue.push(inside, 0);
    expect(queue.remove(stranger)).toBe(false);
    expect(inside.pending).toBe(true);
    expect(queue.remove(inside)).toBe(true);
    expect(inside.pending).toBe(false);
    expect(queue.remove(inside)).toBe(false);
    expect(queue.first()).toBeUndefined();
  });

  it('forgets a priority that nobody waits with any more, so that the next one is found at once', () => {
    const queue = new WaitQueue<string>();
    const [urgent, patient, later] = [1, 2, 3].map(id => new SilentRequest(id)) as [
      SilentRequest,
      SilentRequest,
      SilentRequest,
    ];
    queue.push(urgent, 0);
    queue.push(patient, 5);
    queue.push(later, 9);
    queue.remove(patient);
    expect([...queue]).toEqual([urgent, later]);
    queue.remove(urgent);
    expect(queue.first()).toBe(later);
    queue.remove(later);
    expect(queue.first()).toBeUndefined();
    queue.push(urgent, 7);
    expect(queue.first()).toBe(urgent);
    queue.push(patient, 9);
    queue.push(later, 1);
    expect([...queue]).toEqual([later, urgent, patient]);
  });

  it('makes room in a lane that stayed empty for another priority', () => {
    const queue = new WaitQueue<string>();
    const [first, second] = [new SilentRequest(1), new SilentRequest(2)] as const;
    for (const priority of [4, 2, 6, 6, 0]) {
      queue.push(first, priority);
      expect(queue.first()).toBe(first);
      queue.push(second, priority + 1);
      expect([...queue]).toEqual([first, second]);
      queue.remove(first);
      expect([...queue]).toEqual([second]);
      expect(queue.first()).toBe(second);
      queue.remove(second);
    }
  });

  it.each([1, 2, 3, 4])('is in order whatever joins and leaves (seed %s)', seed => {
    const random = seededRandom(seed);
    const queue = new WaitQueue<string>();
    let inside: { readonly request: SilentRequest; readonly priority: number }[] = [];
    for (let step = 0; step < 300; step += 1) {
      if (random() < 0.5) {
        const entry = { request: new SilentRequest(step), priority: Math.floor(random() * 4) };
        queue.push(entry.request, entry.priority);
        inside.push(entry);
      } else if (inside.length > 0) {
        const leaving = inside[Math.floor(random() * inside.length)]!;
        expect(queue.remove(leaving.request)).toBe(true);
        inside = inside.filter(entry => entry !== leaving);
      }
      const expected = [...inside]
        .sort((a, b) => a.priority - b.priority || a.request.id - b.request.id)
        .map(({ request }) => request.id);
      expect([...queue].map(({ id }) => id)).toEqual(expected);
      expect(queue.first()?.id).toBe(expected[0]);
    }
  });
});
