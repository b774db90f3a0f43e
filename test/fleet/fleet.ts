import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { FromProcess, Plan, ProcessName } from './plan.js';

/** Longer than closing a pool, disposing of a budget and ending a thread can take. */
const STOP_MILLIS = 60_000;

interface Running {
  readonly name: ProcessName;
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  served: number;
  failed: number;
  lost: number;
}

/** The processes, and what they did; those that were killed are counted as far as they said. */
export class Fleet {
  readonly #plan: Plan;
  readonly #running = new Set<Running>();
  readonly #stopping = new Set<Running>();
  #started = 0;
  #servedByGone = 0;
  #failedByGone = 0;
  #lostByGone = 0;
  /** Processes that ended although nobody told them to. */
  readonly crashes: string[] = [];

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  get served(): number {
    return this.#sum(({ served }) => served) + this.#servedByGone;
  }

  get failed(): number {
    return this.#sum(({ failed }) => failed) + this.#failedByGone;
  }

  /** Permits that were lost without being called back. */
  get lost(): number {
    return this.#sum(({ lost }) => lost) + this.#lostByGone;
  }

  async start(): Promise<void> {
    const { processes } = this.#plan;
    await Promise.all(Array.from({ length: processes }, () => this.#startOne().ready));
  }

  /** Kills one as the kernel would, starts another in its place; resolves when that one works. */
  kill(random: () => number): { readonly name: ProcessName; readonly replaced: Promise<void> } {
    const running = [...this.#running];
    const victim = running[Math.floor(random() * running.length)] as Running;
    this.#forget(victim);
    victim.child.kill('SIGKILL');
    return { name: victim.name, replaced: this.#startOne().ready };
  }

  /** All threads close their pools and give back. One that takes too long is killed, and counts as a crash. */
  async stop(): Promise<void> {
    await Promise.all(
      [...this.#running].map(async running => {
        const { name, child } = running;
        const exit = once(child, 'exit');
        this.#stopping.add(running);
        child.send('stop');
        const patience = setTimeout(() => child.kill('SIGKILL'), STOP_MILLIS);
        const [code, signal] = (await exit) as [number | null, string | null];
        clearTimeout(patience);
        this.#forget(running);
        if (code !== 0)
          this.crashes.push(`${name} was told to stop and ended with ${code ?? signal}`);
      }),
    );
  }

  /** For when something went wrong. */
  destroy(): void {
    for (const { child } of this.#running) child.kill('SIGKILL');
    this.#running.clear();
  }

  #startOne(): Running {
    const name: ProcessName = `p${(this.#started += 1)}`;
    const child = fork(new URL('./process.js', import.meta.url), [
      JSON.stringify(this.#plan),
      name,
    ]);
    let isReady: () => void = () => undefined;
    const ready = new Promise<void>(resolve => (isReady = resolve));
    const running: Running = { name, child, ready, served: 0, failed: 0, lost: 0 };
    this.#running.add(running);
    child.on('message', (message: FromProcess) => {
      if (message.type === 'ready') isReady();
      if (message.type !== 'count') return;
      // What a killed one had sent before still counts.
      const isGone = !this.#running.has(running);
      if (isGone) {
        this.#servedByGone += message.served - running.served;
        this.#failedByGone += message.failed - running.failed;
        this.#lostByGone += message.lost - running.lost;
      }
      const { served, failed, lost } = message;
      Object.assign(running, { served, failed, lost });
    });
    child.on('exit', (code, signal) => {
      if (!this.#running.has(running) || this.#stopping.has(running)) return;
      this.#forget(running);
      this.crashes.push(`${name} ended with ${String(code ?? signal)}`);
      isReady();
    });
    return running;
  }

  #forget(running: Running): void {
    this.#running.delete(running);
    this.#servedByGone += running.served;
    this.#failedByGone += running.failed;
    this.#lostByGone += running.lost;
  }

  #sum(of: (running: Running) => number): number {
    return [...this.#running].reduce((total, each) => total + of(each), 0);
  }
}
