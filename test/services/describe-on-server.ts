import { afterAll, describe, it } from 'vitest';
import { MissingServerError } from './missing-server.js';

/**
 * `describe` for tests that need a real server, which it starts before and stops after them. Where there is none it
 * says in one line how to get it and skips them; in CI, where it has to be there, the file fails. To be awaited at the
 * top of a test file.
 */
export async function describeOnServer<S extends { stop(): Promise<void> }>(
  title: string,
  start: () => Promise<S>,
  tests: (server: S) => void,
): Promise<void> {
  let server: S;
  try {
    server = await start();
  } catch (error) {
    if (!(error instanceof MissingServerError) || process.env['CI'] !== undefined) throw error;
    const reason = `skipped: ${error.message}`;
    console.log(`${title}: ${reason}`);
    describe.skip(title, () => {
      it(reason, () => undefined);
    });
    return;
  }
  describe(title, () => {
    afterAll(() => server.stop());
    tests(server);
  });
}
