/** What every part of a run has to know; it goes to processes and threads as JSON. */
export interface Plan {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly key: string;
  /** Permits in all, and the size of the one pool that the fleet is compared with. */
  readonly limit: number;
  readonly processes: number;
  readonly threadsPerProcess: number;
  readonly borrowersPerThread: number;
  /** What a borrower does: it lets the server wait. So two cores are enough for a fleet. */
  readonly workMillis: number;
  readonly ttlMillis: number;
}

/** What one process of the fleet is called; a new one never has an old name. */
export type ProcessName = `p${number}`;

/** From a process to the one that started it. */
export type FromProcess =
  | { readonly type: 'ready' }
  /** Borrowings that ended since the process started. */
  | {
      readonly type: 'count';
      readonly served: number;
      readonly failed: number;
      readonly lost: number;
    }
  | { readonly type: 'stopped' };

/** Where in shared memory a thread counts. */
export const counters = { served: 0, failed: 1, lost: 2, ready: 3 } as const;
