import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export interface PageFile {
  readonly type: string;
  readonly body: Buffer;
}

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

const own = [
  'index.html',
  ...['app.js', 'cards.js', 'charts.js', 'connection.js', 'controls.js', 'detail.js'],
  ...['event-log.js', 'format.js', 'strip.js', 'style.css', 'icon.svg'],
];
const chart = ['uPlot.iife.min.js', 'uPlot.min.css'];

const names: ReadonlySet<string> = new Set([...own, ...chart]);
const files = new Map<string, PageFile>();

/** One of the files that the page consists of; nothing else can be asked for. */
export function pageFile(name: string): PageFile | undefined {
  if (!names.has(name)) return undefined;
  const known = files.get(name);
  if (known !== undefined) return known;
  const body = read(name);
  if (body === undefined) return undefined;
  const file = { type: types[name.replace(/.*\./, '')] as string, body };
  files.set(name, file);
  return file;
}

/** The package has all files in one folder; a checkout has uPlot's where it was installed. */
function read(name: string): Buffer | undefined {
  try {
    return readFileSync(new URL(`page/${name}`, import.meta.url));
  } catch {
    try {
      return readFileSync(
        createRequire(import.meta.url)
          .resolve('uplot')
          .replace(/[^\\/]+$/, name),
      );
    } catch {
      return undefined; // bundled without them
    }
  }
}
