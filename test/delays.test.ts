import { describe, expect, it } from 'vitest';
import { Delays } from '../src/internal/delays.js';
import { seededRandom } from '../src/testing/random.js';
import { SilentRequest } from './silent-request.js';

describe('the delays of waiting requests', () => {
  it('know nobody first while they are empty', () => {
    expect(new Delays<string>().earliest).toBeUndefined();
  });

  it('give whoever runs out of time first, whatever the length of its wait', () => {
    const delays = new Delays<string>();
    const slow = new SilentRequest(1, 0);
    const quick = new SilentRequest(2, 5);
    delays.add(slow, 100);
    delays.add(quick, 10);
    expect(delays.earliest).toBe(quick);
    expect([slow.dueAt, quick.dueAt]).toEqual([100, 15]);
    delays.remove(quick);
    expect(quick.dueAt).toBe(Infinity);
    expect(delays.earliest).toBe(slow);
    delays.remove(slow);
    expect(delays.earliest).toBeUndefined();
  });

  it.each([
    { older: 10, younger: 5 },
    { older: 5, younger: 10 },
  ])('give the oldest of two at one time, with $older before $younger', ({ older, younger }) => {
    const [first, second] = [
      new SilentRequest(1, 0),
      new SilentRequest(2, older - younger),
    ] as const;
    for (const order of [
      [first, second],
      [second, first],
    ]) {
      const delays = new Delays<string>();
      for (const request of order) delays.add(request, request === first ? older : younger);
      expect(delays.earliest).toBe(first);
      for (const request of order) delays.remove(request);
    }
  });

  it('let one leave once, and one that never joined not at all', () => {
    const delays = new Delays<string>();
    const [first, second, stranger] = [1, 2, 3].map(id => new SilentRequest(id)) as [
      SilentRequest,
      SilentRequest,
      SilentRequest,
    ];
    delays.add(first, 10);
    delays.add(second, 10);
    delays.remove(stranger);
    delays.remove(first);
    delays.remove(first);
    expect(delays.earliest).toBe(second);
    expect([first.delay, first.earlier, first.later]).toEqual([undefined, undefined, undefined]);
    expect([second.earlier, second.later]).toEqual([undefined, undefined]);
  });

  it('forget lengths that are rare, and keep a length that somebody waits with', () => {
    const delays = new Delays<string>();
    const requests = Array.from({ length: 40 }, (_, index) => new SilentRequest(index));
    requests.forEach((request, index) => {
      delays.add(request, index + 1);
    });
    const [kept, ...others] = requests;
    const { delay } = kept!;
    for (const request of others) delays.remove(request);
    const next = new SilentRequest(41);
    delays.add(next, 1);
    expect(next.delay).toBe(delay);
    delays.remove(kept!);
    expect(delays.earliest).toBe(next);
  });

  it.each([
    { kinds: 16, isKept: true },
    { kinds: 17, isKept: false },
  ])('keep an emptied length among $kinds: $isKept', ({ kinds, isKept }) => {
    const delays = new Delays<string>();
    const requests = Array.from({ length: kinds }, (_, index) => new SilentRequest(index));
    requests.forEach((request, index) => {
      delays.add(request, index + 1);
    });
    const last = requests.at(-1)!;
    const { delay } = last;
    delays.remove(last);
    delays.add(last, kinds);
    expect(last.delay === delay).toBe(isKept);
    expect(last.dueAt).toBe(kinds);
  });

  it.each([1, 2, 3, 4])('are in order whatever joins and leaves (seed %s)', seed => {
    const random = seededRandom(seed);
    const delays = new Delays<string>();
    let inside: SilentRequest[] = [];
    for (let step = 0; step < 400; step += 1) {
      if (random() < 0.55) {
        const request = new SilentRequest(step, Math.floor(step / 3));
        delays.add(request, 1 + Math.floor(random() * 30));
        inside.push(request);
      } else if (inside.length > 0) {
        const leaving = inside[Math.floor(random() * inside.length)]!;
        delays.remove(leaving);
        inside = inside.filter(request => request !== leaving);
      }
      const [expected] = [...inside].sort((a, b) => a.dueAt - b.dueAt || a.id - b.id);
      expect(delays.earliest?.id).toBe(expected?.id);
    }
  });
});
