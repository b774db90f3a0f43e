import { describe, expect, it } from 'vitest';
import { Agenda, type Deadline } from '../src/internal/agenda.js';
import { seededRandom } from '../src/testing/random.js';

class Entry implements Deadline {
  dueAt = Infinity;
  place = -1;
  readonly order: number;

  constructor(order: number) {
    this.order = order;
  }

  due(): void {
    throw new Error('an agenda rings nothing by itself');
  }
}

function earlierFirst(a: Deadline, b: Deadline): number {
  return a.dueAt - b.dueAt || a.order - b.order;
}

function takeAll(agenda: Agenda): Deadline[] {
  const taken: Deadline[] = [];
  for (let next = agenda.earliest; next !== undefined; next = agenda.earliest) {
    agenda.remove(next);
    taken.push(next);
    if (taken.length > 10_000) throw new Error('the agenda never ends');
  }
  return taken;
}

describe('the agenda', () => {
  it('has nothing earliest while it is empty', () => {
    expect(new Agenda().earliest).toBeUndefined();
  });

  it('gives the earliest first, and of two at one time the lower order', () => {
    const agenda = new Agenda();
    const [late, second, first] = [new Entry(1), new Entry(3), new Entry(2)] as const;
    agenda.add(late, 20);
    agenda.add(second, 10);
    agenda.add(first, 10);
    expect(takeAll(agenda)).toEqual([first, second, late]);
  });

  it('sets when a deadline is due, and says by its place whether it is in', () => {
    const agenda = new Agenda();
    const entry = new Entry(1);
    agenda.add(entry, 5);
    expect(entry).toMatchObject({ dueAt: 5, place: 0 });
    agenda.remove(entry);
    expect(entry.place).toBe(-1);
    agenda.remove(entry);
    expect(agenda.earliest).toBeUndefined();
  });

  it('keeps its order when one that is not in is removed', () => {
    const agenda = new Agenda();
    const entries = [4, 2, 7].map(dueAt => {
      const entry = new Entry(dueAt);
      agenda.add(entry, dueAt);
      return entry;
    });
    agenda.remove(new Entry(9));
    expect(takeAll(agenda).map(({ dueAt }) => dueAt)).toEqual([2, 4, 7]);
    expect(entries.map(({ place }) => place)).toEqual([-1, -1, -1]);
  });

  it.each([1, 2, 3, 4, 5])('is ordered whatever joins and leaves from anywhere (seed %s)', seed => {
    const random = seededRandom(seed);
    const agenda = new Agenda();
    const inside: Entry[] = [];
    for (let step = 0; step < 400; step += 1) {
      if (inside.length === 0 || random() < 0.6) {
        const entry = new Entry(step);
        agenda.add(entry, Math.floor(random() * 20));
        inside.push(entry);
      } else {
        const [entry] = inside.splice(Math.floor(random() * inside.length), 1);
        agenda.remove(entry!);
        expect(entry!.place).toBe(-1);
      }
      expect(agenda.earliest).toBe([...inside].sort(earlierFirst)[0]);
      expect(new Set(inside.map(({ place }) => place)).size).toBe(inside.length);
    }
    expect(takeAll(agenda)).toEqual([...inside].sort(earlierFirst));
  });
});
