import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { buildSync } from 'esbuild';
import { createConnection } from 'mysql2/promise';
import { createClient } from 'redis';
import { describe, expect, it, vi } from 'vitest';
import { describeOnServer } from './services/describe-on-server.js';
import { startMariadb } from './services/mariadb.js';
import { startRedis, startRedisStandIn, type RedisServer } from './services/redis.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

async function redisClient(url: string) {
  const client = createClient({ url, socket: { reconnectStrategy: false } });
  const ended = once(client, 'terminated');
  client.on('error', () => undefined);
  await client.connect();
  return { client, ended };
}

function redisBehaviour(server: RedisServer): void {
  it('lists and kills the connections of clients, and never its own', async () => {
    const { client, ended } = await redisClient(server.url);
    await client.set('key', 'value');
    const [connection, ...others] = await server.connections();
    expect(others).toEqual([]);
    expect(await server.killConnections([connection!.id])).toBe(1);
    await ended;
    expect(await server.connections()).toEqual([]);
    expect(await server.send('GET', 'key')).toBe('value');
  });
}

await describeOnServer('a Redis for tests', startRedis, server => {
  redisBehaviour(server);

  it('crashes and starts again on the same port', async () => {
    const before = await redisClient(server.url);
    await server.kill();
    await before.ended;
    await server.restart();
    const after = await redisClient(server.url);
    expect(await after.client.ping()).toBe('PONG');
    after.client.destroy();
  });
});

describe('the npm-only stand-in for Redis', async () => {
  const server = await startRedisStandIn();
  redisBehaviour(server);
});

await describeOnServer(
  'a MariaDB for tests',
  () => startMariadb({ maxConnections: 2 }),
  server => {
    it('admits as many connections of its user as it is told, lists and kills them', async () => {
      const first = await createConnection(server.url);
      const broken = new Promise(resolve => first.on('error', resolve));
      const second = await createConnection(server.url);
      second.on('error', () => undefined);
      await expect(createConnection(server.url)).rejects.toThrow('max_user_connections');
      const ids = await server.connections();
      expect(ids).toHaveLength(2);
      expect(await server.killConnections([ids[0]!])).toBe(1);
      await broken;
      expect(await server.connections()).toEqual([ids[1]]);
      expect(await server.killConnections()).toBe(1);
    });

    it('crashes and starts again with its data', async () => {
      const before = await createConnection(server.url);
      before.on('error', () => undefined);
      await before.query('CREATE TABLE kept (value INT)');
      await server.kill();
      await server.restart();
      const after = await createConnection(server.url);
      expect((await after.query('SELECT * FROM kept'))[0]).toEqual([]);
      await after.end();
    });
  },
);

const orphan = `
  import { anyPort, findProgram, ServerProcess } from './services/server-process.js';
  const server = new ServerProcess('orphan');
  const program = findProgram('redis-server', 'valkey-server');
  const signs = { ready: 'Ready to accept', portTaken: 'in use' };
  await server.launch(program, ['--port', String(anyPort()), '--bind', '127.0.0.1'], signs);
  console.log(server.pid, server.directory);
  setInterval(() => undefined, 1_000);`;

await describeOnServer('a server for tests', startRedis, () => {
  it('leaves neither process nor directory behind when whoever started it is killed', async () => {
    const bundle = buildSync({
      stdin: { contents: orphan, resolveDir: import.meta.dirname, loader: 'ts' },
      bundle: true,
      format: 'esm',
      platform: 'node',
      write: false,
    });
    const child = spawn(process.execPath, ['--input-type=module'], { stdio: 'pipe' });
    child.stdin.end(bundle.outputFiles[0]!.text);
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const [pid, directory] = String(line).trim().split(' ');
    child.kill('SIGKILL');
    await vi.waitFor(() => {
      expect(existsSync(directory!)).toBe(false);
      expect(() => process.kill(Number(pid), 0)).toThrow();
    }, 10_000);
  });
});
