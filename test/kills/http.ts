import type { IncomingMessage, ServerResponse } from 'node:http';
import { mergeMap, take, takeUntil, timer, type Observable } from 'rxjs';
import * as undici from 'undici';
import { httpPool, request } from '../../src/http/index.js';
import type { Pool } from '../../src/index.js';
import { startHttpServer } from '../services/http-server.js';
import type { KillTrial } from './contestant.js';

const max = 8;
const big = Buffer.alloc(300_000);

export const trial: KillTrial = {
  name: 'http',
  async open() {
    const server = await startHttpServer(answer);
    const pool = httpPool({ origin: server.origin, undici, name: 'http', max });
    return {
      pool,
      borrow: () => work(pool),
      async kill() {
        server.resetAny();
      },
      serverCount: () => server.connections(),
      counts: 'getConnections',
      close: () => server.stop(),
    };
  },
};

function answer({ url }: IncomingMessage, response: ServerResponse): void {
  if (url === '/big') response.end(big);
  else if (url === '/never') response.write('half');
  else if (url === '/silent') response.on('close', () => undefined);
  else response.end('ok');
}

function work(pool: Pool<undici.Client>): Observable<unknown> {
  const get = (path: string) => request(pool, { path });
  const choice = Math.random();
  if (choice < 0.5) return get('/').pipe(mergeMap(response => response.text()));
  if (choice < 0.7) {
    const asked = { path: '/', method: 'POST', json: { n: 1 }, errorOnStatus: true };
    return request(pool, asked).pipe(mergeMap(response => response.text()));
  }
  if (choice < 0.8) return get('/big').pipe(mergeMap(response => response.bytes()));
  if (choice < 0.9) return get('/big').pipe(mergeMap(({ body }) => body.pipe(take(1))));
  // Given up half-way, before the headers or after them.
  const path = choice < 0.97 ? '/silent' : '/never';
  return get(path).pipe(takeUntil(timer(2)));
}
