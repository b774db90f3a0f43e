import { throwError } from 'rxjs';

/**
 * Hands an error that nobody can catch to RxJS's own handler for such errors (`config.onUnhandledError`, else thrown
 * in a task of its own), so that it is heard and yet cannot break the pool.
 */
export function reportError(error: unknown): void {
  throwError(() => error).subscribe();
}
