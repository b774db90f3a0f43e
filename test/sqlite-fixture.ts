import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'vitest';
import type { Pool, PoolEvent } from '../src/index.js';
import {
  sqlitePool,
  type SqliteDatabase,
  type SqliteDatabaseConstructor,
  type SqlitePool,
  type SqlitePoolOptions,
} from '../src/sqlite/index.js';
import { assertInvariants } from '../src/testing/index.js';

/** Of better-sqlite3 by `BETTER_SQLITE3=folder of the package`, else of node:sqlite; undefined on Node 20. */
export const Database = ((): SqliteDatabaseConstructor | undefined => {
  const folder = process.env['BETTER_SQLITE3'];
  if (folder !== undefined) {
    return createRequire(import.meta.url)(folder) as SqliteDatabaseConstructor;
  }
  const { getBuiltinModule } = process as {
    getBuiltinModule?: (name: string) => { DatabaseSync: SqliteDatabaseConstructor } | undefined;
  };
  return getBuiltinModule?.('node:sqlite')?.DatabaseSync;
})();

/** `describe` for tests that need a SQLite. */
export function describeOnSqlite(title: string, tests: (sqlite: SqliteFixture) => void): void {
  if (Database === undefined) {
    const reason = `skipped: this Node (${process.version}) has no node:sqlite; sqlite-on-newer-node.test.ts runs it`;
    describe.skip(title, () => {
      it(reason, () => undefined);
    });
    return;
  }
  describe(title, () => {
    const sqlite = new SqliteFixture(Database);
    afterEach(() => sqlite.clear());
    tests(sqlite);
  });
}

/** Files in a folder of their own, with pools that are closed and checked after each test. */
export class SqliteFixture {
  readonly Database: SqliteDatabaseConstructor;
  #folder: string | undefined = undefined;
  #pools: { pool: Pool<SqliteDatabase>; events: PoolEvent<SqliteDatabase>[] }[] = [];

  constructor(DatabaseClass: SqliteDatabaseConstructor) {
    this.Database = DatabaseClass;
  }

  get path(): string {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'sqlite-test-'));
    return join(this.#folder, 'test.db');
  }

  open(options: Partial<SqlitePoolOptions> = {}): SqlitePool {
    const db = sqlitePool({
      path: this.path,
      Database: this.Database,
      lifetimeJitter: 0,
      ...options,
    });
    for (const pool of [db.read, db.write]) {
      const events: PoolEvent<SqliteDatabase>[] = [];
      pool.stats$.subscribe(event => events.push(event));
      this.#pools.push({ pool, events });
    }
    return db;
  }

  /** As another process would: on a connection of its own. */
  outside<R>(work: (database: SqliteDatabase) => R): R {
    const database = new this.Database(this.path);
    const close = (): void => {
      database.close();
    };
    let outcome: R;
    try {
      outcome = work(database);
    } catch (error) {
      close();
      throw error;
    }
    if (outcome instanceof Promise) return outcome.finally(close) as R;
    close();
    return outcome;
  }

  async clear(): Promise<void> {
    const pools = this.#pools;
    this.#pools = [];
    for (const { pool, events } of pools) {
      await pool.close({ force: true }).catch(() => undefined);
      assertInvariants(pool, { events });
    }
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}
