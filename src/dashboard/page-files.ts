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

let files: ReadonlyMap<string, PageFile> | undefined;

/** Every file that the page consists of, by its name; nothing else can be asked for. */
export function pageFiles(): ReadonlyMap<string, PageFile> {
  files ??= new Map(
    [...own, ...chart].map(name => [
      name,
      { type: types[name.replace(/.*\./, '')] as string, body: read(name) },
    ]),
  );
  return files;
}

function read(name: string): Buffer {
  try {
    return readFileSync(new URL(`page/${name}`, import.meta.url));
  } catch (error) {
    if (!chart.includes(name)) throw error;
    // The package has it beside the page; a checkout has it where it was installed.
    const main = createRequire(import.meta.url).resolve('uplot');
    return readFileSync(main.replace(/[^\\/]+$/, name));
  }
}
