import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const compiler = join(root, 'node_modules', '.bin', 'tsc');
let project = '';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 }); // each starts a compiler

/** A project of somebody who has rxpool and rxjs, and neither `pg` nor its types. */
beforeAll(() => {
  project = mkdtempSync(join(realpathSync(tmpdir()), 'rxpool-consumer-'));
  const library = join(project, 'node_modules', 'rxpool');
  mkdirSync(library, { recursive: true });
  symlinkSync(join(root, 'node_modules', 'rxjs'), join(project, 'node_modules', 'rxjs'));
  symlinkSync(join(root, 'package.json'), join(library, 'package.json'));
  const build = ['-p', join(root, 'tsconfig.build.json'), '--outDir', join(library, 'dist')];
  execFileSync(compiler, build, { cwd: root });
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        ...{ target: 'es2022', module: 'nodenext', strict: true, noEmit: true, types: [] },
        ...{ lib: ['es2023', 'dom', 'esnext.disposable'], skipLibCheck: false },
        exactOptionalPropertyTypes: true,
      },
      files: ['consumer.ts'],
    }),
  );
});

afterAll(() => {
  rmSync(project, { recursive: true, force: true });
});

function compile(source: string): string {
  writeFileSync(join(project, 'consumer.ts'), source);
  const { stdout } = spawnSync(compiler, ['-p', project], { cwd: project, encoding: 'utf8' });
  return stdout;
}

it('compiles without the driver and its types, unchecked declarations included', () => {
  const output = compile(`
    import type { Observable } from 'rxjs';
    import type { Pool } from 'rxpool';
    import { postgresPool, query, type PostgresClient } from 'rxpool/postgres';

    export const pool: Pool<PostgresClient> = postgresPool({
      connection: { host: 'db', port: 5432, ssl: { rejectUnauthorized: true } },
      max: 5,
      validate: client => client.query('SELECT 1').then(({ rows }) => rows.length === 1),
    });
    export const users$: Observable<{ name: string }> = query<{ name: string }>(
      pool, 'SELECT name FROM users WHERE id = $1', [1],
    );

    class OwnClient {
      readonly mine = 1;
      constructor(readonly config: { host?: string }) {}
      connect(): Promise<void> { return Promise.resolve(); }
      query(text: string): Promise<{ rows: Record<string, unknown>[] }> { return Promise.reject(new Error(text)); }
      end(): Promise<void> { return Promise.resolve(); }
      on(event: 'error' | 'end', listener: (error: Error) => void): this { return this; }
    }
    export const own: Pool<OwnClient> = postgresPool({ connection: {}, Client: OwnClient });
    export const mine$: Observable<number> = own.use(client => client.mine);
  `);
  expect(output).toBe('');
});

it('refuses mistakes at compile time', () => {
  const mistakes = {
    connection: 'postgresPool({ max: 5 });',
    hostname: "postgresPool({ connection: { hostname: 'db' } });",
    create: 'postgresPool({ connection: {}, create: () => 1 });',
    Client: 'postgresPool({ connection: {}, Client: Date });',
    mine: 'postgresPool({ connection: {} }).use(client => client.mine);',
  };
  const lines = ["import { postgresPool } from 'rxpool/postgres';", ...Object.values(mistakes)];
  const output = compile(lines.join('\n'));
  for (const [index, word] of Object.keys(mistakes).entries()) {
    expect(output).toMatch(new RegExp(`consumer\\.ts\\(${index + 2},\\d+\\): error .*${word}`));
  }
});

it('says at the first acquire that the driver is not installed', () => {
  writeFileSync(
    join(project, 'run.js'),
    `import { postgresPool } from 'rxpool/postgres';
     const pool = postgresPool({ connection: 'postgres://db/shop' });
     await pool.lease().catch(error => console.log(error.message));
     await pool.close();`,
  );
  const { stdout, status } = spawnSync(process.execPath, ['run.js'], {
    cwd: project,
    encoding: 'utf8',
  });
  expect(stdout).toContain('rxpool/postgres needs the package pg');
  expect(status).toBe(0);
});
