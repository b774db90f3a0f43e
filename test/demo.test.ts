import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startPostgres, type PostgresServer } from './services/postgres.js';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 }); // it starts compilers and servers

const root = dirname(dirname(fileURLToPath(import.meta.url)));
let server: PostgresServer;

beforeAll(async () => {
  const compiler = join(root, 'node_modules', '.bin', 'tsc');
  execFileSync(compiler, ['-p', join(root, 'test', 'demo', 'tsconfig.json')]);
  execFileSync(process.execPath, ['.ci/copy-page.mjs', 'node_modules/.cache/rxpool-demo/src'], {
    cwd: root,
  });
  server = await startPostgres();
});

afterAll(async () => {
  await server.stop();
});

/** The demo as `npm start` runs it. */
function startDemo(args: readonly string[], databaseUrl = '') {
  const program = join(root, 'node_modules/.cache/rxpool-demo/test/demo/main.js');
  const demo = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, CI: 'true', DATABASE_URL: databaseUrl },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = Promise.all([once(demo, 'exit'), text(demo.stdout), text(demo.stderr)]).then(
    ([[exitCode], output, errors]) => ({ exitCode: exitCode as number | null, output, errors }),
  );
  return { demo, ended };
}

describe('the demo', () => {
  it('works on a server of its own for as long as it is told, and takes it along', async () => {
    const { ended } = startDemo(['--seconds', '2.5']);
    const { exitCode, output, errors } = await ended;
    expect(errors).toBe('');
    expect(exitCode).toBe(0);
    const [, port] = /PostgreSQL 18\.\d+ at 127\.0\.0\.1:(\d+)/.exec(output) ?? [];
    const [, size, connections] =
      / 2 s \| pool (\d+)\/10: .* server (\d+) connections/.exec(output) ?? [];
    expect(Number(size)).toBeGreaterThan(0);
    expect(connections).toBe(size);
    expect(output).toMatch(/[\d,]+ queries in [\d,]+ leases .* 0 failed\./);
    expect(output).toContain('Server: no connections left.');
    const knock = connect(Number(port), '127.0.0.1');
    await expect(once(knock, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('prints the address of a dashboard that shows its pool', async () => {
    const { demo, ended } = startDemo([], server.url);
    const [chunk] = (await once(demo.stdout, 'data')) as [Buffer];
    const [, url = ''] = /^Dashboard: (http:\/\/127\.0\.0\.1:\d+\/)\n/.exec(chunk.toString()) ?? [];
    const page = await fetch(url);
    expect(await page.text()).toContain('<title>Pools</title>');
    const frames = await fetch(`${url}events`);
    const reader = frames.body!.getReader();
    let text = '';
    while (!text.includes('"name":"demo"')) {
      const { value, done } = await reader.read();
      expect(done).toBe(false);
      text += Buffer.from(value ?? []).toString();
    }
    await reader.cancel();
    demo.kill('SIGINT');
    expect((await ended).exitCode).toBe(0);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('drains on %s and leaves nothing', async signal => {
    const { demo, ended } = startDemo([], server.url);
    await once(demo.stdout, 'data'); // the first line comes after a second of work
    demo.kill(signal);
    demo.kill(signal); // npm passes on what the terminal has sent already
    const { exitCode, output } = await ended;
    expect(exitCode).toBe(0);
    expect(output).toContain('Server: no connections left.');
    expect(
      await server.query(`SELECT usename::text FROM pg_stat_activity WHERE usename = 'rxpool'
        UNION ALL SELECT relname FROM pg_class WHERE relname LIKE 'rxpool_demo%'`),
    ).toEqual([]);
  });

  it.each<[string, string[], string, string]>([
    ['an unknown flag', ['--foo'], '', "Unknown option '--foo'"],
    ['a senseless time', ['--seconds', 'soon'], '', '--seconds must be'],
    ['a senseless port', ['--port', '0'], '', '--port must be'],
    ['a URL that is none', [], 'nonsense', 'DATABASE_URL must be'],
    ['a dead server', [], 'postgres://me:secret@127.0.0.1:1/x', 'ECONNREFUSED'],
    ['two servers', ['--port', '5000'], 'postgres://127.0.0.1/x', '--port is for'],
  ])('says in one line what is wrong with %s', async (_, args, databaseUrl, words) => {
    const { exitCode, output, errors } = await startDemo(args, databaseUrl).ended;
    expect(exitCode).toBe(1);
    expect(output).toBe('');
    expect(errors).toMatch(/^rxpool demo: .*\n$/);
    expect(errors).toContain(words);
    expect(errors).not.toContain('secret');
  });

  it('says in one line that its port is taken', async () => {
    const occupant = createServer().listen(0, '127.0.0.1');
    await once(occupant, 'listening');
    const { port } = occupant.address() as AddressInfo;
    const { exitCode, errors } = await startDemo(['--port', String(port)]).ended;
    occupant.close();
    expect(exitCode).toBe(1);
    expect(errors).toMatch(new RegExp(`^rxpool demo: Port ${port} .* in use.*\n$`));
  });

  it('tells how it is used', async () => {
    const { exitCode, output } = await startDemo(['--help']).ended;
    expect(exitCode).toBe(0);
    expect(output).toContain('--seconds N');
  });
});
