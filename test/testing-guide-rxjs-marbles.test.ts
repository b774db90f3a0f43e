import { map } from 'rxjs';
import { configure } from 'rxjs-marbles';
import { expect, it } from 'vitest';
import { marblePool } from '../src/testing/index.js';

const { marbles } = configure({
  run: true,
  frameworkMatcher: true,
  assert: (value, message) => {
    expect(value, message).toBeTruthy();
  },
  assertDeepEqual: (actual, expected) => {
    expect(actual).toStrictEqual(expected);
  },
});

it(
  'lends the connection when it is made',
  marbles(m => {
    const pool = marblePool(m, { create: '--(c|)' });
    const borrowed$ = pool.acquire().pipe(map(lease => lease.resource));
    m.expect(borrowed$, '^---!').toBeObservable('--c');
  }),
);
