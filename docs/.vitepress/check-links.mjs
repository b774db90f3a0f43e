// Every link and picture of the built site leads somewhere, its anchor included. vitepress itself
// looks at the pages that links name, not at anchors.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

const site = new URL('../../reports/site/', import.meta.url).pathname;
const files = readdirSync(site, { recursive: true }).filter(file => file.endsWith('.html'));
const pages = new Map(
  files.map(file => {
    const html = readFileSync(join(site, file), 'utf8');
    const ids = new Set([...html.matchAll(/\sid="([^"]+)"/g)].map(match => match[1]));
    const links = [...html.matchAll(/<(?:a|img)\b[^>]*?\s(?:href|src)="([^"]+)"/g)];
    return [`/${file}`, { ids, links: links.map(match => match[1].replaceAll('&amp;', '&')) }];
  }),
);

const pageOf = path =>
  [path, `${path}.html`, posix.join(path, 'index.html')].find(name => pages.has(name));

function isBroken(from, link) {
  if (/^(?:[a-z]+:|\/\/)/.test(link)) return false;
  const { pathname, hash } = new URL(link, `http://site${from}`);
  const path = decodeURIComponent(pathname);
  const page = pageOf(path);
  if (page === undefined) return !existsSync(join(site, path)) || path.endsWith('/');
  const anchor = decodeURIComponent(hash.slice(1));
  return anchor !== '' && !pages.get(page).ids.has(anchor);
}

let count = 0;
const broken = [];
for (const [page, { links }] of pages) {
  for (const link of links) {
    count += 1;
    if (isBroken(page, link)) broken.push(`${page} -> ${link}`);
  }
}
console.log(`${pages.size} pages, ${count} links, ${broken.length} broken`);
for (const line of new Set(broken)) console.error(line);
if (broken.length > 0 || pages.size < 5) process.exitCode = 1;
