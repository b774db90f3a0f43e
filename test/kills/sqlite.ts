import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concat, ignoreElements, lastValueFrom, takeUntil, timer, type Observable } from 'rxjs';
import {
  query,
  sqlitePool,
  transaction,
  type SqliteDatabase,
  type SqliteDatabaseConstructor,
  type SqlitePool,
} from '../../src/sqlite/index.js';
import { MissingServerError } from '../services/missing-server.js';
import type { KillTrial } from './contestant.js';

const readers = 8;

/** The readers' pool; a borrower in five writes too, through the writer's. */
export const trial: KillTrial = {
  name: 'sqlite',
  async open() {
    const Database = sqliteOfThisNode();
    const folder = mkdtempSync(join(tmpdir(), 'sqlite-kills-'));
    const handles = new ReaderHandles(Database);
    const db = sqlitePool({
      path: join(folder, 'kills.db'),
      readers,
      Database,
      name: 'sqlite',
      // What is closed behind its back while nobody uses it, only a look tells.
      validateIdleEveryMillis: 50,
      setUp: database => {
        handles.add(database);
        database.exec('PRAGMA synchronous = OFF'); // nothing here has to be durable
      },
    });
    await lastValueFrom(query(db.write, 'CREATE TABLE work (n INTEGER PRIMARY KEY)'), {
      defaultValue: undefined,
    });
    return {
      pool: db.read,
      borrow: () => work(db),
      async kill() {
        handles.closeAny();
      },
      serverCount: async () => handles.count,
      counts: "the driver's open handles",
      close: async () => {
        await db.close();
        rmSync(folder, { recursive: true });
      },
    };
  },
};

interface Handle extends SqliteDatabase {
  readonly isOpen: boolean;
}

type HandleConstructor = SqliteDatabaseConstructor<Handle>;

/** The handles of those who read, as the driver knows them. */
class ReaderHandles {
  readonly #Database: HandleConstructor;
  #handles: Handle[] = [];

  constructor(Database: HandleConstructor) {
    this.#Database = Database;
  }

  get count(): number {
    this.#handles = this.#handles.filter(({ isOpen }) => isOpen);
    return this.#handles.length;
  }

  add(handle: Handle): void {
    const { query_only: isReader } = handle.prepare('PRAGMA query_only').get() as {
      readonly query_only: number;
    };
    if (isReader === 1) this.#handles.push(handle);
  }

  /** Every other time by the driver's own method, of which the pool cannot be told. */
  closeAny(): void {
    const victim = Math.floor(Math.random() * this.count);
    const handle = this.#handles[victim];
    if (handle === undefined) return;
    if (Math.random() < 0.5) handle.close();
    else (this.#Database.prototype as Handle).close.call(handle);
  }
}

function sqliteOfThisNode(): HandleConstructor {
  const { getBuiltinModule } = process as {
    getBuiltinModule?: (name: string) => { DatabaseSync: HandleConstructor } | undefined;
  };
  const sqlite = getBuiltinModule?.('node:sqlite');
  if (sqlite !== undefined) return sqlite.DatabaseSync;
  throw new MissingServerError('node:sqlite', 'run this with Node 22.13 or newer');
}

function work({ read, write }: SqlitePool<Handle>): Observable<unknown> {
  const choice = Math.random();
  const look$ = query(read, 'SELECT n FROM work ORDER BY n DESC LIMIT 20');
  if (choice < 0.4) return look$;
  if (choice < 0.6) {
    const insert$ = transaction(write, database =>
      database.exec('INSERT INTO work DEFAULT VALUES'),
    );
    return concat(insert$.pipe(ignoreElements()), look$);
  }
  const slow$ = transaction(read, async database => {
    const count = () => JSON.stringify(database.prepare('SELECT COUNT(*) FROM work').get());
    const before = count();
    await lastValueFrom(timer(2));
    if (count() !== before) throw new Error('a snapshot has changed');
  });
  // Given up half-way: rolled back.
  return choice < 0.8 ? slow$ : slow$.pipe(takeUntil(timer(1)));
}
