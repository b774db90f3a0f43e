// Opens the pages of the built site in Chromium, light and dark, as wide as a desk and as narrow as a phone, and fails
// where a page complains, misses a file, is wider than its window or writes with too little contrast.
//
//   npm run docs:look                        every page but the reference, of which one stands for all
//   npm run docs:look -- --page /concepts    this page; may be given several times
//   npm run docs:look -- --pictures          with pictures in reports/look, for your own eyes

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromiumPath, openChromium } from '../../test/dashboard/chromium.mjs';

const site = new URL('../../reports/site/', import.meta.url).pathname;
const pictures = new URL('../../reports/look/', import.meta.url).pathname;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const { values: given } = parseArgs({
  options: {
    page: { type: 'string', multiple: true },
    pictures: { type: 'boolean', default: false },
  },
});

const types = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

/** The site as a host of static files shows it, addresses without `.html` included. */
const server = createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url, 'http://site').pathname);
  const files = [path, `${path}.html`, join(path, 'index.html')].map(name => join(site, name));
  const file = files.find(name => extname(name) !== '' && existsSync(name));
  if (file === undefined) response.writeHead(404).end();
  else
    response
      .setHeader('content-type', types[extname(file)] ?? 'text/plain')
      .end(readFileSync(file));
});

const pages = readdirSync(site, { recursive: true })
  .filter(file => file.endsWith('.html') && file !== '404.html')
  .filter(file => !file.startsWith('reference/') || file === 'reference/keyed.html')
  .map(file => `/${file.replace(/(index)?\.html$/, '')}`);

const looks = [
  { colorScheme: 'light', viewport: { width: 1400, height: 900 } },
  { colorScheme: 'dark', viewport: { width: 390, height: 844 } },
];

/** What stands out to the right of the window, but for what scrolls in a frame of its own. */
function tooWide() {
  const width = document.documentElement.clientWidth;
  const scrolls = element =>
    element !== null &&
    (getComputedStyle(element).overflowX !== 'visible' || scrolls(element.parentElement));
  return [...document.querySelectorAll('.vp-doc *')]
    .filter(element => element.getBoundingClientRect().right > width + 1 && !scrolls(element))
    .map(element => `too wide: ${element.outerHTML.slice(0, 100)}`);
}

async function pale() {
  const { violations } = await globalThis.axe.run({ runOnly: ['color-contrast'] });
  return violations.flatMap(({ nodes }) =>
    nodes.map(({ html, any }) => `${html.slice(0, 100)}: ${any[0]?.message}`),
  );
}

async function look(browser, origin, { colorScheme, viewport }) {
  const context = await browser.newContext({ colorScheme, viewport });
  const page = await context.newPage();
  const found = [];
  page.on('console', message => message.type() === 'error' && found.push(message.text()));
  page.on('pageerror', error => found.push(error.message));
  let count = 0;
  for (const path of given.page ?? pages) {
    found.length = 0;
    const answer = await page.goto(origin + path, { waitUntil: 'load' });
    if (!answer.ok()) found.push(`the server answers ${answer.status()}`);
    await page.evaluate(axe);
    found.push(...(await page.evaluate(tooWide)), ...(await page.evaluate(pale)));
    if (given.pictures) {
      const name = path.replaceAll('/', '-').replace(/^-$/, '-index').slice(1);
      await page.screenshot({
        path: join(pictures, `${name}-${colorScheme}-${viewport.width}.png`),
        fullPage: true,
      });
    }
    for (const fault of found)
      console.error(`${path}, ${colorScheme}, ${viewport.width} wide: ${fault}`);
    count += found.length;
  }
  await context.close();
  return count;
}

if (chromiumPath === undefined) {
  console.log('left out: no Chromium');
  process.exit(0);
}
if (given.pictures) mkdirSync(pictures, { recursive: true });
await new Promise(done => server.listen(0, '127.0.0.1', done));
const browser = await openChromium();
let faults = 0;
const all = given.pictures
  ? looks.flatMap(one => looks.map(({ viewport }) => ({ ...one, viewport })))
  : looks;
for (const one of all)
  faults += await look(browser, `http://127.0.0.1:${server.address().port}`, one);
await browser.close();
server.close();
console.log(
  `${(given.page ?? pages).length} pages, ${all.length} ways to look at each, ${faults} faults`,
);
if (faults > 0) process.exitCode = 1;
