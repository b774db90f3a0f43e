import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { serverConnections, type Stage } from './trial.js';

/** Something that goes wrong between a pool and its server, or with the server. */
export interface Fault {
  readonly name: string;
  /** Before the first connection. */
  prepare?(stage: Stage): Promise<void>;
  /** Resolves when the fault is over: from then on it counts how long the recovery takes. */
  happen(stage: Stage): Promise<void>;
  /** Whether borrowers must notice: some by an error, or none at all. */
  readonly isNoticed: boolean;
  /** The server hears nothing of the end of connections, and goes on to count them. */
  readonly isSilent?: boolean;
  /** The server knows of every end before the pool makes a new connection: it never counts more than `max`. */
  readonly isExact?: boolean;
  /** The server forgets what it has acknowledged: its disk is not waited for in tests. */
  readonly losesData?: boolean;
}

const shortMillis = 500;

export const faults: readonly Fault[] = [
  {
    name: 'latency of 20 to 40 ms each way',
    isNoticed: false,
    isExact: true,
    async happen({ proxy }) {
      proxy.setLatency(20, 20);
      await sleep(shortMillis);
      proxy.setLatency(0);
    },
  },
  {
    name: 'every connection reset',
    isNoticed: true,
    async happen({ proxy }) {
      proxy.resetAll();
    },
  },
  {
    name: 'every connection reset, new ones refused for 0.5 s',
    isNoticed: true,
    async happen({ proxy }) {
      proxy.refuse(true);
      proxy.resetAll();
      await sleep(shortMillis);
      proxy.refuse(false);
    },
  },
  {
    name: 'black hole for 1 s',
    isNoticed: true,
    isSilent: true,
    async happen({ proxy }) {
      proxy.blackHole(true);
      await sleep(1_000);
      proxy.blackHole(false);
    },
  },
  {
    name: 'every connection half open',
    isNoticed: true,
    async happen({ proxy }) {
      proxy.halfOpen();
    },
  },
  {
    name: 'every back end terminated',
    isNoticed: true,
    isExact: true,
    async happen({ server }) {
      await server.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rxpool'",
      );
    },
  },
  {
    name: 'server restarted',
    isNoticed: true,
    async happen({ server }) {
      await server.restart();
    },
  },
  {
    name: 'server shut down as in a crash, started 0.3 s later',
    isNoticed: true,
    losesData: true,
    async happen({ server }) {
      await server.kill();
      await sleep(300);
      await server.restart();
    },
  },
  {
    name: 'max_connections reached for 0.5 s, half of max left',
    isNoticed: true,
    isExact: true,
    async prepare(stage) {
      const strangers = serverConnections - stage.max / 2;
      stage.strangers = await Promise.all(Array.from({ length: strangers }, () => connect(stage)));
    },
    async happen(stage) {
      await sleep(shortMillis);
      await Promise.all(stage.strangers.map(stranger => stranger.end()));
    },
  },
];

async function connect({ server }: Stage): Promise<Client> {
  const stranger = new Client({ connectionString: server.url, application_name: 'stranger' });
  await stranger.connect();
  return stranger;
}
