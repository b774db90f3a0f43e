import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { lastValueFrom, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { request } from '../src/http/index.js';
import { createPool, InvalidOptionsError, PoolExistsError } from '../src/index.js';
import { query } from '../src/postgres/index.js';
import { createRegistry } from '../src/registry/index.js';
import { startPostgres, type PostgresServer } from './services/postgres.js';

const loaded: string[] = [];

// Only to hear when they are loaded; what is loaded is the real thing.
vi.mock('../src/mongodb/index.js', async original => {
  loaded.push('mongodb');
  return original();
});
vi.mock('../src/worker/index.js', async original => {
  loaded.push('worker');
  return original();
});

let postgres: PostgresServer;

beforeAll(async () => {
  postgres = await startPostgres({ maxConnections: 5 });
});
afterAll(() => postgres.stop());

describe('the back ends that a registry knows', () => {
  it('makes their pools by name, on real servers, and closes them with all others', async () => {
    const server = createServer((_request, response) => response.end('hello'));
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const registry = createRegistry();
    const rows = await registry.create('postgres', 'rows', { connection: postgres.url, max: 2 });
    const pages = await registry.create('http', 'pages', { origin: `http://127.0.0.1:${port}` });
    expect(rows.name).toBe('rows');
    expect(registry.list()).toEqual(['rows', 'pages']);
    expect(registry.get('rows')).toBe(rows);
    const found = query<{ two: number }>(rows, 'select 1 + 1 as two').pipe(toArray());
    expect(await lastValueFrom(found)).toEqual([{ two: 2 }]);
    const response = await lastValueFrom(request(pages, { path: '/', method: 'GET' }));
    expect(response).toMatchObject({ statusCode: 200 });
    await registry.closeAll({ force: true }).catch(() => undefined);
    expect([rows, pages].map(({ state }) => state.lifecycle)).toEqual(['closed', 'closed']);
    server.closeAllConnections();
    await new Promise(resolve => server.close(resolve));
  });

  it('loads a back end when its first pool is made, and not before', async () => {
    const registry = createRegistry();
    expect(loaded).toEqual([]);
    const pool = await registry.create('mongodb', 'documents', { url: 'mongodb://127.0.0.1:1' });
    expect(loaded).toEqual(['mongodb']);
    expect(pool.state.size).toBe(0);
    await registry.closeAll();
  });

  it('refuses what their options refuse, and the name is free again', async () => {
    const registry = createRegistry();
    const refused = registry.create('postgres', 'rows', { connection: postgres.url, max: 0 });
    expect(() => registry.create('postgres', 'rows', { connection: '' })).toThrow(PoolExistsError);
    await expect(refused).rejects.toBeInstanceOf(InvalidOptionsError);
    expect(registry.list()).toEqual([]);
    const pool = await registry.create('postgres', 'rows', { connection: postgres.url });
    expect(registry.find('rows')).toBe(pool);
    await registry.closeAll();
  });

  it('keeps both pools of an SQLite file under their own names, and gives them as one', async () => {
    const registry = createRegistry();
    const making = registry.create('sqlite', 'shop', { path: 'shop.db', readers: 2 });
    expect(() => registry.create('sqlite', 'shop', { path: 'other.db' })).toThrow(PoolExistsError);
    const shop = await making;
    expect(registry.list()).toEqual(['shop (read)', 'shop (write)']);
    expect(registry.get('shop (read)')).toBe(shop.read);
    expect(registry.get('shop (write)')).toBe(shop.write);
    await expect(registry.create('sqlite', 'shop', { path: 'other.db' })).rejects.toMatchObject({
      code: 'POOL_EXISTS',
      pool: 'shop (read)',
    });
    expect(registry.list()).toEqual(['shop (read)', 'shop (write)']);
    await shop.close();
    expect(registry.list()).toEqual([]);
    const [late, closing] = [
      registry.create('sqlite', 'late', { path: 'late.db' }),
      registry.closeAll(),
    ];
    await expect(late).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    await closing;
  });

  it('lets a type of your own go before one of theirs, and names all that there are', async () => {
    const registry = createRegistry();
    registry.define('redis', (_config, name) => createPool({ name, create: () => 'mine' }));
    const pool = registry.create<ReturnType<typeof createPool<string>>>('redis', 'cache');
    expect(pool.tryAcquire()).toBeUndefined();
    expect(await lastValueFrom(pool.use(text => text))).toBe('mine');
    expect(() => registry.create('toString', 'x')).toThrow(
      /"redis", "postgres", "mysql", "redis", "mongodb", "sqlite", "http", "websocket", "worker", "browser"/,
    );
    await registry.closeAll();
  });
});
