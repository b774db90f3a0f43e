import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chromiumPath, openChromium } from './dashboard/chromium.mjs';
import { serveFolder, type FileServer } from './worker/file-server.js';
import type { WorkerPage } from './worker/page.js';
import { bundle, type Scripts } from './worker/scripts.js';

const why = 'there is no Chromium here: `apt-get install chromium`, or name one in CHROMIUM';
if (chromiumPath === undefined)
  console.warn(`The tests of workers in a browser are skipped: ${why}.`);

let scripts: Scripts;
let server: FileServer;
let browser: Browser;
let page: Page;
const complaints: string[] = [];

describe.skipIf(chromiumPath === undefined && process.env['CI'] === undefined)(
  'workers in a browser',
  () => {
    beforeAll(async () => {
      if (chromiumPath === undefined) throw new Error(why);
      // Fails where anything of Node is imported.
      scripts = await bundle('browser', ['page', 'tasks']);
      server = await serveFolder(scripts.folder, 'page.js');
      browser = await openChromium();
      page = await browser.newPage();
      page.on('pageerror', error => complaints.push(String(error)));
      await page.goto(server.url);
      await page.waitForFunction('globalThis.page !== undefined');
    }, 30_000);

    afterAll(async () => {
      await browser.close();
      await server.stop();
      scripts.remove();
    });

    const ask = (what: keyof WorkerPage): Promise<unknown> => page.evaluate(`page.${what}()`);

    it('run tasks, as many at once as the machine can', async () => {
      const max = await page.evaluate('navigator.hardwareConcurrency');
      expect(await ask('results')).toEqual({
        numbers: [2, 4, 6],
        several: 250,
        max,
        lifecycle: 'closed',
      });
    });

    it('are taken from a function, and get buffers without a copy', async () => {
      expect(await ask('moving')).toEqual({ result: '255,155,0', left: 0 });
    });

    it('give errors with their message, name, class, stack and fields', async () => {
      expect(await ask('failing')).toEqual({
        name: 'QuotaError',
        message: 'no more today',
        code: 'QUOTA',
        isRangeError: true,
        hasStack: true,
        created: 1,
        destroyed: 0,
      });
    });

    it('are killed by who leaves a task, or told of it', async () => {
      expect(await ask('leaving')).toEqual({ replaced: true, tidied: 1, same: true });
    });

    it('are replaced when they crash, of which the page hears from its task alone', async () => {
      expect(await ask('crashing')).toEqual({ name: 'WorkerDiedError', tellsWhy: true, next: 42 });
      expect(complaints).toEqual([]);
    });

    it('fail the acquire when there is no such script', async () => {
      expect(await ask('missing')).toEqual([
        expect.stringContaining('create failed: The script of the worker could not be loaded'),
        'The script of the worker could not be loaded',
      ]);
    });

    it('serve tasks, which the page itself cannot', async () => {
      expect(await ask('notInAWorker')).toContain('for the script of a worker');
    });
  },
);
