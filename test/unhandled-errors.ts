import { config } from 'rxjs';
import { onTestFinished } from 'vitest';

/** What RxJS reports as unhandled from now on, until the test ends. */
export function unhandledErrors(): unknown[] {
  const reported: unknown[] = [];
  const { onUnhandledError } = config;
  config.onUnhandledError = error => reported.push(error);
  onTestFinished(() => {
    config.onUnhandledError = onUnhandledError;
  });
  return reported;
}
