import type { OnApplicationShutdown } from '@nestjs/common';
import type { CloseOptions } from '../index.js';
import type { AnyPool } from './options.js';

/**
 * Closes a pool at the very end of the application: Nest has told every provider by then, and its HTTP server has
 * answered what it had accepted. Nest logs what a close fails with.
 */
export class PoolClosing implements OnApplicationShutdown {
  readonly #pool: AnyPool;
  readonly #options: CloseOptions;

  constructor(pool: AnyPool, options: CloseOptions | undefined) {
    this.#pool = pool;
    this.#options = { waiters: 'serve', ...options };
  }

  onApplicationShutdown(): Promise<void> {
    return this.#pool.close(this.#options);
  }
}
