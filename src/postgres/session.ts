import { AsyncSubject, firstValueFrom, from, race, Subject, timer, type Observable } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { keepListeners, restoreListeners } from '../shared/listeners.js';
import type { PostgresClient, PostgresResult } from './client.js';
import { driverOf, type Driver, type Wire, type WireMessage } from './driver.js';

/** How long a connection may take to say goodbye before its socket is cut. */
const goodbyeMillis = 1_000;

/** A cancel that overtook its query on the way did nothing: so it is sent again until the query has ended. */
const cancelAgainMillis = 100;

/**
 * `DISCARD ALL` but for its `DEALLOCATE ALL` and `DISCARD PLANS`: `pg` remembers the named statements that it prepared,
 * and would use them although they are gone. Which statements there are it says last.
 */
const discardButStatements =
  'CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; ' +
  'SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES; ' +
  'SELECT name, from_sql FROM pg_prepared_statements';

/** One client and what is known of its connection. */
export class Session<C extends PostgresClient> {
  readonly client: C;
  readonly #driver: Driver;
  readonly #newClient: () => C;
  readonly #scheduler: SchedulerLike;
  readonly #broken = new AsyncSubject<unknown>();
  readonly #gone = new AsyncSubject<boolean>();
  /** The server became ready, or the connection ended. */
  readonly #moved = new Subject<boolean>();
  #failure: { readonly error: unknown } | undefined = undefined;
  #isGone = false;
  /** The server ends this session by itself and closes the socket as its last act. */
  #dismissed = false;
  /** A query has failed, and the server is about to be ready for the next one. */
  #windingUp = false;
  #messenger: Wire | undefined = undefined;

  private constructor(newClient: () => C, scheduler: SchedulerLike) {
    this.#newClient = newClient;
    this.#scheduler = scheduler;
    this.client = newClient();
    this.#driver = driverOf(this.client);
    // For good: an `error` that nobody listens to ends the process, and a killed back end gives two.
    this.client.on('error', error => {
      this.#break(error);
    });
    this.client.on('end', () => {
      this.#isGone = true;
      this.#break(new Error('The connection has ended'));
      this.#gone.next(true);
      this.#gone.complete();
      this.#moved.next(true);
    });
  }

