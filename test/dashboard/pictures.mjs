// Takes the pictures of the dashboard in docs/pictures. After `npm run build`:
//   node test/dashboard/pictures.mjs [folder]
import { mkdirSync } from 'node:fs';
import { dashboard } from 'rxpool/dashboard';
import { openChromium } from './chromium.mjs';
import { scenes } from './scenes.mjs';

const folder = process.argv[2] ?? 'docs/pictures';
const settleMillis = Number(process.env['SETTLE_MILLIS'] ?? 45_000);
mkdirSync(folder, { recursive: true });

const shots = [
  { scene: 'busy', pool: 'orders', file: 'dashboard-light' },
  { scene: 'busy', pool: 'orders', file: 'dashboard-dark', dark: true },
  { scene: 'idle', pool: 'orders', file: 'idle-light' },
  { scene: 'saturated', pool: 'payments', file: 'saturated-dark', dark: true },
  { scene: 'saturated', pool: 'payments', file: 'saturated-phone', phone: true },
  { scene: 'failing', pool: 'ledger', file: 'failing-light' },
  { scene: 'failing', pool: 'ledger', file: 'failing-phone-dark', phone: true, dark: true },
  { scene: 'failing', file: 'list-phone', phone: true },
];

const boards = new Map();
for (const scene of new Set(shots.map(shot => shot.scene))) {
  const { pools, running } = scenes[scene]();
  const board = await dashboard(pools, { controls: true, sampleStacks: 0.2 });
  boards.set(scene, { pools, running, board });
}
await new Promise(resolve => setTimeout(resolve, settleMillis));
const browser = await openChromium();
for (const { scene, pool, file, dark = false, phone = false } of shots) {
  const context = await browser.newContext({
    colorScheme: dark ? 'dark' : 'light',
    viewport: phone ? { width: 400, height: 860 } : { width: 1500, height: 1130 },
    deviceScaleFactor: phone ? 1.5 : 1,
  });
  const page = await context.newPage();
  page.on('console', message => console.log(file, message.type(), message.text()));
  page.on('pageerror', error => console.log(file, error));
  const { board } = boards.get(scene);
  await page.goto(`${board.url}${pool === undefined ? '' : `#pool=${pool}`}`);
  await page.waitForTimeout(2500);
  await page.screenshot({ path: `${folder}/${file}.png`, fullPage: phone && pool !== undefined });
  await context.close();
  console.log(`${folder}/${file}.png`);
}
await browser.close();
for (const { pools, running, board } of boards.values()) {
  running.unsubscribe();
  await board.close();
  await Promise.all(pools.map(pool => pool.close({ force: true }).catch(() => undefined)));
}
process.exit();
