import type { Observable } from 'rxjs';
import type { Pool } from '../../../src/index.js';

/** What examples lend that are about no particular back end. */
export interface Connection {
  query(text: string, values?: readonly unknown[]): Promise<unknown[]>;
  send(message: string): void;
  end(): Promise<void>;
}

export declare function connect(): Promise<Connection>;
// As a hook it is given a context, and must not take that for an address.
// eslint-disable-next-line @typescript-eslint/unified-signatures
export declare function connect(address: string): Promise<Connection>;
export declare function work(connection: Connection): Promise<number>;
export declare function show(...what: unknown[]): void;
export declare const pool: Pool<Connection>;
export declare const orders$: Observable<string>;
export declare const logger: { info(...what: unknown[]): void; error(...what: unknown[]): void };
export declare const tenant: string;
export declare const isBatch: boolean;
