// What the dashboard costs. After `npm run build`:
//   node --expose-gc test/dashboard/load.mjs [seconds]
// A hundred pools make 50,000 events a second, first unheard, then with the dashboard and one real
// browser looking (or, without Chromium, a reader of its stream), beside a viewer that never reads.
// The difference in the CPU time of this process is the dashboard's part: events being built at all,
// counting them, frames, the server.
import { once } from 'node:events';
import { get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { createPool } from 'rxpool';
import { dashboard } from 'rxpool/dashboard';
import { chromiumPath, openChromium } from './chromium.mjs';

const seconds = Number(process.argv[2] ?? 60);
const wanted = 50_000;
const driven = 52_000; // a collected heap and a late timer cost some
const stepMillis = 10;
const limitShare = 0.2;

const pools = Array.from({ length: 100 }, (_, index) =>
  createPool({ name: `pool ${index}`, max: 10, idleTimeoutMillis: Infinity, create: () => ({}) }),
);
await Promise.all(pools.map(pool => pool.prefill()));

const events = () =>
  pools.reduce(
    (sum, { stats }) => sum + 2 * (stats.acquired + stats.cancelled) + stats.released,
    0,
  );
const busySeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};
const heapMegabytes = () => {
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 2 ** 20;
};

/** Leases that come and go at the wanted rate: three events each. Some are held for a step. */
function startTraffic() {
  const started = performance.now();
  let done = 0;
  let next = 0;
  let held = [];
  const timer = setInterval(() => {
    for (const subscription of held) subscription.unsubscribe();
    held = [];
    const due = ((performance.now() - started) / 1000) * (driven / 3);
    for (; done < due; done += 1) {
      next = (next + 1) % pools.length;
      const subscription = pools[next].acquire().subscribe();
      if (done % 7 === 0 && held.length < 300) held.push(subscription);
      else subscription.unsubscribe();
    }
  }, stepMillis);
  return () => {
    clearInterval(timer);
    for (const subscription of held) subscription.unsubscribe();
  };
}

async function measure(name) {
  const stop = startTraffic();
  await delay(5000); // warm
  const before = { busy: busySeconds(), events: events(), at: performance.now() };
  const heaps = [];
  const parts = 6;
  let measuring = 0;
  for (let part = 0; part < parts; part += 1) {
    await delay((seconds * 1000) / parts);
    const gcStarted = busySeconds();
    heaps.push(heapMegabytes());
    measuring += busySeconds() - gcStarted;
  }
  const took = (performance.now() - before.at) / 1000;
  const share = (busySeconds() - before.busy - measuring) / took;
  const rate = (events() - before.events) / took;
  stop();
  console.log(
    `${name}: ${Math.round(rate).toLocaleString('en')} events/s, ${(share * 100).toFixed(1)} % of one core, ` +
      `heap after each sixth ${heaps.map(heap => heap.toFixed(1)).join(' ')} MB`,
  );
  return { share, rate, heaps };
}

const unheard = await measure('without the dashboard');
const board = await dashboard(pools);
const unseen = await measure('with it, nobody looks ');

let frames;
let end;
if (chromiumPath === undefined) {
  const [response] = await once(get(`${board.url}events?pool=pool%200`), 'response');
  response.resume();
  end = () => response.destroy();
} else {
  const browser = await openChromium();
  const page = await browser.newPage();
  await page.goto(board.url);
  await page.evaluate(`
    globalThis.gaps = [];
    let last = performance.now();
    const look = now => { gaps.push(now - last); last = now; requestAnimationFrame(look); };
    requestAnimationFrame(look);
  `);
  frames = () => page.evaluate('gaps.slice(30).sort((a, b) => a - b)');
  end = () => browser.close();
}
const [stuck] = await once(get(`${board.url}events?pool=pool%201`), 'response');
stuck.on('error', () => undefined); // it may be let go
const seen = await measure('with it, and a browser');
if (frames !== undefined) {
  const gaps = await frames();
  const at = share => gaps[Math.floor(gaps.length * share)].toFixed(1);
  console.log(
    `the page: ${gaps.length} frames drawn, time between two p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms, longest ${at(0.99999)} ms`,
  );
}
console.log(
  `viewers left: ${board.viewers}; the one that never reads was let go: ${board.viewers === 1}`,
);
await end();
await board.close();

const part = seen.share - unheard.share;
const grown = seen.heaps.at(-1) - seen.heaps[0];
console.log(
  `the dashboard's part: ${(part * 100).toFixed(1)} % of one core seen, ` +
    `${((unseen.share - unheard.share) * 100).toFixed(1)} % unseen; heap grew by ${grown.toFixed(1)} MB from the first sixth to the last`,
);
const kept = seen.rate >= wanted && part < limitShare && grown < 5;
console.log(kept ? 'within the limits' : 'NOT within the limits: 50,000 events/s, 20 %, 5 MB');
await Promise.all(pools.map(pool => pool.close()));
process.exit(kept ? 0 : 1);
