// A scraping crawler: a few pages at a time, each visit in a browser context that nobody had, links followed as found.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium, type Page } from 'playwright-core';
import { browserContextPool, withPage } from 'rxpool/browser';
import { catchError, defer, EMPTY, expand, from, lastValueFrom, mergeMap, toArray } from 'rxjs';

/** The site that is crawled: one on this machine. */
const links: Record<string, string[]> = {
  '/': ['/books', '/games', '/broken'],
  '/books': ['/books/1', '/books/2', '/'],
  '/games': ['/games/1', '/books'],
  '/books/1': [],
  '/books/2': ['/books/1'],
  '/games/1': ['/games'],
};
const site = createServer((request, response) => {
  const path = request.url ?? '/';
  const found = links[path];
  response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'text/html' });
  const list = (found ?? []).map(link => `<a href="${link}">${link}</a>`).join(' ');
  response.end(`<!doctype html><title>page ${path}</title><body>${list}`);
});
site.listen(0, '127.0.0.1');
await once(site, 'listening');
const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;

const pool = browserContextPool({
  name: 'crawler',
  max: 3,
  launch: () =>
    chromium.launch({
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      chromiumSandbox: false,
      args: ['--disable-gpu', '--disable-background-networking'],
    }),
});

interface Visited {
  readonly path: string;
  readonly title: string;
  readonly links: readonly string[];
}

async function read(page: Page, path: string): Promise<Visited> {
  const response = await page.goto(`${origin}${path}`);
  if (response?.ok() !== true) throw new Error(`${path} answered ${response?.status()}`);
  const found = await page.locator('a').allInnerTexts();
  return { path, title: await page.title(), links: found };
}

const seen = new Set(['/']);
const failed: string[] = [];

/** Waits in the pool for its turn: the crawl needs no limit of its own. */
const visit = (path: string) =>
  withPage(pool, (page: Page) => read(page, path), { label: path }).pipe(
    catchError((error: Error) => {
      failed.push(error.message);
      return EMPTY;
    }),
  );

const crawl$ = defer(() => visit('/')).pipe(
  expand(({ links: found }) =>
    from(found.filter(link => !seen.has(link))).pipe(
      mergeMap(link => {
        if (seen.has(link)) return EMPTY;
        seen.add(link);
        return visit(link);
      }),
    ),
  ),
  toArray(),
);

const visited = await lastValueFrom(crawl$);
console.log(`${visited.length} pages`); // prints: 6 pages
console.log(visited[0]?.title); // prints: page /
console.log(failed.join()); // prints: /broken answered 404
const { created, peakLeased } = pool.stats;
console.log(`${created} contexts, ${peakLeased <= 3 ? 'three at once at most' : 'too many'}`);
// prints: 7 contexts, three at once at most

await pool.close(); // ends the browser, too
site.close();
site.closeAllConnections();
