import { RuleTester } from 'eslint';
import { join, resolve } from 'node:path';
import tseslint from 'typescript-eslint';
import { afterAll, describe, it, vi } from 'vitest';
import rxpool from '../src/eslint/index.js';

Object.assign(RuleTester, { afterAll, describe, it });
vi.setConfig({ testTimeout: 240_000 }); // types are the processor's work, of which a busy machine has little

const rule = rxpool.rules['no-lost-lease'] as never;
const error = (messageId: string) => ({ errors: [{ messageId }] });

describe('by name', () => {
  new RuleTester().run('no-lost-lease', rule, {
    valid: [
      'pool.use(db => db.rows()).pipe(take(1));',
      'firstValueFrom(pool.use(db => db.rows()));',
      'firstValueFrom(pool.acquire().pipe(mergeMap(lease => lease.resource.rows())));',
      'pool.acquire().pipe(mergeMap(work), take(1));',
      'pool.acquire().pipe(take(2));',
      'pool.acquire().pipe(shareReplay({ bufferSize: 1, refCount: true }));',
      'pool.acquire().pipe(shareReplay(options));',
      'pool.acquire().pipe(share());',
      'firstValueFrom(acquire());',
      'pool.acquire();',
    ],
    invalid: [
      { code: 'await firstValueFrom(pool.acquire());', ...error('endsAtOnce') },
      { code: "rx.firstValueFrom(this.pools.db.acquire({ label: 'x' }));", ...error('endsAtOnce') },
      { code: 'firstValueFrom(pool?.acquire());', ...error('endsAtOnce') },
      { code: 'lastValueFrom(pool.acquire());', ...error('neverEnds') },
      { code: 'pool.acquire().toPromise();', ...error('neverEnds') },
      { code: 'pool.acquire().pipe(take(1), mergeMap(work));', ...error('endsAtOnce') },
      { code: 'pool.acquire().pipe(first());', ...error('endsAtOnce') },
      { code: 'pool.acquire().pipe(shareReplay(1));', ...error('neverGivenBack') },
      { code: 'pool.acquire().pipe(map(f), shareReplay());', ...error('neverGivenBack') },
      {
        code: 'pool.acquire().pipe(shareReplay({ bufferSize: 1, refCount: false }));',
        ...error('neverGivenBack'),
      },
    ],
  });
});

describe('by type', () => {
  const root = resolve(import.meta.dirname, '..');
  const types = `
    import { firstValueFrom, Observable } from 'rxjs';
    import { createPool } from './index.js';
    const pool = createPool({ create: () => 'db' });
    declare const lock: { acquire(): Observable<string> };
    declare const unknown: any;
  `;
  const typed = new RuleTester({
    languageOptions: {
      parser: tseslint.parser,
      // Without the tests, whose types take most of the time.
      parserOptions: {
        project: 'tsconfig.build.json',
        tsconfigRootDir: root,
        // With CI set it takes every file as the disk has it, and these texts are on none.
        disallowAutomaticSingleRunInference: true,
      },
    },
  });
  // A file of the project, with other text: typed linting knows only those.
  const filename = join(root, 'src/with-lease.ts');
  typed.run('no-lost-lease', rule, {
    valid: [{ code: `${types} firstValueFrom(lock.acquire());`, filename }],
    invalid: [
      { code: `${types} firstValueFrom(pool.acquire());`, filename, ...error('endsAtOnce') },
      { code: `${types} firstValueFrom(pool.acquire()!);`, filename, ...error('endsAtOnce') },
      { code: `${types} firstValueFrom(unknown.acquire());`, filename, ...error('endsAtOnce') },
    ],
  });
});
