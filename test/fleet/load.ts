import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom } from 'rxjs';
import type { Pool } from '../../src/index.js';
import type { PostgresClient } from '../../src/postgres/index.js';

/** A borrower that was refused tries again after this, as a polite client does. */
const retryMillis = 50;

export interface Load {
  readonly borrowers: number;
  readonly workMillis: number;
  readonly isOver: () => boolean;
  readonly onServed: () => void;
  readonly onFailed: (error: unknown) => void;
}

/** Borrowers that borrow again as soon as they gave back. */
export async function borrowAll(pool: Pool<PostgresClient>, load: Load): Promise<void> {
  const { borrowers, workMillis, isOver, onServed, onFailed } = load;
  const work = async (client: PostgresClient): Promise<void> => {
    await client.query('SELECT pg_sleep($1)', [workMillis / 1_000]);
  };
  const borrow = async (): Promise<void> => {
    while (!isOver()) {
      try {
        await lastValueFrom(pool.use(work));
        onServed();
      } catch (error) {
        onFailed(error);
        await sleep(retryMillis);
      }
    }
  };
  await Promise.all(Array.from({ length: borrowers }, borrow));
}
