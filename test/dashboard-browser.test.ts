import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createPool, type Lease, type Pool, type PoolOptions } from '../src/index.js';
import { dashboard, type Dashboard, type DashboardOptions } from '../src/dashboard/index.js';
import { chromiumPath, openChromium } from './dashboard/chromium.mjs';

const why = 'there is no Chromium here: `apt-get install chromium`, or name one in CHROMIUM';
if (chromiumPath === undefined)
  console.warn(`The browser tests of the dashboard are skipped: ${why}.`);

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let browser: Browser;

function somePool(options: Partial<PoolOptions<object>> = {}): Pool<object> {
  const pool = createPool<object>({ name: 'orders', create: () => ({}), ...options });
  onTestFinished(() => pool.close({ force: true }).catch(() => undefined));
  return pool;
}

async function served(
  pools: readonly Pool<object>[],
  options?: DashboardOptions,
): Promise<Dashboard> {
  const board = await dashboard(pools, options);
  onTestFinished(() => board.close());
  return board;
}

interface View {
  readonly page: Page;
  /** Whatever the console had to say, and requests that were not for the dashboard. */
  readonly complaints: string[];
}

async function open(url: string, options: BrowserContextOptions = {}): Promise<View> {
  const context = await browser.newContext(options);
  onTestFinished(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const complaints: string[] = [];
  page.on('console', message => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', error => complaints.push(String(error)));
  page.on('request', request => {
    if (new URL(request.url()).origin !== new URL(url).origin) complaints.push(request.url());
  });
  await page.goto(url);
  await live(page);
  return { page, complaints };
}

/** What `locator` says, until it says so. */
function says(page: Page, selector: string): ReturnType<typeof expect.poll> {
  return expect.poll(() => page.locator(selector).first().innerText());
}

async function live(page: Page): Promise<void> {
  await says(page, '#connection-text').toBe('Live');
}

async function seriousIn(page: Page): Promise<string[]> {
  // Run by the test, from outside the page: its content security policy would forbid the script.
  const found = await page.evaluate<{
    violations: { impact: string; id: string; nodes: { html: string }[] }[];
  }>(`${axe}; axe.run(document, { resultTypes: ['violations'] })`);
  return found.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

async function crowd(pool: Pool<object>, waiting: number): Promise<Lease<object>[]> {
  const leases = await Promise.all(
    Array.from({ length: pool.state.max }, () => pool.lease({ label: 'nightly export' })),
  );
  for (let count = 0; count < waiting; count += 1) {
    pool.lease({ label: 'checkout' }).catch(() => undefined);
  }
  return leases;
}

describe.skipIf(chromiumPath === undefined)(
  'the dashboard in a browser',
  { timeout: 90_000 },
  () => {
    beforeAll(async () => {
      browser = await openChromium();
    });
    afterAll(() => browser.close());

    it('shows what pool.state says, as it changes, and complains of nothing', async () => {
      const pool = somePool({ max: 4 });
      const { url } = await served([pool]);
      const { page, complaints } = await open(url);
      await says(page, '#figure-leased').toContain('0');
      const leases = await crowd(pool, 3);
      await says(page, '#figure-waiting').toBe(String(pool.state.waiting));
      expect(await page.locator('#figure-leased').innerText()).toBe(String(pool.state.leased));
      expect(await page.locator('#slots li[data-state=leased]').count()).toBe(4);
      await says(page, '#queue-text').toContain('3 requests waiting');
      expect(await page.locator('#queue-text').innerText()).toContain('checkout × 3');
      await says(page, '#holders tbody').toContain('nightly export');
      for (const lease of leases) void lease.release();
      await says(page, '#figure-waiting').toBe('0');
      await says(page, '#legend').toContain(`${pool.state.idle} idle`);
      await says(page, '#events').toContain('released');
      expect(complaints).toEqual([]);
    });

    it('draws points that agree with the counters of the pool', async () => {
      const pool = somePool({ max: 2 });
      const { url } = await served([pool]);
      const { page, complaints } = await open(url);
      for (let times = 0; times < 40; times += 1) pool.use(() => 1).subscribe();
      const keys = page.locator('.key');
      await expect.poll(() => keys.nth(1).innerText()).toMatch(/Leases\s*(?:[1-9]|\d\d)/);
      const drawn = await page.evaluate(`(() => {
      const canvas = document.querySelector('#chart-rates canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return data.some(value => value !== 0);
    })()`);
      expect(drawn).toBe(true);
      expect(await page.locator('#chart-counts').getAttribute('aria-label')).toMatch(
        /^Leased \d.*Max 2$/,
      );
      expect(complaints).toEqual([]);
    });

    it('says in a sentence who waits, and why', async () => {
      const pool = somePool({ max: 2 });
      const { url } = await served([pool], { health: { saturatedAfterMillis: 100 } });
      const { page } = await open(url);
      await crowd(pool, 5);
      await says(page, '#status').toBe('Saturated');
      await says(page, '#reasons').toMatch(/^5 requests waiting, .*: all 2 are leased\.$/);
      expect(await page.title()).toBe('(1) Pools');
    });

    it('comes back by itself when the server restarts, with the state of then', async () => {
      const pool = somePool({ max: 3 });
      const board = await served([pool]);
      const { page } = await open(board.url);
      await board.close();
      await says(page, '#connection-text').toBe('No connection, trying again');
      await pool.lease();
      await served([pool], { port: board.port });
      await live(page);
      await says(page, '#figure-leased').toBe('1');
    });

    it('has buttons that work, when they are switched on', async () => {
      const pool = somePool({ max: 3 });
      await pool.prefill();
      const { url } = await served([pool], { controls: true });
      const { page, complaints } = await open(url);
      await page.getByRole('button', { name: 'Pause' }).click();
      await says(page, '#status').toBe('Paused');
      expect(pool.state.lifecycle).toBe('paused');
      await page.getByRole('button', { name: 'Resume' }).click();
      await says(page, '#status').toBe('Healthy');
      await page.getByRole('spinbutton', { name: 'max' }).fill('2');
      await page.getByRole('button', { name: 'Resize' }).click();
      await says(page, '#answer').toBe('Resized: min 0, max 2.');
      expect(pool.state).toMatchObject({ max: 2, size: 2 });
      await page.getByRole('button', { name: 'Recycle' }).click();
      await expect.poll(() => pool.stats.recycled).toBe(2);
      await page.getByRole('button', { name: 'Evict' }).click();
      await says(page, '#answer').toContain('Nothing idle');
      expect(complaints).toEqual([]);
    });

    it('has no buttons otherwise', async () => {
      const { url } = await served([somePool()]);
      const { page } = await open(url);
      await says(page, '#status').toBe('Healthy');
      expect(await page.locator('#controls').isVisible()).toBe(false);
    });

    it('runs no script that is not its own', async () => {
      const { url } = await served([somePool()]);
      const { page, complaints } = await open(url);
      await page.evaluate(`
      const script = document.createElement('script');
      script.textContent = 'globalThis.broken = true';
      const image = document.createElement('img');
      image.src = 'https://evil.example/pixel.png';
      document.body.append(script, image);
    `);
      await expect.poll(() => complaints.join('\n')).toContain('Content Security Policy');
      expect(await page.evaluate(`'broken' in globalThis`)).toBe(false);
    });

    it('shows names and labels as text, whatever is in them', async () => {
      const nasty = '<img src=x onerror="globalThis.broken=true">';
      const pool = somePool({ name: nasty, max: 2 });
      const { url } = await served([pool]);
      await pool.lease({ label: nasty });
      const { page, complaints } = await open(url);
      await says(page, '#name').toBe(nasty);
      await says(page, '#holders tbody').toContain(nasty);
      await says(page, '.card-name').toBe(nasty);
      await page.goto(`${url}#pool=${encodeURIComponent(nasty)}`);
      await says(page, '#name').toBe(nasty);
      expect(await page.evaluate(`'broken' in globalThis`)).toBe(false);
      expect(complaints).toEqual([]);
    });

    it('can be used with the keyboard alone', async () => {
      const [orders, reports] = [somePool({ max: 3 }), somePool({ name: 'reports' })];
      await orders.prefill();
      const { url } = await served([orders, reports]);
      const { page } = await open(url);
      const focused = (): Promise<string> =>
        page.evaluate<string>('document.activeElement.id || document.activeElement.className');
      await page.keyboard.press('Tab');
      expect(await focused()).toBe('skip');
      await page.keyboard.press('Tab');
      expect(await focused()).toBe('theme');
      const before = await page.evaluate<string>('document.documentElement.dataset.theme');
      await page.keyboard.press('Enter');
      expect(await page.evaluate<string>('document.documentElement.dataset.theme')).not.toBe(
        before,
      );
      await page.keyboard.press('Tab');
      await page.keyboard.type('rep');
      expect(await page.locator('#cards li:visible').count()).toBe(1);
      await page.keyboard.press('Tab');
      await page.keyboard.press('Tab');
      expect(await focused()).toBe('card');
      await page.keyboard.press('Enter');
      await says(page, '#name').toBe('reports');
      await page.goBack();
      await page.goto(`${url}#pool=orders`);
      await says(page, '#name').toBe('orders');
      await page.locator('#slots').focus();
      await page.keyboard.press('ArrowRight');
      await says(page, '#slot-facts').toMatch(/^Slot 1: idle for /);
      await page.keyboard.press('ArrowRight');
      await says(page, '#slot-facts').toMatch(/^Slot 2: /);
      await page.keyboard.press('End');
      await says(page, '#slot-facts').toMatch(/^Slot 3: idle for .*, 0 uses, .* old$/);
    });

    it('filters and holds the events', async () => {
      const pool = somePool({ max: 1 });
      const { url } = await served([pool]);
      const { page } = await open(url);
      const lease = await pool.lease({ label: 'checkout' });
      await pool.lease({ timeoutMillis: 1 }).catch(() => undefined);
      await says(page, '#events').toContain('timedOut');
      await page.getByRole('button', { name: 'Leases' }).click();
      await says(page, '#events').not.toContain('acquired');
      expect(await page.locator('#events').innerText()).toContain('created');
      await page.getByRole('button', { name: 'Life' }).click();
      expect(await page.locator('#events li b').allInnerTexts()).toEqual(['timedOut']);
      await page.getByRole('button', { name: 'Leases' }).click();
      await page.getByLabel('Filter events by any word').fill('checkout');
      expect(await page.locator('#events li b').allInnerTexts()).toEqual(['acquired', 'requested']);
      await page.getByRole('button', { name: 'Hold' }).click();
      await lease.release();
      await says(page, '#figure-leased').toBe('0');
      expect(await page.locator('#events li b').allInnerTexts()).toEqual(['acquired', 'requested']);
      await page.getByRole('button', { name: 'Hold' }).click();
      await says(page, '#events').toContain('released');
    });

    it('fits a phone: a list, a pool, and the way back', async () => {
      const pools = [
        somePool({ max: 40 }),
        somePool({ name: 'a pool with a rather long name '.repeat(3) }),
      ];
      await crowd(pools[0]!, 30);
      const { url } = await served(pools, { controls: true, sampleStacks: 1 });
      const { page, complaints } = await open(url, {
        viewport: { width: 360, height: 740 },
        hasTouch: true,
        isMobile: true,
      });
      const fits = (): Promise<boolean> =>
        page.evaluate<boolean>('document.documentElement.scrollWidth <= window.innerWidth');
      expect(await page.locator('#detail').isVisible()).toBe(false);
      expect(await fits()).toBe(true);
      await page.locator('.card', { hasText: 'orders' }).tap();
      await says(page, '#name').toBe('orders');
      await says(page, '#queue-text').toContain('30 requests waiting');
      expect(await fits()).toBe(true);
      expect(await page.locator('.pools').isVisible()).toBe(false);
      await page.getByRole('link', { name: 'All pools' }).tap();
      await expect.poll(() => page.locator('.pools').isVisible()).toBe(true);
      expect(complaints).toEqual([]);
    });

    it.each(['light', 'dark'] as const)(
      'has nothing serious for axe-core to find: %s',
      async colorScheme => {
        const pools = [
          somePool({ max: 4, leakWarningMillis: 10 }),
          somePool({ name: 'idle' }),
          somePool({
            name: 'broken',
            create: () => {
              throw new Error('no');
            },
          }),
        ];
        pools[1]!.pause();
        await crowd(pools[0]!, 6);
        const { url } = await served(pools, {
          controls: true,
          sampleStacks: 1,
          health: { saturatedAfterMillis: 50 },
        });
        for (let times = 0; times < 3; times += 1) {
          await pools[2]!.lease().catch(() => undefined);
        }
        for (const viewport of [
          { width: 1440, height: 900 },
          { width: 360, height: 740 },
        ]) {
          const { page } = await open(`${url}#pool=orders`, { colorScheme, viewport });
          await says(page, '#status').toBe('Saturated');
          await says(page, '#events').toContain('leaked');
          expect(await seriousIn(page)).toEqual([]);
          await page.goto(`${url}#pool=broken`);
          await says(page, '#status').toBe('Creates fail');
          expect(await seriousIn(page)).toEqual([]);
        }
      },
    );

    it('lets the token in once and keeps it out of the address', async () => {
      const pool = somePool();
      const { url } = await served([pool], { token: 'open sesame' });
      const { page } = await open(url);
      expect(page.url()).not.toContain('token');
      await page.reload();
      await live(page);
    });

    it('shows a hundred pools, and keeps up with them', async () => {
      const pools = Array.from({ length: 100 }, (_, index) => somePool({ name: `pool ${index}` }));
      const { url } = await served(pools);
      const { page, complaints } = await open(url);
      await says(page, '#summary').toBe('100 pools, all well');
      expect(await page.locator('.card').count()).toBe(100);
      for (const pool of pools) await pool.lease();
      await expect.poll(() => page.locator('.mini i[data-state=leased]').count()).toBe(100);
      await page.getByLabel('Find a pool').fill('pool 99');
      expect(await page.locator('#cards li:visible').count()).toBe(1);
      expect(complaints).toEqual([]);
    });

    it('lets go of its stream when it is closed', async () => {
      const board = await served([somePool()]);
      const { page } = await open(board.url);
      await expect.poll(() => board.viewers).toBe(1);
      await page.close();
      await expect.poll(() => board.viewers).toBe(0);
    });
  },
);
