import type { PostgresClient, PostgresClientConstructor, PostgresConnection } from './client.js';

/** The wire under a `pg` client. */
export interface Wire {
  readonly stream?: { destroy(): void };
  readonly parsedStatements?: Record<string, unknown>;
  connect?(portOrPath: number | string, host?: string): void;
  requestSsl?(): void;
  cancel?(processID: number, secretKey: number): void;
  on(event: string, listener: (message: WireMessage) => void): unknown;
}

/** An error as the server sent it; a socket error has neither field. */
export interface WireMessage {
  readonly severity?: string;
  readonly code?: string;
}

/** A statement that reports row by row. */
export interface Statement {
  on(event: 'row', listener: (row: unknown) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
}

/**
 * What `pg` has beyond PostgresClient. Everything is optional, because not every version and not every driver with
 * the same face has it: what is missing costs comfort, never safety.
 */
export interface Driver {
  readonly connection?: Wire;
  readonly readyForQuery?: boolean;
  readonly processID?: number | null;
  readonly secretKey?: number | null;
  readonly host?: string;
  readonly port?: number;
  readonly ssl?: unknown;
  readonly sslNegotiation?: string;
  readonly connectionParameters?: { readonly query_timeout?: number | false };
  getTransactionStatus?(): string | null;
}

/** A client that says what `NOTIFY` sent to it. */
export interface Notifier {
  on(event: 'notification', listener: (message: NotificationMessage) => void): unknown;
}

interface NotificationMessage {
  readonly channel: string;
  readonly payload?: string;
  readonly processId: number;
}

interface StatementConstructor {
  new (text: string, values: readonly unknown[] | undefined): Statement;
}

export function driverOf(client: PostgresClient): Driver {
  return client as Driver;
}

export function notifierOf(client: PostgresClient): Notifier {
  return client as unknown as Notifier;
}

/** The class of row-by-row statements that belongs to the client's class. */
export function statementClassOf(client: PostgresClient): StatementConstructor | undefined {
  return (client.constructor as { Query?: StatementConstructor }).Query;
}

/** The `Client` of the installed `pg`. */
export async function loadClient(): Promise<PostgresClientConstructor> {
  const loaded = await import('pg').catch((cause: unknown) => {
    throw new Error('rxpool/postgres needs the package pg, which cannot be loaded', { cause });
  });
  // Before 8.15 `pg` was CommonJS alone, of which Node finds no names.
  return (loaded as Partial<typeof loaded>).Client ?? loaded.default.Client;
}

/** A client that is not connected yet. */
export function newClient<C extends PostgresClient>(
  Client: PostgresClientConstructor<C>,
  connection: string | PostgresConnection,
): C {
  // A copy: `pg` hides parts of the object that it is given.
  const config = typeof connection === 'string' ? connection : { ...connection };
  return new Client(config as never);
}
