// Puts what `tsc` leaves out beside what it made: the dashboard's page, and uPlot, which draws its
// charts. The argument is where `tsc` has put src: `dist` by default.
import { copyFileSync, cpSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = `${root}${process.argv[2] ?? 'dist'}/dashboard/page`;
const uplot = dirname(fileURLToPath(import.meta.resolve('uplot')));

mkdirSync(page, { recursive: true });
cpSync(`${root}src/dashboard/page`, page, { recursive: true });
for (const file of ['uPlot.iife.min.js', 'uPlot.min.css']) {
  copyFileSync(`${uplot}/${file}`, `${page}/${file}`);
}
copyFileSync(`${uplot}/../LICENSE`, `${page}/uPlot.LICENSE`);
