import { firstValueFrom, from, lastValueFrom, map, race, timer, type Observable } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { keepListeners, restoreListeners } from '../shared/listeners.js';
import { serverName, type CancelLine } from './cancel-line.js';
import type { MysqlConnection } from './connection.js';
import { coreOf, cut, deathOf, type Core } from './driver.js';

/** How long the server may take to close a connection before its socket is cut. */
const goodbyeMillis = 1_000;

/** How long it may take to have it killed. */
const killMillis = 3_000;

/** What ends by itself within this needs no cancel, which takes a connection of its own. */
const patienceMillis = 10;

/** A cancel ends one statement; behind it there may be others. */
const cancelAgainMillis = 100;

/** ER_WRONG_VALUE_FOR_VAR */
const wrongValue = 1231;

/** What a session has from the handshake on, and a reset takes from it. */
interface Beginning {
  readonly server: string;
  readonly database: string | null;
  readonly sqlMode: string;
  readonly characterSet: string;
  readonly collation: string;
  readonly charsetNumber: number | undefined;
  readonly user: string | undefined;
}

/** One connection and what is known of it. */
export class Session<C extends MysqlConnection> {
  readonly connection: C;
  /** Emits once, as soon as the connection is known to be of no use any more. */
  readonly broken$: Observable<unknown>;
  readonly #core: Core;
  readonly #beginning: Beginning;
  readonly #line: CancelLine;
  readonly #scheduler: SchedulerLike;
  readonly #quit: () => unknown;
  readonly #gone: Promise<void>;
  #failure: { readonly error: unknown } | undefined = undefined;

  private constructor(
    connection: C,
    beginning: Beginning,
    line: CancelLine,
    scheduler: SchedulerLike,
  ) {
    const core = coreOf(connection);
    this.connection = connection;
    this.#core = core;
    this.#beginning = beginning;
    this.#line = line;
    this.#scheduler = scheduler;
    // As it is now: the facade puts another one in its place.
    this.#quit = core.end.bind(core);
    this.broken$ = deathOf(core);
    this.broken$.subscribe(error => {
      this.#failure = { error };
    });
    const { stream } = core;
    this.#gone =
      stream === undefined
        ? lastValueFrom(this.broken$.pipe(map(() => undefined)))
        : new Promise(resolve => {
            stream.once('close', resolve);
          });
    keepListeners(connection);
    keepListeners(core);
  }

  /** Asks the server, once, for what each reset is to bring back. */
  static async begin<C extends MysqlConnection>(
    connection: C,
    line: CancelLine,
    scheduler: SchedulerLike,
  ): Promise<Session<C>> {
    deathOf(coreOf(connection));
    const [server, database = null, sqlMode, characterSet, collation] = await rowOf(
      connection,
      `SELECT ${serverName}, DATABASE(), @@sql_mode, @@character_set_client, @@collation_connection`,
    );
    const { config } = coreOf(connection);
    const beginning = {
      server: server ?? '',
      database,
      sqlMode: sqlMode ?? '',
      characterSet: characterSet ?? '',
      collation: collation ?? '',
      charsetNumber: config?.charsetNumber,
      user: config?.user,
    };
    return new Session(connection, beginning, line, scheduler);
  }

  /** One round trip. */
  async isAlive(): Promise<boolean> {
    if (this.#failure !== undefined || this.#isBusy) return false;
    await this.connection.ping();
    return true;
  }

  /** Waits until nothing runs on the server; cancels what does not end by itself. */
  async quiet(): Promise<void> {
    // Whoever has paused it and left would keep the rest of the rows, and everybody after it, waiting.
    this.connection.resume();
    if (this.#isBusy) {
      const idle = this.connection.ping();
      let isIdle = await this.#within(patienceMillis, idle);
      while (!isIdle) {
        // Never two at once, and each to its end: one that is late would hit the next statement.
        await this.#line.kill('QUERY', this.connection.threadId, this.#beginning.server);
        isIdle = await this.#within(cancelAgainMillis, idle);
      }
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async rollBack(): Promise<void> {
    await this.connection.query('ROLLBACK');
  }

  /**
   * Back to how the session was when it began. What the protocol's reset makes of the character set and of the default
   * database differs between servers, and what the driver asked for at the handshake is lost with it.
   */
  async reset(): Promise<void> {
    const { charsetNumber, database, user } = this.#beginning;
    const { config } = this.#core;
    if (config?.user !== user) throw new Error('The borrower has changed the user');
    restoreListeners(this.connection); // before the core, on which its own listeners stand
    restoreListeners(this.#core);
    await this.connection.reset();
    // By this the driver encodes what it sends; it follows a SET NAMES, but no reset.
    if (config !== undefined && charsetNumber !== undefined) config.charsetNumber = charsetNumber;
    try {
      await this.connection.query(this.#restoring);
    } catch (error) {
      if ((error as { errno?: number }).errno !== wrongValue) throw error;
      if (database === null) throw new Error('The borrower has chosen a default database');
      await this.connection.query(`USE ${this.connection.escapeId(database)}`);
      await this.connection.query(this.#restoring);
    }
  }

  /** Ends the connection; resolves once the server has closed it, or the socket is cut. */
  async end(): Promise<void> {
    try {
      await this.#sayGoodbye();
      await this.#within(goodbyeMillis, this.#gone);
    } finally {
      cut(this.#core);
    }
    await this.#within(goodbyeMillis, this.#line.closed);
  }

  /** In one round trip; refused by the server where the default database is another one. */
  get #restoring(): string {
    const { database, sqlMode, characterSet, collation } = this.#beginning;
    const text = (value: string | null): string => this.connection.escape(value);
    return (
      `SET NAMES ${text(characterSet)} COLLATE ${text(collation)}, ` +
      `sql_mode = IF(DATABASE() <=> ${text(database)}, ${text(sqlMode)}, NULL)`
    );
  }

  get #isBusy(): boolean {
    return Boolean(this.#core._command);
  }

  async #sayGoodbye(): Promise<void> {
    if (this.#failure !== undefined) return;
    this.connection.resume();
    if (!this.#isBusy) {
      this.#quit();
      return;
    }
    // A server notices late that nobody waits for a statement any more, and counts the connection until then.
    const { threadId } = this.connection;
    const killed = this.#line.kill('CONNECTION', threadId, this.#beginning.server);
    await this.#within(killMillis, killed);
  }

  /** Whether it has happened by then. */
  #within(millis: number, happening: Promise<unknown>): Promise<boolean> {
    const late$ = timer(millis, this.#scheduler).pipe(map(() => false));
    return firstValueFrom(race(from(happening).pipe(map(() => true)), late$));
  }
}

/** One row of texts, whatever the connection's own options make of rows. */
async function rowOf(
  connection: MysqlConnection,
  sql: string,
): Promise<readonly (string | null)[]> {
  const statement = { sql, rowsAsArray: true, nestTables: false, typeCast: true } as never;
  const [rows] = (await connection.query(statement)) as [readonly (string | null)[][], unknown];
  return rows[0] ?? [];
}
