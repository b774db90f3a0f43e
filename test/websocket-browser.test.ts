import { build } from 'esbuild';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { chromiumPath, openChromium } from './dashboard/chromium.mjs';
import type { WebSocketPage } from './websocket/page.js';
import { startServer, type AskedServer } from './websocket/server.js';
import { patience } from './patience.js';

const why = 'there is no Chromium here: `apt-get install chromium`, or name one in CHROMIUM';
if (chromiumPath === undefined) {
  console.warn(`The tests of WebSockets in a browser are skipped: ${why}.`);
}

let server: AskedServer;
let browser: Browser;
let page: Page;

describe.skipIf(chromiumPath === undefined && process.env['CI'] === undefined)(
  'WebSockets in a browser',
  () => {
    beforeAll(async () => {
      if (chromiumPath === undefined) throw new Error(why);
      // Fails where anything of Node is imported.
      const { outputFiles } = await build({
        entryPoints: [join(import.meta.dirname, 'websocket/page.ts')],
        bundle: true,
        write: false,
        format: 'esm',
        platform: 'browser',
        target: 'es2022',
        logLevel: 'error',
      });
      server = await startServer('<!doctype html><title>Test</title>');
      browser = await openChromium();
      page = await browser.newPage();
      await page.goto(server.url.replace('ws:', 'http:'));
      await page.addScriptTag({ type: 'module', content: outputFiles[0]?.text ?? '' });
      await page.waitForFunction('globalThis.page !== undefined');
    }, 60_000);

    afterAll(async () => {
      await browser.close();
      await server.stop();
    });

    const ask = (what: keyof WebSocketPage): Promise<unknown> =>
      page.evaluate(`page.${what}(${JSON.stringify(server.url)})`);

    it('are pooled, asked, and closed with the pool', async () => {
      expect(await ask('replies')).toEqual({ values: [1, 2, 3, 4], allClosed: true });
      await vi.waitUntil(() => server.clients.size === 0, patience);
    });

    it('come back without the listeners of their borrower, and as they were', async () => {
      expect(await ask('leftovers')).toEqual({ heard: 2, binaryType: 'blob' });
    });

    it('tell that they broke, and are replaced', async () => {
      expect(await ask('breaking')).toEqual({
        name: 'WebSocketClosedError',
        closeCode: 1006,
        next: { id: 7, value: 'back' },
      });
    });

    it('may be those of RxJS', async () => {
      expect(await ask('subjects')).toEqual({ values: [1, 2, 3], created: 1, destroyed: 1 });
    });

    it('fail the acquire where no server is, and keep the token to themselves', async () => {
      const message = await ask('nobody');
      expect(message).toContain('The connection to ws://127.0.0.1:1/?… could not be opened');
    });
  },
);
