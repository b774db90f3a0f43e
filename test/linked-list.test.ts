import { describe, expect, it } from 'vitest';
import { LinkedList, type Linked } from '../src/internal/linked-list.js';

class Entry implements Linked<Entry> {
  previous: Entry | undefined = undefined;
  next: Entry | undefined = undefined;
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** The names from head to tail, once the links the other way round say the same. */
function namesOf(list: LinkedList<Entry>): string {
  let forwards = '';
  let backwards = '';
  for (let entry = list.head; entry !== undefined; entry = entry.next) forwards += entry.name;
  for (let entry = list.tail; entry !== undefined; entry = entry.previous) {
    backwards = entry.name + backwards;
  }
  expect(backwards).toBe(forwards);
  return forwards;
}

function listOf(names: string): { list: LinkedList<Entry>; entries: Entry[] } {
  const list = new LinkedList<Entry>();
  const entries = names.split('').map(name => new Entry(name));
  for (const entry of entries) list.push(entry);
  return { list, entries };
}

describe('the linked list', () => {
  it('keeps the order of joining', () => {
    expect(namesOf(listOf('').list)).toBe('');
    expect(namesOf(listOf('a').list)).toBe('a');
    expect(namesOf(listOf('abc').list)).toBe('abc');
  });

  it.each([
    { behind: -1, expected: 'xabc' },
    { behind: 0, expected: 'axbc' },
    { behind: 1, expected: 'abxc' },
    { behind: 2, expected: 'abcx' },
  ])('puts an entry behind the one at $behind: $expected', ({ behind, expected }) => {
    const { list, entries } = listOf('abc');
    list.insertAfter(new Entry('x'), entries[behind]);
    expect(namesOf(list)).toBe(expected);
  });

  it.each([
    { place: 0, expected: 'bc' },
    { place: 1, expected: 'ac' },
    { place: 2, expected: 'ab' },
  ])('lets the entry at $place leave, without its neighbours: $expected', ({ place, expected }) => {
    const { list, entries } = listOf('abc');
    const entry = entries[place]!;
    list.remove(entry);
    expect(namesOf(list)).toBe(expected);
    expect([entry.previous, entry.next]).toEqual([undefined, undefined]);
  });

  it('is empty when the last one has left, and fills again', () => {
    const { list, entries } = listOf('a');
    list.remove(entries[0]!);
    expect([list.head, list.tail]).toEqual([undefined, undefined]);
    list.push(entries[0]!);
    expect(namesOf(list)).toBe('a');
  });
});
