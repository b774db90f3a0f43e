import { Buffer } from 'node:buffer';
import type { IoredisClient, RedisCommand } from './client.js';
import type { RedisMessage, Driver, OnBroken, SubscriptionKind } from './driver.js';

/** What ioredis has beyond IoredisClient; what is missing costs comfort, never safety. */
interface Ioredis extends IoredisClient {
  readonly options: IoredisOptions;
  readonly condition?: { readonly subscriber?: unknown; readonly protocol?: number } | null;
  readonly stream?: { destroy(): void };
  call(name: string, ...words: (string | Buffer)[]): Promise<unknown>;
  on(event: string, listener: (...parameters: never[]) => void): unknown;
}

interface IoredisOptions {
  readonly username?: string | null;
  readonly password?: string | null;
  readonly db?: number;
  readonly connectionName?: string | null;
  readonly readOnly?: boolean;
  readonly protocol?: number;
}

/** The pool makes a new connection instead, and tells the borrower of the old one at once. */
const neverAgain = {
  retryStrategy: null,
  reconnectOnError: null,
  enableOfflineQueue: false,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
};

const subscribing = {
  channel: 'subscribe',
  pattern: 'psubscribe',
  shard: 'ssubscribe',
} satisfies Record<SubscriptionKind, string>;

export class IoredisDriver implements Driver {
  readonly #client: Ioredis;
  #onceOver: (() => void)[] = [];

  constructor(client: IoredisClient, onBroken: OnBroken) {
    this.#client = client as Ioredis;
    // It reads them when it needs them, so this works although it exists already, and even connects.
    Object.assign(this.#client.options, neverAgain);
    client.on('error', onBroken);
    client.on('close', () => {
      onBroken(new Error('The connection has ended'));
      for (const over of this.#onceOver) over();
      this.#onceOver = [];
    });
  }

  get isReady(): boolean {
    return this.#client.status === 'ready';
  }

  async connect(): Promise<void> {
    const client = this.#client;
    if (client.status === 'ready') return;
    if (client.status === 'close' || client.status === 'end') {
      throw new Error(
        'The client has ended already: each call of the factory has to make a new one',
      );
    }
    // Not from its promise: that says nothing of why, while the session hears the error.
    if (client.status === 'wait') client.connect().catch(() => undefined);
    await new Promise<void>((resolve, reject) => {
      client.on('ready', resolve);
      // Sentinels that know no master are told by an error alone.
      client.on('error', reject);
      client.on('close', () => {
        reject(new Error('The connection was closed before it was ready'));
      });
    });
  }

  send([name, ...words]: RedisCommand): Promise<unknown> {
    const encoded = words.map(word =>
      typeof word === 'number' ? String(word) : typeof word === 'string' ? word : Buffer.from(word),
    );
    return this.#client.call(name, ...encoded);
  }

  async restore(): Promise<void> {
    const { condition, options } = this.#client;
    if (condition?.subscriber) {
      throw new Error('the borrower has subscribed, which ioredis cannot be made to forget');
    }
    const { username, password, db = 0, connectionName, readOnly } = options;
    const hasPassword = password !== undefined && password !== null && password !== '';
    const user = username ?? 'default';
    const commands: RedisCommand[] = [['reset']];
    if ((condition?.protocol ?? options.protocol) === 3) {
      commands.push(hasPassword ? ['hello', 3, 'AUTH', user, password] : ['hello', 3]);
    } else if (hasPassword) commands.push(['auth', user, password]);
    if (connectionName) commands.push(['client', 'setname', connectionName]);
    if (readOnly === true) commands.push(['readonly']);
    // In lower case ioredis takes note of it.
    commands.push(['select', db]);
    await Promise.all(commands.map(command => this.send(command)));
  }

  async subscribe(
    kind: SubscriptionKind,
    names: readonly string[],
    onMessage: (message: RedisMessage) => void,
  ): Promise<void> {
    const client = this.#client;
    if (kind === 'pattern') {
      client.on('pmessage', (pattern: string, channel: string, message: string) => {
        onMessage({ channel, message, pattern });
      });
    } else {
      const event = kind === 'shard' ? 'smessage' : 'message';
      client.on(event, (channel: string, message: string) => {
        onMessage({ channel, message, pattern: undefined });
      });
    }
    await client.call(subscribing[kind], ...names);
  }

  /** Closes our side of the socket: the server, whatever it is at, then closes its own. */
  leave(): Promise<void> {
    return new Promise(resolve => {
      this.#onceOver.push(resolve);
      if (this.#isOver) resolve();
      else this.#client.disconnect();
    });
  }

  abandon(): Promise<void> {
    return this.leave();
  }

  cut(): void {
    if (this.#isOver) return;
    this.#client.disconnect();
    this.#client.stream?.destroy();
  }

  get #isOver(): boolean {
    return this.#client.status === 'end' || this.#client.status === 'close';
  }
}
