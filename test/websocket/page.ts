import { firstValueFrom, lastValueFrom, map, take, toArray } from 'rxjs';
import { webSocket } from 'rxjs/webSocket';
import {
  messages,
  request,
  webSocketPool,
  webSocketSubjectPool,
} from '../../src/websocket/index.js';
import type { Ask, Reply } from './server.js';

/** What the test asks the page to do, in a real browser. */
export interface WebSocketPage {
  replies(url: string): Promise<unknown>;
  leftovers(url: string): Promise<unknown>;
  breaking(url: string): Promise<unknown>;
  subjects(url: string): Promise<unknown>;
  nobody(): Promise<unknown>;
}

const isReply = (reply: Reply, asked: { id: number }): boolean => reply.id === asked.id;
let ids = 0;

const page: WebSocketPage = {
  async replies(url) {
    const pool = webSocketPool({ url, max: 2 });
    const ask = (value: number) =>
      firstValueFrom(request(pool, { id: (ids += 1), method: 'echo', value }, { isReply }));
    const values = (await Promise.all([1, 2, 3, 4].map(ask))).map(({ value }) => value);
    const { created } = pool.stats;
    await pool.close();
    return { values, allClosed: created > 0 && created === pool.stats.destroyed };
  },

  async leftovers(url) {
    const pool = webSocketPool({ url, max: 1 });
    let heard = 0;
    const count = (): void => {
      heard += 1;
    };
    const first = await pool.lease();
    const socket = first.resource as { onmessage?: unknown } & typeof first.resource;
    socket.addEventListener('message', count);
    socket.onmessage = count;
    socket.binaryType = 'arraybuffer';
    const echo = () => lastValueFrom(request(socket, { id: 1, method: 'echo' }, { isReply }));
    // A browser tells the page of a reply between its listeners, so the last message of each lease is not counted.
    await echo();
    await echo();
    await first.release();
    const second = await pool.lease();
    await echo();
    await echo();
    const { binaryType } = second.resource;
    await second.release();
    await pool.close();
    return { heard, binaryType };
  },

  async breaking(url) {
    const pool = webSocketPool({ url, max: 1 });
    const error = await lastValueFrom(
      pool.use(socket => {
        socket.send('{"method":"break"}');
        return messages(socket);
      }),
    ).catch((thrown: unknown) => thrown as Error & { closeCode?: number });
    const next = await lastValueFrom(
      request(pool, { id: 7, method: 'echo', value: 'back' }, { isReply }),
    );
    await pool.close();
    return {
      name: (error as Error).name,
      closeCode: (error as { closeCode?: number }).closeCode,
      next,
    };
  },

  async subjects(url) {
    const pool = webSocketSubjectPool({
      max: 1,
      connect: observers => webSocket<Ask | Reply>({ url, ...observers }),
    });
    const values = await lastValueFrom(
      pool
        .use(subject =>
          subject.multiplex(
            () => ({ id: 5, method: 'ticks' }),
            () => ({ method: 'stop' }),
            ({ id }) => id === 5,
          ),
        )
        .pipe(
          map(reply => (reply as Reply).value),
          take(3),
          toArray(),
        ),
    );
    await pool.close();
    return { values, ...{ created: pool.stats.created, destroyed: pool.stats.destroyed } };
  },

  async nobody() {
    const pool = webSocketPool({ url: 'ws://127.0.0.1:1/?token=secret' });
    const message = await pool.lease().then(
      () => 'leased',
      (error: unknown) => (error as Error).message,
    );
    await pool.close();
    return message;
  },
};

Object.assign(globalThis, { page });
