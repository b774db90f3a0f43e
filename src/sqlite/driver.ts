import type { SqliteDatabase, SqliteDatabaseConstructor, SqliteStatement } from './database.js';

/** What the drivers have beyond SqliteDatabase, each by names of its own. */
interface Driver {
  readonly isOpen?: boolean;
  readonly open?: boolean | (() => void);
  readonly isTransaction?: boolean;
  readonly inTransaction?: boolean;
  function?(name: string, implementation: () => number): unknown;
}

const driverOf = (database: SqliteDatabase): Driver => database as Driver;

export function isOpen(database: SqliteDatabase): boolean {
  const { isOpen: ofNode, open: ofBetterSqlite3 } = driverOf(database);
  if (typeof ofNode === 'boolean') return ofNode;
  return typeof ofBetterSqlite3 === 'boolean' ? ofBetterSqlite3 : true;
}

export function isInTransaction(database: SqliteDatabase): boolean {
  const { isTransaction, inTransaction } = driverOf(database);
  return isTransaction ?? inTransaction ?? cannotBegin(database);
}

/** Before 22.16, node:sqlite does not tell. */
function cannotBegin(database: SqliteDatabase): boolean {
  try {
    database.exec('BEGIN');
  } catch {
    return true;
  }
  database.exec('ROLLBACK');
  return false;
}

/**
 * Throws, when it is called, where a statement has been read half-way: it would hold on to its snapshot, and everybody
 * after it would read what was there then. SQLite does not say so, but it refuses to define a function anew while a
 * statement is under way.
 */
export function quietDemandOf(database: SqliteDatabase): () => void {
  const driver = driverOf(database);
  const define = driver.function?.bind(database);
  return () => {
    define?.('rxpool_is_quiet', () => 1);
  };
}

/** What changes a connection for good, in either driver. */
const lasting = [
  ...['function', 'aggregate', 'table', 'loadExtension', 'enableLoadExtension'],
  ...['setAuthorizer', 'defaultSafeIntegers', 'unsafeMode'],
];

/** Tells from now on when a method is called that changes the connection for good. */
export function watchLasting(database: SqliteDatabase, onChange: (method: string) => void): void {
  const target = database as unknown as Record<
    string,
    ((...given: unknown[]) => unknown) | undefined
  >;
  for (const name of lasting) {
    const method = target[name];
    if (typeof method !== 'function') continue;
    target[name] = (...given) => {
      onChange(name);
      return method.apply(database, given);
    };
  }
}

/** Whether the statement gives rows; better-sqlite3 lets nobody iterate over one that does not. */
export function givesRows(statement: SqliteStatement): boolean {
  return (statement as { readonly reader?: boolean }).reader !== false;
}

interface NodeSqlite {
  readonly DatabaseSync: SqliteDatabaseConstructor;
}

/** `DatabaseSync` of this Node, else the installed better-sqlite3. */
export async function loadDatabase(): Promise<SqliteDatabaseConstructor> {
  const { getBuiltinModule } = process as {
    readonly getBuiltinModule?: (name: string) => NodeSqlite | undefined;
  };
  const builtin = getBuiltinModule?.('node:sqlite');
  if (builtin !== undefined) return builtin.DatabaseSync;
  // Not written into the import: it is there for nobody who has node:sqlite.
  const driver = 'better-sqlite3';
  const loaded = (await import(driver).catch((cause: unknown) => {
    throw new Error(
      'rxpool/sqlite needs node:sqlite (Node 22.13 or newer) or the package better-sqlite3, and found neither',
      { cause },
    );
  })) as { readonly default: SqliteDatabaseConstructor };
  return loaded.default;
}
