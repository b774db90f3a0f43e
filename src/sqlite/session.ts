import { statSync } from 'node:fs';
import { AsyncSubject, type Observable } from 'rxjs';
import type { SqliteDatabase } from './database.js';
import { isInTransaction, isOpen, quietDemandOf, watchLasting } from './driver.js';

/** Settings of a connection that a borrower can change, and that SQLite tells. */
const settings = [
  ...['foreign_keys', 'query_only', 'busy_timeout', 'recursive_triggers', 'cache_size'],
  ...['synchronous', 'locking_mode', 'ignore_check_constraints', 'reverse_unordered_selects'],
  ...['trusted_schema', 'writable_schema', 'legacy_alter_table', 'read_uncommitted'],
  ...['automatic_index', 'temp_store'],
];

/** How a connection is opened. */
export interface SessionOptions {
  readonly path: string;
  readonly isReader: boolean;
  readonly wal: boolean;
  readonly foreignKeys: boolean;
  readonly busyTimeoutMillis: number;
}

const sessions = new WeakMap<SqliteDatabase, Session<SqliteDatabase>>();

/** What is known of a database that was opened here. */
export function sessionOf<D extends SqliteDatabase>(database: D): Session<D> | undefined {
  return sessions.get(database) as Session<D> | undefined;
}

/** One open database and what is known of its connection. */
export class Session<D extends SqliteDatabase> {
  readonly database: D;
  readonly isReader: boolean;
  readonly #path: string;
  readonly #file: string | undefined;
  readonly #close: () => unknown;
  readonly #broken = new AsyncSubject<unknown>();
  readonly #demandQuiet: () => void;
  #restoring = '';
  #ignoresCase: unknown = undefined;
  /** The method by which a borrower has changed the connection for good. */
  #tainted: string | undefined = undefined;

  private constructor(database: D, { path, isReader }: SessionOptions, demandQuiet: () => void) {
    this.database = database;
    this.isReader = isReader;
    this.#path = path;
    this.#file = fileAt(path);
    this.#close = database.close.bind(database);
    this.#demandQuiet = demandQuiet;
    // Nothing else tells that somebody has closed it.
    database.close = () => {
      const outcome = this.#close();
      this.#broken.next(new Error('The database was closed by its borrower'));
      this.#broken.complete();
      return outcome;
    };
    sessions.set(database, this);
  }

  /** Closes the database again when its settings cannot be had. */
  static open<D extends SqliteDatabase>(database: D, options: SessionOptions): Session<D> {
    try {
      const { wal, foreignKeys, busyTimeoutMillis, isReader } = options;
      database.exec(`PRAGMA busy_timeout = ${busyTimeoutMillis}`);
      if (wal) demandWal(database, options.path);
      database.exec(`PRAGMA foreign_keys = ${foreignKeys ? 1 : 0}`);
      if (isReader) database.exec('PRAGMA query_only = 1');
      const demandQuiet = quietDemandOf(database);
      demandQuiet(); // from the second time on it tells
      return new Session(database, options, demandQuiet);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Emits once, when the database has been closed by somebody else than the pool. */
  get broken$(): Observable<unknown> {
    return this.#broken;
  }

  /** Whether it is open still, and its file the one that is found at the path: a replaced file is another database. */
  isAlive(): boolean {
    if (!isOpen(this.database) || fileAt(this.#path) !== this.#file) return false;
    this.database.exec('SELECT 1');
    return true;
  }

  /** From now on a reset brings the settings back that there are now, and what is added is a borrower's. */
  keepSettings(): void {
    this.#ignoresCase = this.#likeIgnoresCase();
    watchLasting(this.database, method => {
      this.#tainted = method;
    });
    this.#restoring = settings
      .map(name => {
        const row = this.database.prepare(`PRAGMA ${name}`).get() as Record<string, unknown>;
        return `PRAGMA ${name} = ${String(Object.values(row)[0])}`;
      })
      .join(';');
  }

  rollBack(): void {
    if (isInTransaction(this.database)) this.database.exec('ROLLBACK');
  }

  /** Back to how the connection was when it was opened; throws where that cannot be had, and it has to be closed. */
  reset(): void {
    const { database } = this;
    if (this.#tainted !== undefined) {
      throw new Error(`${this.#tainted} was called on the connection, which cannot be taken back`);
    }
    this.#demandQuiet();
    if (this.#likeIgnoresCase() !== this.#ignoresCase) {
      throw new Error(
        'LIKE was made to compare otherwise, of which SQLite does not tell by which setting',
      );
    }
    // Before the schemas: whoever may not write could not drop either.
    database.exec('PRAGMA query_only = 0');
    this.#dropTemporary();
    this.#detach();
    database.exec(this.#restoring);
  }

  end(): void {
    if (isOpen(this.database)) this.#close();
  }

  /** The one setting that is not told by its pragma. */
  #likeIgnoresCase(): unknown {
    return (this.database.prepare("SELECT 'a' LIKE 'A' AS it").get() as { readonly it: unknown })
      .it;
  }

  #dropTemporary(): void {
    const found = this.database
      .prepare(
        "SELECT type, name FROM sqlite_temp_master WHERE type <> 'index' ORDER BY type = 'table', type",
      )
      .all() as { readonly type: string; readonly name: string }[];
    for (const { type, name } of found) {
      // A table takes its own triggers along.
      this.database.exec(`DROP ${type} IF EXISTS temp.${quoted(name)}`);
    }
  }

  #detach(): void {
    const found = this.database.prepare('PRAGMA database_list').all() as {
      readonly name: string;
    }[];
    for (const { name } of found) {
      if (name !== 'main' && name !== 'temp') this.database.exec(`DETACH ${quoted(name)}`);
    }
  }
}

function demandWal(database: SqliteDatabase, path: string): void {
  const row = database.prepare('PRAGMA journal_mode = WAL').get() as { journal_mode: string };
  if (row.journal_mode === 'wal') return;
  throw new Error(
    `${path} cannot have a write-ahead log, its journal stays "${row.journal_mode}"; with \`wal: false\` it is taken as it is`,
  );
}

/** Which file that is. A URI may mean anything. */
function fileAt(path: string): string | undefined {
  if (path.startsWith('file:')) return undefined;
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? undefined : `${found.dev}:${found.ino}`;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
