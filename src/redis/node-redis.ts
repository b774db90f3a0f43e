import { Buffer } from 'node:buffer';
import { lastValueFrom, timer, type SchedulerLike } from 'rxjs';
import type { NodeRedisClient, RedisCommand, RedisWord } from './client.js';
import type { RedisMessage, Driver, OnBroken, SubscriptionKind } from './driver.js';

/** A connection that is made sooner may be counted beside the one whose place it takes. */
const seenMillis = 10;

type Listener = (message: string, channel: string) => void;

/** What node-redis has beyond NodeRedisClient. */
interface NodeRedis extends NodeRedisClient {
  readonly options?: { readonly database?: number };
  sendCommand(words: readonly (string | Buffer)[]): Promise<unknown>;
  subscribe(names: readonly string[], listener: Listener): Promise<unknown>;
  pSubscribe(names: readonly string[], listener: Listener): Promise<unknown>;
  sSubscribe(names: readonly string[], listener: Listener): Promise<unknown>;
}

export class NodeRedisDriver implements Driver {
  readonly #client: NodeRedis;
  #isCut = false;

  constructor(client: NodeRedisClient, onBroken: OnBroken) {
    this.#client = client as NodeRedis;
    // For good: an `error` that nobody listens to ends the process. And at once: whatever the client was told about
    // reconnecting, one that is destroyed in here does not.
    client.on('error', error => {
      onBroken(error);
      if (client.isOpen) client.destroy();
    });
    client.on('end', () => {
      onBroken(new Error('The connection has ended'));
    });
    // A client that is destroyed while its socket connects goes on to use it.
    client.on('connect', () => {
      if (this.#isCut) client.destroy();
    });
  }

  get isReady(): boolean {
    return this.#client.isReady;
  }

  connect(): Promise<unknown> {
    return this.#client.connect();
  }

  send(command: RedisCommand): Promise<unknown> {
    return this.#client.sendCommand(command.map(encoded));
  }

  async restore(): Promise<void> {
    await this.#client.reset();
    // `reset` goes to the database that the borrower has selected last, and takes it for the client's own.
    await this.#client.select(this.#client.options?.database ?? 0);
  }

  async subscribe(
    kind: SubscriptionKind,
    names: readonly string[],
    onMessage: (message: RedisMessage) => void,
  ): Promise<void> {
    const client = this.#client;
    const listener = (message: string, channel: string): void => {
      onMessage({ channel, message, pattern: undefined });
    };
    if (kind === 'channel') await client.subscribe(names, listener);
    else if (kind === 'shard') await client.sSubscribe(names, listener);
    else {
      await Promise.all(
        names.map(pattern =>
          client.pSubscribe([pattern], (message, channel) => {
            onMessage({ channel, message, pattern });
          }),
        ),
      );
    }
  }

  async leave(): Promise<void> {
    // Closing the socket would be as good, but nobody says when the server has seen it.
    await this.#client.sendCommand(['QUIT']);
  }

  /** The server reads no command behind one that blocks, and nothing tells when it has seen the end: it is given a moment. */
  async abandon(scheduler: SchedulerLike): Promise<void> {
    this.cut();
    await lastValueFrom(timer(seenMillis, scheduler));
  }

  cut(): void {
    this.#isCut = true;
    if (this.#client.isOpen) this.#client.destroy();
  }
}

function encoded(word: RedisWord): string | Buffer {
  if (typeof word === 'string') return word;
  if (typeof word === 'number') return String(word);
  return Buffer.isBuffer(word) ? word : Buffer.from(word.buffer, word.byteOffset, word.byteLength);
}
