import type { MongodbClient, MongodbClientConstructor, MongodbCursor } from './client.js';

/** An event of the driver that tells of one connection. */
export interface ConnectionEvent {
  readonly address: string;
  readonly connectionId: number | string;
  readonly reason?: string;
  readonly error?: unknown;
}

/** `serverHeartbeatFailed`: its `connectionId` is an address. */
export interface HeartbeatEvent {
  readonly connectionId: string;
  readonly failure: unknown;
}

/** One socket of the driver. */
export interface Wire {
  readonly closed?: boolean;
  once?(event: 'close', listener: () => void): unknown;
  readonly socket?: {
    emit(event: 'error', error: unknown): boolean;
    listenerCount(event: 'error'): number;
  };
}

interface Server {
  readonly pool?: {
    readonly connections?: Iterable<Wire>;
    readonly checkedOutConnections?: Iterable<Wire>;
  };
  readonly monitor?: { readonly connection?: Wire | null } | null;
}

/**
 * What the driver has beyond MongodbClient, and says nothing about in its manual. Everything is optional: what a
 * version does not have costs comfort, never safety.
 */
interface Driver {
  readonly topology?: { close?(): void; readonly s?: { readonly servers?: Map<string, Server> } };
  readonly s?: { readonly activeCursors?: Iterable<MongodbCursor> };
}

/** The sockets that the client has open to the server: those for commands, and the one that watches it. */
export function wiresOf(client: MongodbClient, address: string): Wire[] {
  const server = (client as Driver).topology?.s?.servers?.get(address);
  const { connections = [], checkedOutConnections = [] } = server?.pool ?? {};
  const watching = server?.monitor?.connection ?? undefined;
  const wires = [...connections, ...checkedOutConnections];
  return watching === undefined ? wires : [...wires, watching];
}

/**
 * Fails the command that is stuck on a socket which was destroyed just when it was to be written: the driver (7.8 too)
 * waits for ever for that socket to drain, and what never settles would never give its lease back.
 */
export function unblock({ socket }: Wire, error: unknown): void {
  if (socket !== undefined && socket.listenerCount('error') > 0) socket.emit('error', error);
}

/** The cursors that were read from and not to their end. */
export function openCursorsOf(client: MongodbClient): MongodbCursor[] {
  return [...((client as Driver).s?.activeCursors ?? [])];
}

/** A change stream opens its cursor again when it is closed under it. */
export function readsChanges(cursor: MongodbCursor): boolean {
  return 'resumeToken' in cursor;
}

/** Ends all that the client has open, without a word to the server. */
export function cut(client: MongodbClient): void {
  (client as Driver).topology?.close?.();
}

/** The `MongoClient` of the installed `mongodb`. */
export async function loadClient(): Promise<MongodbClientConstructor> {
  const loaded = (await import('mongodb').catch((cause: unknown) => {
    throw new Error('rxpool/mongodb needs the package mongodb, which cannot be loaded', { cause });
  })) as unknown as { readonly MongoClient: MongodbClientConstructor };
  return loaded.MongoClient;
}