  /** Connects; aborting cuts the socket at once, whatever it waits for. */
  static async connect<C extends PostgresClient>(
    newClient: () => C,
    scheduler: SchedulerLike,
    signal: AbortSignal,
  ): Promise<Session<C>> {
    const session = new Session(newClient, scheduler);
    let onAbort = (): void => undefined;
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => {
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      signal.throwIfAborted();
      await Promise.race([session.#connect(), aborted]);
      keepListeners(session.client);
      return session;
    } catch (error) {
      session.#cut();
      throw explained(error);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Emits once, as soon as the connection is known to be of no use any more. */
  get broken$(): Observable<unknown> {
    return this.#broken;
  }

  /** Whether nothing of the last borrower runs or is left open. */
  get isClean(): boolean {
    return !this.#isBusy && this.#driver.getTransactionStatus?.() === 'I';
  }

  /** One round trip, of the cheapest statement there is. */
  async isAlive(): Promise<boolean> {
    if (this.#failure !== undefined || this.#isBusy) return false;
    await this.client.query('');
    return true;
  }

  /** Cancels what still runs on the server and rolls back what was left open. */
  async cleanUp(): Promise<void> {
    await this.#quiet();
    if (this.#failure !== undefined) throw this.#failure.error;
    if (!this.isClean) await this.client.query('ROLLBACK');
  }

  /** Back to how the session was when it began. */
  async discard(): Promise<void> {
    restoreListeners(this.client);
    if (!this.#hasNamedStatements()) {
      await this.client.query('DISCARD ALL');
      return;
    }
    // Of several statements `pg` gives as many results.
    const results: unknown = await this.client.query(discardButStatements);
    const last = (Array.isArray(results) ? results.at(-1) : results) as Partial<PostgresResult>;
    await this.#reconcileStatements((last.rows ?? []) as unknown as readonly PreparedStatement[]);
  }

  /** Ends the connection; resolves once the server has closed it, or the socket is cut. */
  async end(): Promise<void> {
    try {
      await firstValueFrom(race(from(this.#goodbye()), timer(goodbyeMillis, this.#scheduler)));
    } finally {
      this.#cut();
    }
  }

  get #isBusy(): boolean {
    return this.#failure === undefined && this.#driver.readyForQuery === false;
  }

  async #connect(): Promise<void> {
    const wire = this.#driver.connection;
    // Before the client hears of it, so that who borrows and fails finds the books in order …
    wire?.on('errorMessage', message => {
      this.#windingUp = true;
      if (isDismissal(message)) {
        this.#dismissed = true;
        this.#break(message);
      }
    });
    const connecting = this.client.connect();
    // … and after the client has heard of it, which then says whether another query was waiting.
    wire?.on('readyForQuery', () => {
      this.#windingUp = false;
      this.#moved.next(true);
    });
    await connecting;
  }

  async #goodbye(): Promise<void> {
    // While the server ends the session it still counts the connection.
    if (this.#dismissed) await firstValueFrom(this.#gone);
    await this.#quiet();
    if (this.#failure === undefined) await this.client.end();
  }

  /** Waits until nothing runs on the server; cancels what does. */
  async #quiet(): Promise<void> {
    while (this.#isBusy) {
      // Never two at once, and each to its end: one that is late would hit the next query.
      if (!this.#windingUp) await this.#cancel();
      if (this.#isBusy) {
        await firstValueFrom(race(this.#moved, timer(cancelAgainMillis, this.#scheduler)));
      }
    }
  }

  /**
   * Sends the cancel request of the protocol, on a socket of its own that becomes no session: it works on a server that
   * is full, and is not counted by it. Resolves when the server has passed it on.
   */
  #cancel(): Promise<void> {
    const { processID, secretKey, host, port, ssl, sslNegotiation } = this.#driver;
    const messenger = driverOf(this.#newClient()).connection;
    if (messenger?.connect === undefined || typeof processID !== 'number') return Promise.resolve();
    this.#messenger = messenger;
    return new Promise(resolve => {
      const done = (): void => {
        resolve();
      };
      const send = (): void => {
        messenger.cancel?.(processID, secretKey ?? 0);
      };
      const begin = (): void => {
        if (ssl === undefined || ssl === false) send();
        // Direct negotiation has begun by itself.
        else if (sslNegotiation !== 'direct') messenger.requestSsl?.();
      };
      messenger.on('error', done);
      messenger.on('end', done);
      messenger.on('connect', begin);
      messenger.on('sslconnect', send);
      if (host?.startsWith('/') === true) messenger.connect?.(`${host}/.s.PGSQL.${port ?? 5432}`);
      else messenger.connect?.(port ?? 5432, host);
    });
  }

  /** What was prepared in SQL is a borrower's; and what it has deallocated `pg` is to prepare again. */
  async #reconcileStatements(found: readonly PreparedStatement[]): Promise<void> {
    const remembered: Record<string, unknown> = this.#driver.connection?.parsedStatements ?? {};
    const present = new Set(found.map(({ name }) => name));
    for (const name of Object.keys(remembered)) {
      if (!present.has(name)) Reflect.deleteProperty(remembered, name);
    }
    const left = found.filter(statement => statement.from_sql);
    if (left.length === 0) return;
    const names = left.map(({ name }) => `DEALLOCATE "${name.replaceAll('"', '""')}"`);
    await this.client.query(names.join('; '));
  }

  #hasNamedStatements(): boolean {
    const statements = this.#driver.connection?.parsedStatements;
    return statements === undefined || Object.keys(statements).length > 0;
  }

  #break(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#broken.next(error);
    this.#broken.complete();
    this.#moved.next(true);
  }

  /** Without a word to the server; nothing happens where the socket is closed already. */
  #cut(): void {
    this.#messenger?.stream?.destroy();
    const stream = this.#driver.connection?.stream;
    if (stream !== undefined) stream.destroy();
    else if (!this.#isGone) this.client.end().catch(() => undefined);
  }
}

/** A row of `pg_prepared_statements`. */
interface PreparedStatement {
  readonly name: string;
  readonly from_sql: boolean;
}

/** Whether the server said that it ends the session. The severity comes in the server's language, the code does not. */
function isDismissal({ severity, code }: WireMessage): boolean {
  return severity === 'FATAL' || severity === 'PANIC' || code?.startsWith('57P0') === true;
}

/** Node says nothing in its own words when every address of a host has failed. */
function explained(error: unknown): unknown {
  if (error instanceof AggregateError && error.message === '') {
    error.message = error.errors.map(each => (each as Error).message).join('; ');
  }
  return error;
}
